import { sql } from "kysely";
import { type Migration } from "../migration.ts";

/** The tables of advisories and exceptions. */
export const advisoriesMigration: Migration = {
  version: 4,
  name: "advisories",
  async up(db) {
    await db.schema
      .createTable("advisory_feeds")
      .addColumn("name", "text", (column) => column.primaryKey())
      .addColumn("source", "text", (column) => column.notNull())
      .addColumn("generation", "integer", (column) => column.notNull())
      .addColumn("importer", "text")
      .addColumn("data_at", "bigint")
      .addColumn("imported_at", "bigint")
      .addColumn("record_count", "integer", (column) => column.notNull())
      .addColumn("ecosystems", "text", (column) => column.notNull())
      .execute();
    await db.schema
      .createTable("advisories")
      .addColumn("key", "text", (column) => column.primaryKey())
      .addColumn("feed", "text", (column) => column.notNull())
      .addColumn("id", "text", (column) => column.notNull())
      .addColumn("modified_at", "bigint", (column) => column.notNull())
      .addColumn("added_in", "integer", (column) => column.notNull())
      .addColumn("removed_in", "integer", (column) => column.notNull())
      .addColumn("body", "text", (column) => column.notNull())
      .execute();
    await sql`create unique index advisories_by_id on advisories (feed, id, added_in)`.execute(db);
    await db.schema
      .createTable("advisory_packages")
      .addColumn("advisory_key", "text", (column) => column.notNull())
      .addColumn("feed", "text", (column) => column.notNull())
      .addColumn("ecosystem", "text", (column) => column.notNull())
      .addColumn("package", "text", (column) => column.notNull())
      .addColumn("added_in", "integer", (column) => column.notNull())
      .addColumn("removed_in", "integer", (column) => column.notNull())
      .addColumn("extent", "text", (column) => column.notNull())
      .execute();
    await sql`create index advisory_packages_by_name on advisory_packages (ecosystem, package)`.execute(db);
    await sql`create index advisory_packages_by_key on advisory_packages (advisory_key)`.execute(db);
    await db.schema
      .createTable("exceptions")
      .addColumn("id", "text", (column) => column.primaryKey())
      .addColumn("vulnerability", "text", (column) => column.notNull())
      .addColumn("package", "text")
      .addColumn("repository", "text")
      .addColumn("reason", "text", (column) => column.notNull())
      .addColumn("author", "text", (column) => column.notNull())
      .addColumn("created_at", "bigint", (column) => column.notNull())
      .addColumn("expires_at", "bigint", (column) => column.notNull())
      .execute();
    await db.schema
      .createTable("exception_events")
      .addColumn("id", "text", (column) => column.primaryKey())
      .addColumn("exception_id", "text", (column) => column.notNull().references("exceptions.id"))
      .addColumn("kind", "text", (column) => column.notNull().check(sql`kind in ('created', 'expired')`))
      .addColumn("at", "bigint", (column) => column.notNull())
      .addColumn("actor", "text", (column) => column.notNull())
      .addColumn("reason", "text", (column) => column.notNull())
      .execute();
    await sql`create index exception_events_by_exception on exception_events (exception_id, id)`.execute(db);
  },
};
