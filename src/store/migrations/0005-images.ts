import { type Migration } from "../migration.ts";

/** The tables of images: what each stage gave, what was minted, and what a rebuild proved. */
export const imagesMigration: Migration = {
  version: 5,
  name: "images",
  async up(db) {
    await db.schema
      .createTable("stage_records")
      .addColumn("stage", "text", (column) => column.notNull())
      .addColumn("input_sha256", "text", (column) => column.notNull())
      .addColumn("output", "text", (column) => column.notNull())
      .addColumn("created_at", "integer", (column) => column.notNull())
      .addPrimaryKeyConstraint("stage_records_key", ["stage", "input_sha256"])
      .execute();
    await db.schema
      .createTable("images")
      .addColumn("digest", "text", (column) => column.primaryKey())
      .addColumn("repository", "text", (column) => column.notNull())
      .addColumn("recipe", "text", (column) => column.notNull())
      .addColumn("lock_digest", "text", (column) => column.notNull())
      .addColumn("summary", "text", (column) => column.notNull())
      .addColumn("built_at", "integer", (column) => column.notNull())
      .execute();
    await db.schema.createIndex("images_by_time").on("images").columns(["built_at"]).execute();
    await db.schema
      .createTable("image_proofs")
      .addColumn("digest", "text", (column) => column.notNull())
      .addColumn("result", "text", (column) => column.notNull())
      .addColumn("detail", "text", (column) => column.notNull())
      .addColumn("at", "integer", (column) => column.notNull())
      .execute();
    await db.schema.createIndex("image_proofs_by_digest").on("image_proofs").columns(["digest", "at"]).execute();
  },
};
