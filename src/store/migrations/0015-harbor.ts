import { type Migration } from "../migration.ts";

/** The tables of labels, of what is written about repositories, and of what Harbor's clients are to read back. */
export const harborMigration: Migration = {
  version: 15,
  name: "harbor",
  async up(db) {
    await db.schema
      .createTable("labels")
      .addColumn("id", "integer", (column) => column.primaryKey())
      .addColumn("name", "text", (column) => column.notNull())
      .addColumn("description", "text", (column) => column.notNull())
      .addColumn("color", "text", (column) => column.notNull())
      .addColumn("project", "text", (column) => column.notNull())
      .addColumn("created_at", "bigint", (column) => column.notNull())
      .addColumn("changed_at", "bigint", (column) => column.notNull())
      .execute();
    await db.schema.createIndex("labels_by_name").on("labels").columns(["project", "name"]).unique().execute();
    await db.schema
      .createTable("image_labels")
      .addColumn("label", "integer", (column) => column.notNull().references("labels.id").onDelete("cascade"))
      .addColumn("repository", "text", (column) => column.notNull())
      .addColumn("digest", "text", (column) => column.notNull())
      .addPrimaryKeyConstraint("image_labels_key", ["repository", "digest", "label"])
      .execute();
    await db.schema.createIndex("image_labels_by_label").on("image_labels").column("label").execute();
    await db.schema
      .createTable("repository_descriptions")
      .addColumn("repository", "text", (column) => column.primaryKey())
      .addColumn("description", "text", (column) => column.notNull())
      .addColumn("changed_at", "bigint", (column) => column.notNull())
      .execute();
    await db.schema
      .createTable("harbor_echoes")
      .addColumn("kind", "text", (column) => column.notNull())
      .addColumn("subject", "text", (column) => column.notNull())
      .addColumn("sent", "text", (column) => column.notNull())
      .addColumn("meaning", "text", (column) => column.notNull())
      .addPrimaryKeyConstraint("harbor_echoes_key", ["kind", "subject"])
      .execute();
  },
};
