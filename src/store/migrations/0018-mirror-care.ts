import type { Migration } from "../migration.ts";

/** The rules of the package mirror, the permissions to get round them, and what they were against. */
export const mirrorCareMigration: Migration = {
  version: 18,
  name: "mirror-care",
  async up(db) {
    await db.schema
      .createTable("mirror_policies")
      .addColumn("scope", "text", (column) => column.primaryKey())
      .addColumn("rules", "text", (column) => column.notNull())
      .addColumn("changed_at", "bigint", (column) => column.notNull())
      .addColumn("changed_by", "text", (column) => column.notNull())
      .execute();
    await db.schema
      .createTable("mirror_exceptions")
      .addColumn("id", "text", (column) => column.primaryKey())
      .addColumn("pattern", "text", (column) => column.notNull())
      .addColumn("repository", "text")
      .addColumn("reason", "text", (column) => column.notNull())
      .addColumn("author", "text", (column) => column.notNull())
      .addColumn("created_at", "bigint", (column) => column.notNull())
      .addColumn("expires_at", "bigint", (column) => column.notNull())
      .execute();
    await db.schema
      .createTable("mirror_findings")
      .addColumn("repository", "text", (column) => column.notNull())
      .addColumn("name", "text", (column) => column.notNull())
      .addColumn("version", "text", (column) => column.notNull())
      .addColumn("rule", "text", (column) => column.notNull())
      .addColumn("mode", "text", (column) => column.notNull())
      .addColumn("reason", "text", (column) => column.notNull())
      .addColumn("use_count", "integer", (column) => column.notNull())
      .addColumn("first_at", "bigint", (column) => column.notNull())
      .addColumn("last_at", "bigint", (column) => column.notNull())
      .addPrimaryKeyConstraint("mirror_findings_key", ["repository", "name", "version", "rule"])
      .execute();
    await db.schema.createIndex("mirror_findings_by_time").on("mirror_findings").column("last_at").execute();
  },
};
