import { sql } from "kysely";
import { type Migration } from "../migration.ts";

/** The tables of accounts and of the audit trail. */
export const accountsMigration: Migration = {
  version: 2,
  name: "accounts",
  async up(db) {
    await db.schema
      .createTable("accounts")
      .addColumn("name", "text", (column) => column.primaryKey())
      .addColumn("kind", "text", (column) => column.notNull().check(sql`kind in ('administrator', 'robot')`))
      .addColumn("secret_hash", "text", (column) => column.notNull())
      .addColumn("permissions", "text", (column) => column.notNull())
      .addColumn("created_at", "bigint", (column) => column.notNull())
      .addColumn("created_by", "text", (column) => column.notNull())
      .addColumn("expires_at", "bigint")
      .addColumn("disabled", "integer", (column) => column.notNull().defaultTo(0))
      .execute();
    await sql`create unique index accounts_one_administrator on accounts (kind) where kind = 'administrator'`.execute(
      db,
    );
    await db.schema
      .createTable("events")
      .addColumn("id", "text", (column) => column.primaryKey())
      .addColumn("at", "bigint", (column) => column.notNull())
      .addColumn("actor", "text", (column) => column.notNull())
      .addColumn("action", "text", (column) => column.notNull())
      .addColumn("subject", "text", (column) => column.notNull())
      .addColumn("details", "text", (column) => column.notNull())
      .execute();
    await db.schema.createIndex("events_by_subject").on("events").columns(["subject", "id"]).execute();
  },
};
