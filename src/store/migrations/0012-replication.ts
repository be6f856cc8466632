import { type Kysely } from "kysely";
import { type Migration } from "../migration.ts";

/** The tables of peers, replication and proxy caches. */
export const replicationMigration: Migration = {
  version: 12,
  name: "replication",
  async up(db) {
    await makePeers(db);
    await makeReplication(db);
    await makeProxies(db);
  },
};

async function makePeers(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("peers")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("name", "text", (column) => column.notNull().unique())
    .addColumn("kind", "text", (column) => column.notNull())
    .addColumn("url", "text", (column) => column.notNull())
    .addColumn("username", "text")
    .addColumn("secret", "text")
    .addColumn("ca_pem", "text")
    .addColumn("insecure", "integer", (column) => column.notNull())
    .addColumn("trusted_hosts", "text", (column) => column.notNull())
    .addColumn("created_at", "bigint", (column) => column.notNull())
    .addColumn("changed_at", "bigint", (column) => column.notNull())
    .addColumn("checked_at", "bigint")
    .addColumn("check_problem", "text")
    .execute();
  await db.schema
    .createTable("transfers")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("place", "text", (column) => column.notNull())
    .addColumn("touched_at", "bigint", (column) => column.notNull())
    .execute();
}

async function makeReplication(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("replication_rules")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("name", "text", (column) => column.notNull().unique())
    .addColumn("peer", "text", (column) => column.notNull().references("peers.id"))
    .addColumn("direction", "text", (column) => column.notNull())
    .addColumn("settings", "text", (column) => column.notNull())
    .addColumn("enabled", "integer", (column) => column.notNull())
    .addColumn("created_at", "bigint", (column) => column.notNull())
    .addColumn("changed_at", "bigint", (column) => column.notNull())
    .addColumn("created_by", "text", (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("replication_executions")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("rule", "text", (column) => column.notNull().references("replication_rules.id").onDelete("cascade"))
    .addColumn("trigger", "text", (column) => column.notNull())
    .addColumn("actor", "text", (column) => column.notNull())
    .addColumn("run_id", "text")
    .addColumn("started_at", "bigint", (column) => column.notNull())
    .addColumn("ended_at", "bigint")
    .addColumn("problem", "text")
    .execute();
  await db.schema
    .createIndex("replication_executions_by_rule")
    .on("replication_executions")
    .columns(["rule", "id"])
    .execute();
  await db.schema
    .createTable("replication_tasks")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("execution", "text", (column) =>
      column.notNull().references("replication_executions.id").onDelete("cascade"),
    )
    .addColumn("rule", "text", (column) => column.notNull())
    .addColumn("operation", "text", (column) => column.notNull())
    .addColumn("source", "text", (column) => column.notNull())
    .addColumn("destination", "text", (column) => column.notNull())
    .addColumn("reference", "text", (column) => column.notNull())
    .addColumn("run_id", "text", (column) => column.notNull())
    .addColumn("created_at", "bigint", (column) => column.notNull())
    .addColumn("outcome", "text")
    .addColumn("note", "text")
    .addColumn("sent_bytes", "bigint", (column) => column.notNull())
    .addColumn("sent_count", "integer", (column) => column.notNull())
    .execute();
  await db.schema
    .createIndex("replication_tasks_by_execution")
    .on("replication_tasks")
    .columns(["execution", "id"])
    .execute();
  await db.schema.createIndex("replication_tasks_by_run").on("replication_tasks").column("run_id").execute();
}

async function makeProxies(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("proxy_projects")
    .addColumn("project", "text", (column) => column.primaryKey())
    .addColumn("peer", "text", (column) => column.notNull().references("peers.id"))
    .addColumn("namespace", "text", (column) => column.notNull())
    .addColumn("allowed", "text", (column) => column.notNull())
    .addColumn("fresh_seconds", "integer", (column) => column.notNull())
    .addColumn("missing_seconds", "integer", (column) => column.notNull())
    .addColumn("mirrored_host", "text")
    .addColumn("created_at", "bigint", (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("proxy_answers")
    .addColumn("repository", "text", (column) => column.notNull())
    .addColumn("reference", "text", (column) => column.notNull())
    .addColumn("digest", "text")
    .addColumn("checked_at", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("proxy_answers_key", ["repository", "reference"])
    .execute();
}
