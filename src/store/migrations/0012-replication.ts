import { type Migration } from "../migration.ts";

/** The tables of replication. */
export const replicationMigration: Migration = {
  version: 12,
  name: "replication",
  async up() {},
};
