import { type Kysely, sql } from "kysely";
import { nowMs } from "../../base/clock.ts";
import { projectOf } from "../../model/permission.ts";
import { type Migration } from "../migration.ts";

/** The tables of projects, their members and roles; people, groups and personal tokens beside administrator and robots. */
export const projectsMigration: Migration = {
  version: 8,
  name: "projects",
  async up(db) {
    await createProjects(db);
    await createMembers(db);
    await widenAccounts(db);
    await createGroups(db);
    await createTokens(db);
    await carryOverProjects(db);
  },
};

async function createProjects(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("projects")
    .addColumn("id", "integer", (column) => column.primaryKey())
    .addColumn("name", "text", (column) => column.notNull().unique())
    .addColumn("is_public", "integer", (column) => column.notNull().defaultTo(0))
    .addColumn("settings", "text", (column) => column.notNull().defaultTo("{}"))
    .addColumn("created_at", "bigint", (column) => column.notNull())
    .addColumn("created_by", "text", (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("access_generation")
    .addColumn("id", "integer", (column) => column.primaryKey())
    .addColumn("value", "bigint", (column) => column.notNull())
    .execute();
  await sql`insert into access_generation (id, value) values (1, 1)`.execute(db);
}

async function createMembers(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("project_members")
    .addColumn("id", "integer", (column) => column.primaryKey())
    .addColumn("project", "text", (column) => column.notNull())
    .addColumn("subject_kind", "text", (column) => column.notNull().check(sql`subject_kind in ('account', 'group')`))
    .addColumn("subject", "text", (column) => column.notNull())
    .addColumn("role", "text", (column) => column.notNull())
    .addColumn("created_at", "bigint", (column) => column.notNull())
    .addColumn("created_by", "text", (column) => column.notNull())
    .addUniqueConstraint("project_members_once", ["project", "subject_kind", "subject"])
    .execute();
  await db.schema
    .createIndex("project_members_by_subject")
    .on("project_members")
    .columns(["subject_kind", "subject"])
    .execute();
  await db.schema
    .createTable("roles")
    .addColumn("name", "text", (column) => column.primaryKey())
    .addColumn("actions", "text", (column) => column.notNull())
    .addColumn("description", "text", (column) => column.notNull())
    .addColumn("created_at", "bigint", (column) => column.notNull())
    .addColumn("created_by", "text", (column) => column.notNull())
    .execute();
}

/** A check cannot be changed in place, so the table is made anew and its rows are moved. */
async function widenAccounts(db: Kysely<unknown>): Promise<void> {
  await sql`alter table accounts rename to accounts_before`.execute(db);
  await sql`drop index accounts_one_administrator`.execute(db);
  await db.schema
    .createTable("accounts")
    .addColumn("name", "text", (column) => column.primaryKey())
    .addColumn("number", "integer", (column) => column.notNull().unique())
    .addColumn("kind", "text", (column) => column.notNull().check(sql`kind in ('administrator', 'person', 'robot')`))
    .addColumn("secret_hash", "text")
    .addColumn("secret_hint", "text")
    .addColumn("old_secret_hash", "text")
    .addColumn("old_secret_hint", "text")
    .addColumn("old_secret_until", "bigint")
    .addColumn("permissions", "text", (column) => column.notNull())
    .addColumn("project", "text")
    .addColumn("is_system_admin", "integer", (column) => column.notNull().defaultTo(0))
    .addColumn("email", "text")
    .addColumn("description", "text", (column) => column.notNull().defaultTo(""))
    .addColumn("origin", "text", (column) => column.notNull().defaultTo("local"))
    .addColumn("external_id", "text")
    .addColumn("created_at", "bigint", (column) => column.notNull())
    .addColumn("created_by", "text", (column) => column.notNull())
    .addColumn("expires_at", "bigint")
    .addColumn("warned_days", "integer")
    .addColumn("last_used_at", "bigint")
    .addColumn("disabled", "integer", (column) => column.notNull().defaultTo(0))
    .execute();
  await sql`
    insert into accounts (name, number, kind, secret_hash, permissions, created_at, created_by, expires_at, disabled)
    select name, row_number() over (order by created_at, name), kind, secret_hash, permissions, created_at, created_by,
      expires_at, disabled
    from accounts_before`.execute(db);
  await sql`drop table accounts_before`.execute(db);
  await sql`create unique index accounts_one_administrator on accounts (kind) where kind = 'administrator'`.execute(db);
  await sql`create unique index accounts_by_external_id on accounts (origin, external_id) where external_id is not null`.execute(
    db,
  );
  await sql`create index accounts_by_end on accounts (expires_at) where expires_at is not null`.execute(db);
}

async function createGroups(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("account_groups")
    .addColumn("name", "text", (column) => column.primaryKey())
    .addColumn("number", "integer", (column) => column.notNull().unique())
    .addColumn("kind", "text", (column) => column.notNull().check(sql`kind in ('local', 'external')`))
    .addColumn("created_at", "bigint", (column) => column.notNull())
    .addColumn("created_by", "text", (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("group_members")
    .addColumn("group_name", "text", (column) => column.notNull())
    .addColumn("kind", "text", (column) => column.notNull())
    .addColumn("account", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint("group_members_key", ["account", "kind", "group_name"])
    .execute();
  await db.schema.createIndex("group_members_by_group").on("group_members").columns(["group_name", "kind"]).execute();
}

async function createTokens(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("personal_tokens")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("account", "text", (column) => column.notNull())
    .addColumn("label", "text", (column) => column.notNull())
    .addColumn("secret_hash", "text", (column) => column.notNull())
    .addColumn("projects", "text", (column) => column.notNull())
    .addColumn("actions", "text", (column) => column.notNull())
    .addColumn("administrates", "integer", (column) => column.notNull().defaultTo(0))
    .addColumn("created_at", "bigint", (column) => column.notNull())
    .addColumn("expires_at", "bigint", (column) => column.notNull())
    .addColumn("last_used_at", "bigint")
    .execute();
  await db.schema.createIndex("personal_tokens_by_account").on("personal_tokens").columns(["account"]).execute();
}

/** Every repository there is gets its project, private as any that makes itself. */
async function carryOverProjects(db: Kysely<unknown>): Promise<void> {
  const { rows } = await sql<{ name: string }>`select name from repositories order by name`.execute(db);
  const names = [...new Set(rows.map(({ name }) => projectOf(name)))];
  for (const [index, name] of names.entries())
    await sql`insert into projects (id, name, is_public, settings, created_at, created_by)
      values (${index + 1}, ${name}, 0, '{}', ${nowMs()}, 'migration')`.execute(db);
}
