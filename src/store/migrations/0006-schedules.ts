import { type Migration } from "../migration.ts";

/** The table of what is to be done again and again. */
export const schedulesMigration: Migration = {
  version: 6,
  name: "schedules",
  async up(db) {
    await db.schema
      .createTable("schedules")
      .addColumn("name", "text", (column) => column.primaryKey())
      .addColumn("cron", "text", (column) => column.notNull())
      .addColumn("last_at", "bigint", (column) => column.notNull())
      .execute();
  },
};
