import { sql } from "kysely";
import { nowMs } from "../../base/clock.ts";
import { type Migration } from "../migration.ts";

/** The tables of admission; what is stored already is queued as if it were pushed now. */
export const admissionMigration: Migration = {
  version: 11,
  name: "admission",
  async up(db) {
    await db.schema
      .createTable("image_scans")
      .addColumn("digest", "text", (column) =>
        column.primaryKey().references("manifest_contents.digest").onDelete("cascade"),
      )
      .addColumn("repository", "text", (column) => column.notNull())
      .addColumn("state", "text", (column) => column.notNull())
      .addColumn("priority", "integer", (column) => column.notNull())
      .addColumn("attempts", "integer", (column) => column.notNull())
      .addColumn("run_id", "text")
      .addColumn("reason", "text")
      .addColumn("queued_at", "bigint", (column) => column.notNull())
      .addColumn("due_at", "bigint", (column) => column.notNull())
      .addColumn("started_at", "bigint")
      .addColumn("ended_at", "bigint")
      .addColumn("catalogue", "text")
      .addColumn("packages", sql`bytea`)
      .addColumn("own_findings", "text")
      .addColumn("summary", "text")
      .addColumn("summary_of", "text")
      .execute();
    await sql`create index image_scans_waiting on image_scans (priority, due_at) where state in ('queued', 'running')`.execute(
      db,
    );
    await db.schema.createIndex("image_scans_by_state").on("image_scans").columns(["state", "digest"]).execute();
    await db.schema
      .createTable("pull_gates")
      .addColumn("project", "text", (column) => column.primaryKey())
      .addColumn("document", "text", (column) => column.notNull())
      .addColumn("changed_at", "bigint", (column) => column.notNull())
      .addColumn("changed_by", "text", (column) => column.notNull())
      .execute();
    const now = nowMs();
    await sql`insert into image_scans (digest, repository, state, priority, attempts, queued_at, due_at)
      select digest, min(repository), 'queued', 0, 0, ${now}, ${now} from manifests
      where media_type = 'application/vnd.docker.distribution.manifest.v2+json' or artifact_type in
        ('application/vnd.oci.image.config.v1+json', 'application/vnd.docker.container.image.v1+json')
      group by digest`.execute(db);
  },
};
