import type { AccountTables } from "./accounts-tables.ts";
import type { AdmissionTables } from "./admission-tables.ts";
import type { AdvisoryTables } from "./advisories-tables.ts";
import type { CollectionTables } from "./collection-tables.ts";
import type { CoreTables } from "./core-tables.ts";
import type { EventTables } from "./events-tables.ts";
import type { ImageTables } from "./images-tables.ts";
import type { HarborTables } from "./harbor-tables.ts";
import type { LifetimeTables } from "./lifetime-tables.ts";
import type { MirrorPolicyTables } from "./mirror-policy-tables.ts";
import type { MirrorTables } from "./mirror-tables.ts";
import type { ProjectTables } from "./projects-tables.ts";
import type { RegistryTables } from "./registry-tables.ts";
import type { ReplicationTables } from "./replication-tables.ts";
import type { ScheduleTables } from "./schedule-tables.ts";
import type { SequenceTables } from "./sequence-tables.ts";
import type { SessionTables } from "./sessions-tables.ts";
import type { WebhookTables } from "./webhooks-tables.ts";

/** Every table of the database; each noun declares its own. */
export interface Tables
  extends
    CoreTables,
    AccountTables,
    EventTables,
    ProjectTables,
    RegistryTables,
    HarborTables,
    LifetimeTables,
    CollectionTables,
    AdmissionTables,
    ReplicationTables,
    WebhookTables,
    MirrorTables,
    MirrorPolicyTables,
    ScheduleTables,
    SequenceTables,
    SessionTables,
    AdvisoryTables,
    ImageTables {}
