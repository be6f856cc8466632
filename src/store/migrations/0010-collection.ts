import { type Kysely, sql } from "kysely";
import { type Migration } from "../migration.ts";

/** The tables of collection: the trash, what a dry run would take, and the runs. */
export const collectionMigration: Migration = {
  version: 10,
  name: "collection",
  async up(db) {
    await createTrash(db);
    await db.schema
      .createTable("collection_marks")
      .addColumn("kind", "text", (column) => column.notNull().check(sql`kind in ('manifest', 'link', 'purge', 'blob')`))
      .addColumn("repository", "text", (column) => column.notNull())
      .addColumn("digest", "text", (column) => column.notNull())
      .addColumn("size_bytes", "bigint", (column) => column.notNull())
      .addColumn("reason", "text", (column) => column.notNull())
      .addPrimaryKeyConstraint("collection_marks_key", ["digest", "repository", "kind"])
      .execute();
    await db.schema
      .createTable("collection_runs")
      .addColumn("id", "text", (column) => column.primaryKey())
      .addColumn("kind", "text", (column) => column.notNull().check(sql`kind in ('collect', 'scrub')`))
      .addColumn("actor", "text", (column) => column.notNull())
      .addColumn("settings", "text", (column) => column.notNull())
      .addColumn("phase", "text", (column) => column.notNull())
      .addColumn("cursor", "text", (column) => column.notNull())
      .addColumn("report", "text", (column) => column.notNull())
      .addColumn("started_at", "bigint", (column) => column.notNull())
      .addColumn("updated_at", "bigint", (column) => column.notNull())
      .addColumn("ended_at", "bigint")
      .addColumn("outcome", "text")
      .execute();
    await db.schema.createIndex("collection_runs_by_kind").on("collection_runs").columns(["kind", "id"]).execute();
    // When a manifest lost its last tag counts for it as when it was pushed.
    await sql`create index tag_moves_by_source on tag_moves (repository, from_digest, at) where from_digest is not null`.execute(
      db,
    );
  },
};

async function createTrash(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("trashed_manifests")
    .addColumn("repository", "text", (column) => column.notNull())
    // The database itself refuses to drop bytes that the trash could still give back.
    .addColumn("digest", "text", (column) => column.notNull().references("manifest_contents.digest"))
    .addColumn("media_type", "text", (column) => column.notNull())
    .addColumn("artifact_type", "text")
    .addColumn("subject", "text")
    .addColumn("annotations", "text")
    .addColumn("pushed_at", "bigint", (column) => column.notNull())
    .addColumn("pushed_by", "text", (column) => column.notNull())
    .addColumn("pulled_at", "bigint")
    .addColumn("tags", "text", (column) => column.notNull())
    .addColumn("unit", "text", (column) => column.notNull())
    .addColumn("origin", "text", (column) => column.notNull())
    .addColumn("reason", "text", (column) => column.notNull())
    .addColumn("trashed_at", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("trashed_manifests_key", ["repository", "digest"])
    .execute();
  await db.schema.createIndex("trashed_manifests_by_digest").on("trashed_manifests").column("digest").execute();
  await db.schema
    .createIndex("trashed_manifests_by_unit")
    .on("trashed_manifests")
    .columns(["repository", "unit"])
    .execute();
  await db.schema.createIndex("trashed_manifests_by_age").on("trashed_manifests").column("trashed_at").execute();
  await db.schema
    .createTable("trashed_links")
    .addColumn("repository", "text", (column) => column.notNull())
    .addColumn("digest", "text", (column) => column.notNull())
    .addColumn("size_bytes", "bigint", (column) => column.notNull())
    .addColumn("linked_at", "bigint", (column) => column.notNull())
    .addColumn("origin", "text", (column) => column.notNull())
    .addColumn("reason", "text", (column) => column.notNull())
    .addColumn("trashed_at", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("trashed_links_key", ["repository", "digest"])
    .execute();
  await db.schema
    .createIndex("trashed_links_by_digest")
    .on("trashed_links")
    .columns(["digest", "repository"])
    .execute();
  await db.schema.createIndex("trashed_links_by_age").on("trashed_links").column("trashed_at").execute();
}
