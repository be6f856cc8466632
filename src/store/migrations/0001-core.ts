import { sql } from "kysely";
import type { Migration } from "../migration.ts";

/** The tables of durable work: runs, their steps, their events. */
export const coreMigration: Migration = {
  version: 1,
  name: "core",
  async up(db) {
    await db.schema
      .createTable("runs")
      .addColumn("id", "text", (column) => column.primaryKey())
      .addColumn("definition", "text", (column) => column.notNull())
      .addColumn("definition_version", "integer", (column) => column.notNull())
      .addColumn("input", "text", (column) => column.notNull())
      .addColumn("state", "text", (column) =>
        column.notNull().check(sql`state in ('queued', 'running', 'succeeded', 'failed', 'cancelled')`),
      )
      .addColumn("concurrency_key", "text")
      .addColumn("dedupe_key", "text")
      .addColumn("due_at", "bigint", (column) => column.notNull())
      .addColumn("attempt", "integer", (column) => column.notNull().defaultTo(0))
      .addColumn("failure_count", "integer", (column) => column.notNull().defaultTo(0))
      .addColumn("crash_count", "integer", (column) => column.notNull().defaultTo(0))
      .addColumn("cancel_requested", "integer", (column) => column.notNull().defaultTo(0))
      .addColumn("lease_owner", "text")
      .addColumn("lease_until", "bigint")
      .addColumn("output", "text")
      .addColumn("failure", "text")
      .addColumn("created_at", "bigint", (column) => column.notNull())
      .addColumn("started_at", "bigint")
      .addColumn("ended_at", "bigint")
      .execute();
    await sql`create index runs_due on runs (created_at, id) where state = 'queued'`.execute(db);
    await sql`create unique index runs_exclusive on runs (concurrency_key) where state = 'running'`.execute(db);
    await sql`create unique index runs_dedupe on runs (dedupe_key) where state in ('queued', 'running')`.execute(db);
    await sql`create index runs_by_definition on runs (definition, created_at)`.execute(db);
    await db.schema
      .createTable("run_steps")
      .addColumn("run_id", "text", (column) => column.notNull().references("runs.id").onDelete("cascade"))
      .addColumn("name", "text", (column) => column.notNull())
      .addColumn("state", "text", (column) => column.notNull().check(sql`state in ('running', 'succeeded', 'failed')`))
      .addColumn("input_digest", "text", (column) => column.notNull())
      .addColumn("attempt", "integer", (column) => column.notNull())
      .addColumn("output", "text")
      .addColumn("failure", "text")
      .addColumn("started_at", "bigint", (column) => column.notNull())
      .addColumn("ended_at", "bigint")
      .addPrimaryKeyConstraint("run_steps_key", ["run_id", "name"])
      .execute();
    await db.schema
      .createTable("run_events")
      .addColumn("run_id", "text", (column) => column.notNull().references("runs.id").onDelete("cascade"))
      .addColumn("sequence", "integer", (column) => column.notNull())
      .addColumn("at", "bigint", (column) => column.notNull())
      .addColumn("event", "text", (column) => column.notNull())
      .addPrimaryKeyConstraint("run_events_key", ["run_id", "sequence"])
      .execute();
  },
};
