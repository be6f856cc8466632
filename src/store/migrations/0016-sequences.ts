import { sql } from "kysely";
import { type Migration } from "../migration.ts";

/** Tables whose rows people and scripts name by a number. */
const numbered = [
  ["projects", "id"],
  ["project_members", "id"],
  ["accounts", "number"],
  ["account_groups", "number"],
  ["labels", "id"],
] as const;

/** The highest number that was ever given in each numbered table: what is deleted gives its number to nobody else. */
export const sequencesMigration: Migration = {
  version: 16,
  name: "sequences",
  async up(db) {
    await db.schema
      .createTable("number_sequences")
      .addColumn("name", "text", (column) => column.primaryKey())
      .addColumn("value", "bigint", (column) => column.notNull())
      .execute();
    for (const [table, column] of numbered)
      await sql`insert into number_sequences (name, value)
        select ${table}, coalesce(max(${sql.ref(column)}), 0) from ${sql.table(table)}`.execute(db);
  },
};
