import { type Migration } from "../migration.ts";

/** The table of browsers that are signed in. */
export const sessionsMigration: Migration = {
  version: 14,
  name: "sessions",
  async up(db) {
    await db.schema
      .createTable("sessions")
      .addColumn("id_hash", "text", (column) => column.primaryKey())
      .addColumn("account", "text", (column) => column.notNull())
      .addColumn("created_at", "bigint", (column) => column.notNull())
      .addColumn("expires_at", "bigint", (column) => column.notNull())
      .execute();
    await db.schema.createIndex("sessions_by_account").on("sessions").columns(["account", "created_at"]).execute();
    await db.schema.createIndex("sessions_by_end").on("sessions").columns(["expires_at"]).execute();
  },
};
