import { type Kysely, sql } from "kysely";
import { type Migration } from "../migration.ts";

/** The tables of the registry. */
export const registryMigration: Migration = {
  version: 3,
  name: "registry",
  async up(db) {
    await db.schema
      .createTable("repositories")
      .addColumn("name", "text", (column) => column.primaryKey())
      .addColumn("created_at", "bigint", (column) => column.notNull())
      .execute();
    await db.schema
      .createTable("blob_links")
      .addColumn("repository", "text", (column) => column.notNull().references("repositories.name"))
      .addColumn("digest", "text", (column) => column.notNull())
      .addColumn("size_bytes", "bigint", (column) => column.notNull())
      .addColumn("linked_at", "bigint", (column) => column.notNull())
      .addColumn("touched_at", "bigint", (column) => column.notNull())
      .addPrimaryKeyConstraint("blob_links_key", ["repository", "digest"])
      .execute();
    await db.schema.createIndex("blob_links_by_digest").on("blob_links").columns(["digest", "repository"]).execute();
    await createManifestTables(db);
    await createTagTables(db);
    await db.schema
      .createTable("uploads")
      .addColumn("id", "text", (column) => column.primaryKey())
      .addColumn("repository", "text", (column) => column.notNull())
      .addColumn("account", "text", (column) => column.notNull())
      .addColumn("created_at", "bigint", (column) => column.notNull())
      .addColumn("touched_at", "bigint", (column) => column.notNull())
      .execute();
    await db.schema.createIndex("uploads_by_repository").on("uploads").column("repository").execute();
    await db.schema.createIndex("uploads_by_age").on("uploads").column("touched_at").execute();
  },
};

async function createManifestTables(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("manifest_contents")
    .addColumn("digest", "text", (column) => column.primaryKey())
    .addColumn("size_bytes", "bigint", (column) => column.notNull())
    // PostgreSQL's name; SQLite takes any type name and keeps bytes as they are.
    .addColumn("bytes", sql`bytea`, (column) => column.notNull())
    .addColumn("created_at", "bigint", (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("manifests")
    .addColumn("repository", "text", (column) => column.notNull().references("repositories.name"))
    .addColumn("digest", "text", (column) => column.notNull().references("manifest_contents.digest"))
    .addColumn("media_type", "text", (column) => column.notNull())
    .addColumn("artifact_type", "text")
    .addColumn("subject", "text")
    .addColumn("annotations", "text")
    .addColumn("pushed_at", "bigint", (column) => column.notNull())
    .addColumn("pushed_by", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint("manifests_key", ["repository", "digest"])
    .execute();
  await db.schema.createIndex("manifests_by_digest").on("manifests").column("digest").execute();
  await sql`create index manifests_by_subject on manifests (repository, subject, digest) where subject is not null`.execute(
    db,
  );
  await db.schema
    .createTable("manifest_edges")
    .addColumn("parent", "text", (column) =>
      column.notNull().references("manifest_contents.digest").onDelete("cascade"),
    )
    .addColumn("child", "text", (column) => column.notNull())
    .addColumn("kind", "text", (column) => column.notNull().check(sql`kind in ('config', 'layer', 'child', 'subject')`))
    .addPrimaryKeyConstraint("manifest_edges_key", ["parent", "child", "kind"])
    .execute();
  await db.schema.createIndex("manifest_edges_by_child").on("manifest_edges").columns(["child", "parent"]).execute();
}

async function createTagTables(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("tags")
    .addColumn("repository", "text", (column) => column.notNull())
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("digest", "text", (column) => column.notNull())
    .addColumn("moved_at", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("tags_key", ["repository", "name"])
    .addForeignKeyConstraint("tags_manifest", ["repository", "digest"], "manifests", ["repository", "digest"])
    .execute();
  await db.schema.createIndex("tags_by_digest").on("tags").columns(["repository", "digest"]).execute();
  await db.schema
    .createTable("tag_moves")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("repository", "text", (column) => column.notNull())
    .addColumn("tag", "text", (column) => column.notNull())
    .addColumn("from_digest", "text")
    .addColumn("to_digest", "text")
    .addColumn("actor", "text", (column) => column.notNull())
    .addColumn("at", "bigint", (column) => column.notNull())
    .execute();
  await db.schema.createIndex("tag_moves_by_tag").on("tag_moves").columns(["repository", "tag", "id"]).execute();
}
