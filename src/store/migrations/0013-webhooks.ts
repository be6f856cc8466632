import { sql } from "kysely";
import { type Migration } from "../migration.ts";

/** The tables of webhooks: what is told to whom, and each message with its fate. */
export const webhooksMigration: Migration = {
  version: 13,
  name: "webhooks",
  async up(db) {
    await db.schema
      .createTable("webhooks")
      .addColumn("id", "text", (column) => column.primaryKey())
      .addColumn("name", "text", (column) => column.notNull())
      .addColumn("project", "text", (column) => column.notNull())
      .addColumn("events", "text", (column) => column.notNull())
      .addColumn("repositories", "text", (column) => column.notNull())
      .addColumn("tags", "text", (column) => column.notNull())
      .addColumn("enabled", "integer", (column) => column.notNull())
      .addColumn("created_at", "bigint", (column) => column.notNull())
      .addColumn("created_by", "text", (column) => column.notNull())
      .addUniqueConstraint("webhooks_name", ["project", "name"])
      .execute();
    await db.schema
      .createTable("webhook_targets")
      .addColumn("id", "text", (column) => column.primaryKey())
      .addColumn("webhook_id", "text", (column) => column.notNull().references("webhooks.id").onDelete("cascade"))
      .addColumn("position", "integer", (column) => column.notNull())
      .addColumn("url", "text", (column) => column.notNull())
      .addColumn("label", "text", (column) => column.notNull())
      .addColumn("format", "text", (column) => column.notNull().check(sql`format in ('cloudevents', 'slack')`))
      .addColumn("authorization", "text")
      .addColumn("secret", "text", (column) => column.notNull())
      .addColumn("failure_count", "integer", (column) => column.notNull().defaultTo(0))
      .addColumn("due_at", "bigint", (column) => column.notNull().defaultTo(0))
      .execute();
    await db.schema.createIndex("webhook_targets_of").on("webhook_targets").columns(["webhook_id"]).execute();
    await db.schema
      .createTable("webhook_deliveries")
      .addColumn("id", "text", (column) => column.primaryKey())
      .addColumn("target_id", "text", (column) => column.notNull().references("webhook_targets.id").onDelete("cascade"))
      .addColumn("cause", "text", (column) => column.notNull().check(sql`cause in ('event', 'test', 'again')`))
      .addColumn("sequence", "integer", (column) => column.notNull())
      .addColumn("event_id", "text", (column) => column.notNull())
      .addColumn("action", "text", (column) => column.notNull())
      .addColumn("subject", "text", (column) => column.notNull())
      .addColumn("body", "text", (column) => column.notNull())
      .addColumn("state", "text", (column) => column.notNull().check(sql`state in ('pending', 'delivered', 'dead')`))
      .addColumn("attempt", "integer", (column) => column.notNull().defaultTo(0))
      .addColumn("created_at", "bigint", (column) => column.notNull())
      .addColumn("tried_at", "bigint")
      .addColumn("duration_ms", "integer")
      .addColumn("status", "integer")
      .addColumn("answer", "text")
      .execute();
    // An event comes again after a crash; its messages do not.
    await sql`create unique index webhook_deliveries_once on webhook_deliveries (target_id, sequence) where cause = 'event'`.execute(
      db,
    );
    await sql`create index webhook_deliveries_pending on webhook_deliveries (target_id, sequence) where state = 'pending'`.execute(
      db,
    );
    await db.schema
      .createIndex("webhook_deliveries_newest")
      .on("webhook_deliveries")
      .columns(["target_id", "created_at", "id"])
      .execute();
  },
};
