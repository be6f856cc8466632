import type { AccountTables } from "./accounts-tables.ts";
import type { AdvisoryTables } from "./advisories-tables.ts";
import type { CoreTables } from "./core-tables.ts";
import type { ImageTables } from "./images-tables.ts";
import type { RegistryTables } from "./registry-tables.ts";

/** Every table of the database; each noun declares its own. */
export interface Tables extends CoreTables, AccountTables, RegistryTables, AdvisoryTables, ImageTables {}
