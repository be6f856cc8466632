import type { Migration } from "../migration.ts";
import { coreMigration } from "./0001-core.ts";
import { accountsMigration } from "./0002-accounts.ts";
import { registryMigration } from "./0003-registry.ts";
import { advisoriesMigration } from "./0004-advisories.ts";
import { imagesMigration } from "./0005-images.ts";
import { schedulesMigration } from "./0006-schedules.ts";
import { eventsMigration } from "./0007-events.ts";
import { projectsMigration } from "./0008-projects.ts";
import { lifetimeMigration } from "./0009-lifetime.ts";
import { collectionMigration } from "./0010-collection.ts";
import { admissionMigration } from "./0011-admission.ts";
import { replicationMigration } from "./0012-replication.ts";
import { webhooksMigration } from "./0013-webhooks.ts";
import { sessionsMigration } from "./0014-sessions.ts";
import { harborMigration } from "./0015-harbor.ts";
import { sequencesMigration } from "./0016-sequences.ts";
import { mirrorMigration } from "./0017-mirror.ts";
import { mirrorCareMigration } from "./0018-mirror-care.ts";

/** Every migration in its order. */
export const migrations: readonly Migration[] = [
  coreMigration,
  accountsMigration,
  registryMigration,
  advisoriesMigration,
  imagesMigration,
  schedulesMigration,
  eventsMigration,
  projectsMigration,
  lifetimeMigration,
  collectionMigration,
  admissionMigration,
  replicationMigration,
  webhooksMigration,
  sessionsMigration,
  harborMigration,
  sequencesMigration,
  mirrorMigration,
  mirrorCareMigration,
];
