import { type Kysely, sql } from "kysely";
import { type Migration } from "../migration.ts";

/** The tables of lifetime: rules, holds, usage, retention and its history. */
export const lifetimeMigration: Migration = {
  version: 9,
  name: "lifetime",
  async up(db) {
    await createRules(db);
    await createHistory(db);
    await addUsageFacts(db);
    await countUsage(db);
  },
};

async function createRules(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("project_lifetime")
    .addColumn("project", "text", (column) => column.primaryKey().references("projects.name").onDelete("cascade"))
    .addColumn("immutability", "text", (column) => column.notNull().defaultTo("[]"))
    .addColumn("hold_rules", "text", (column) => column.notNull().defaultTo("[]"))
    .addColumn("retention", "text")
    .addColumn("retention_set_by", "text")
    .addColumn("retention_set_at", "bigint")
    .addColumn("quota_bytes", "bigint")
    .addColumn("quota_warned_at", "bigint")
    .addColumn("quota_refused_at", "bigint")
    .execute();
  await db.schema
    .createTable("holds")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("repository", "text", (column) => column.notNull())
    .addColumn("digest", "text", (column) => column.notNull())
    .addColumn("until_at", "bigint", (column) => column.notNull())
    .addColumn("author", "text", (column) => column.notNull())
    .addColumn("reason", "text", (column) => column.notNull())
    .addColumn("created_at", "bigint", (column) => column.notNull())
    .addColumn("released_at", "bigint")
    .addColumn("released_by", "text")
    .addColumn("release_reason", "text")
    .execute();
  await sql`create index holds_by_digest on holds (repository, digest) where released_at is null`.execute(db);
}

async function createHistory(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("retention_runs")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("project", "text", (column) => column.notNull())
    .addColumn("actor", "text", (column) => column.notNull())
    .addColumn("dry_run", "integer", (column) => column.notNull())
    .addColumn("state", "text", (column) =>
      column.notNull().check(sql`state in ('queued', 'running', 'succeeded', 'failed')`),
    )
    .addColumn("created_at", "bigint", (column) => column.notNull())
    .addColumn("started_at", "bigint")
    .addColumn("ended_at", "bigint")
    .addColumn("kept_count", "bigint", (column) => column.notNull().defaultTo(0))
    .addColumn("dropped_count", "bigint", (column) => column.notNull().defaultTo(0))
    .addColumn("freed_bytes", "bigint", (column) => column.notNull().defaultTo(0))
    .addColumn("failure", "text")
    .addColumn("has_outcomes", "integer", (column) => column.notNull().defaultTo(0))
    .execute();
  await db.schema.createIndex("retention_runs_by_project").on("retention_runs").columns(["project", "id"]).execute();
  await db.schema
    .createTable("retention_outcomes")
    .addColumn("run_id", "text", (column) => column.notNull().references("retention_runs.id").onDelete("cascade"))
    .addColumn("position", "integer", (column) => column.notNull())
    .addColumn("repository", "text", (column) => column.notNull())
    .addColumn("tag", "text")
    .addColumn("digest", "text", (column) => column.notNull())
    .addColumn("decision", "text", (column) => column.notNull().check(sql`decision in ('kept', 'dropped')`))
    .addColumn("reason", "text", (column) => column.notNull())
    .addColumn("freed_bytes", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("retention_outcomes_key", ["run_id", "position"])
    .execute();
}

/** Facts of use stand beside what they are about, so they go when it goes. */
async function addUsageFacts(db: Kysely<unknown>): Promise<void> {
  for (const column of ["tags add column pushed_at bigint", "tags add column pulled_at bigint"])
    await sql`alter table ${sql.raw(column)}`.execute(db);
  await sql`alter table tags add column pull_count bigint not null default 0`.execute(db);
  await sql`alter table manifests add column last_pushed_at bigint`.execute(db);
  await sql`alter table manifests add column pulled_at bigint`.execute(db);
  await sql`alter table manifests add column pull_count bigint not null default 0`.execute(db);
  await sql`alter table tag_moves add column cause text`.execute(db);
  await sql`alter table tag_moves add column reason text`.execute(db);
  await sql`create index tag_moves_by_target on tag_moves (repository, to_digest) where to_digest is not null`.execute(
    db,
  );
}

interface Counted {
  readonly table: "blob_links" | "manifests";
  /** The bytes of a row, whose columns stand behind `row.`. */
  readonly bytes: (row: "new" | "old") => string;
}

const counted: readonly Counted[] = [
  { table: "blob_links", bytes: (row) => `${row}.size_bytes` },
  {
    table: "manifests",
    bytes: (row) => `(select size_bytes from manifest_contents where manifest_contents.digest = ${row}.digest)`,
  },
];

/**
 * What a project uses is counted by the database itself, in the statement that adds or takes a row: whatever path of
 * the program does it, the sum cannot drift. A digest counts once a project, however many repositories have it.
 */
async function countUsage(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("project_usage")
    .addColumn("project", "text", (column) => column.primaryKey())
    .addColumn("bytes", "bigint", (column) => column.notNull())
    .execute();
  await sql
    .raw(`
    insert into project_usage (project, bytes)
    select project, sum(bytes) from (
      select distinct ${projectOfRow("blob_links")} as project, digest, size_bytes as bytes from blob_links
      union all
      select distinct ${projectOfRow("manifests")}, manifests.digest, manifest_contents.size_bytes
      from manifests join manifest_contents on manifest_contents.digest = manifests.digest
    ) as stored group by project`)
    .execute(db);
  for (const { table, bytes } of counted) {
    await addTrigger(db, { table, when: "insert", row: "new", change: `+ ${bytes("new")}` });
    await addTrigger(db, { table, when: "delete", row: "old", change: `- ${bytes("old")}` });
  }
}

interface Trigger {
  readonly table: string;
  readonly when: "insert" | "delete";
  readonly row: "new" | "old";
  readonly change: string;
}

async function addTrigger(db: Kysely<unknown>, { table, when, row, change }: Trigger): Promise<void> {
  const project = projectOfRow(row);
  // A slash is followed by a zero in ASCII.
  const elsewhere = `select 1 from ${table} as other where other.digest = ${row}.digest
    and other.repository <> ${row}.repository
    and (other.repository = ${project} or (other.repository >= ${project} || '/' and other.repository < ${project} || '0'))`;
  await sql
    .raw(`
    create trigger ${table}_usage_${when} after ${when} on ${table}
    when not exists (${elsewhere})
    begin
      insert into project_usage (project, bytes) select ${project}, 0
        where not exists (select 1 from project_usage where project = ${project});
      update project_usage set bytes = bytes ${change} where project = ${project};
    end`)
    .execute(db);
}

function projectOfRow(row: string): string {
  return `substr(${row}.repository, 1, instr(${row}.repository || '/', '/') - 1)`;
}
