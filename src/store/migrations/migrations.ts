import type { Migration } from "../migration.ts";
import { coreMigration } from "./0001-core.ts";
import { accountsMigration } from "./0002-accounts.ts";
import { registryMigration } from "./0003-registry.ts";
import { advisoriesMigration } from "./0004-advisories.ts";
import { imagesMigration } from "./0005-images.ts";

/** Every migration in its order. */
export const migrations: readonly Migration[] = [
  coreMigration,
  accountsMigration,
  registryMigration,
  advisoriesMigration,
  imagesMigration,
];
