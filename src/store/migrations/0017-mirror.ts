import { type Kysely, sql } from "kysely";
import { type Migration } from "../migration.ts";

/** The tables of the package mirror. */
export const mirrorMigration: Migration = {
  version: 17,
  name: "mirror",
  async up(db) {
    await makeRepositories(db);
    await makeEntries(db);
    await makeRenderings(db);
    await makeDerived(db);
  },
};

async function makeRepositories(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("mirror_repositories")
    .addColumn("name", "text", (column) => column.primaryKey())
    .addColumn("format", "text", (column) => column.notNull())
    .addColumn("kind", "text", (column) => column.notNull())
    .addColumn("settings", "text", (column) => column.notNull())
    .addColumn("secret", "text")
    .addColumn("created_at", "bigint", (column) => column.notNull())
    .addColumn("changed_at", "bigint", (column) => column.notNull())
    .execute();
}

async function makeEntries(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("mirror_entries")
    .addColumn("repository", "text", (column) => column.notNull())
    .addColumn("kind", "text", (column) => column.notNull())
    .addColumn("key", "text", (column) => column.notNull())
    .addColumn("digest", "text")
    .addColumn("size_bytes", "bigint", (column) => column.notNull())
    .addColumn("media_type", "text", (column) => column.notNull())
    .addColumn("lifetime", "text", (column) => column.notNull())
    .addColumn("url", "text")
    .addColumn("etag", "text")
    .addColumn("modified", "text")
    .addColumn("claim", "text")
    .addColumn("subject", "text")
    .addColumn("version", "text")
    .addColumn("published_at", "bigint")
    .addColumn("fetched_at", "bigint", (column) => column.notNull())
    .addColumn("checked_at", "bigint", (column) => column.notNull())
    .addColumn("used_at", "bigint", (column) => column.notNull())
    .addColumn("use_count", "integer", (column) => column.notNull())
    .addPrimaryKeyConstraint("mirror_entries_key", ["repository", "kind", "key"])
    .execute();
  await db.schema.createIndex("mirror_entries_by_digest").on("mirror_entries").column("digest").execute();
  await db.schema
    .createIndex("mirror_entries_by_subject")
    .on("mirror_entries")
    .columns(["repository", "subject", "version"])
    .execute();
  // Names that an ecosystem takes for the same: see mirrorSubjectsLike.
  await sql`create index mirror_entries_by_loose_subject
    on mirror_entries (repository, replace(replace(lower(subject), '_', '-'), '.', '-'), subject)`.execute(db);
}

async function makeRenderings(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("mirror_renderings")
    .addColumn("repository", "text", (column) => column.notNull())
    .addColumn("source", "text", (column) => column.notNull())
    .addColumn("variant", "text", (column) => column.notNull())
    .addColumn("base", "text", (column) => column.notNull())
    .addColumn("made_of", "text", (column) => column.notNull())
    .addColumn("digest", "text", (column) => column.notNull())
    .addColumn("size_bytes", "bigint", (column) => column.notNull())
    .addColumn("gzip_digest", "text")
    .addColumn("gzip_bytes", "bigint", (column) => column.notNull())
    .addColumn("media_type", "text", (column) => column.notNull())
    .addColumn("headers", "text")
    .addColumn("subject", "text")
    .addColumn("url", "text")
    .addColumn("generation", "text", (column) => column.notNull())
    .addColumn("checked_at", "bigint", (column) => column.notNull())
    .addColumn("until", "bigint")
    .addColumn("made_at", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("mirror_renderings_key", ["repository", "source", "variant", "base"])
    .execute();
  await db.schema.createIndex("mirror_renderings_by_digest").on("mirror_renderings").column("digest").execute();
  await db.schema.createIndex("mirror_renderings_by_gzip").on("mirror_renderings").column("gzip_digest").execute();
}

async function makeDerived(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("mirror_derived")
    .addColumn("repository", "text", (column) => column.notNull())
    .addColumn("source", "text", (column) => column.notNull())
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("source_digest", "text", (column) => column.notNull())
    .addColumn("digest", "text", (column) => column.notNull())
    .addColumn("size_bytes", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("mirror_derived_key", ["repository", "source", "name"])
    .execute();
  await db.schema.createIndex("mirror_derived_by_digest").on("mirror_derived").column("digest").execute();
}
