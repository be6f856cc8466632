import { nowMs } from "../base/clock.ts";
import { projectOf } from "../model/permission.ts";
import { type Database } from "./database.ts";
import { addAuditEvent } from "./event-records.ts";
import { isOfProject } from "./project-removal-records.ts";
import { nextNumber } from "./sequence-records.ts";

/** A project as it is stored. */
export interface ProjectRecord {
  readonly id: number;
  readonly name: string;
  readonly isPublic: boolean;
  /** Each feature keeps its own key: `quota`, `gate`, `proxy` … */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly createdBy: string;
}

/** What a new project is made of. */
export interface NewProject {
  readonly name: string;
  readonly isPublic: boolean;
  readonly createdBy: string;
}

/** Adds a project; false where there is one of that name. Call it in a transaction. */
export async function insertProject(db: Database, { name, isPublic, createdBy }: NewProject): Promise<boolean> {
  const there = await db.selectFrom("projects").select("id").where("name", "=", name).executeTakeFirst();
  if (there !== undefined) return false;
  const result = await db
    .insertInto("projects")
    .values({
      id: await nextNumber(db, "projects"),
      name,
      is_public: isPublic ? 1 : 0,
      settings: "{}",
      created_at: nowMs(),
      created_by: createdBy,
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  if (result.numInsertedOrUpdatedRows !== 1n) return false;
  await addAuditEvent(db, { actor: createdBy, action: "project.created", subject: name, details: { isPublic } });
  return true;
}

/** Makes the project of a new repository, private; nothing happens where there is one. */
export async function ensureProjectOf(db: Database, repository: string): Promise<void> {
  await insertProject(db, { name: projectOf(repository), isPublic: false, createdBy: "first push" });
}

/** The project of a name. */
export async function findProject(db: Database, name: string): Promise<ProjectRecord | undefined> {
  const row = await db.selectFrom("projects").selectAll().where("name", "=", name).executeTakeFirst();
  return row === undefined ? undefined : recordOf(row);
}

/** The project of a number. */
export async function findProjectById(db: Database, id: number): Promise<ProjectRecord | undefined> {
  const row = await db.selectFrom("projects").selectAll().where("id", "=", id).executeTakeFirst();
  return row === undefined ? undefined : recordOf(row);
}

/**
 * The instant in milliseconds from which on events under a project's name are its own: before, another project had it.
 *
 * A project that was carried over is as old as its repositories.
 */
export function eventsSince({ createdAt, createdBy }: ProjectRecord): number {
  return createdBy === "migration" ? 0 : createdAt;
}

/** All projects by name. */
export async function listProjects(db: Database): Promise<ProjectRecord[]> {
  return (await db.selectFrom("projects").selectAll().orderBy("name").execute()).map(recordOf);
}

/** The names of the projects that everybody may read. */
export async function listPublicProjects(db: Database): Promise<string[]> {
  const rows = await db.selectFrom("projects").select("name").where("is_public", "=", 1).execute();
  return rows.map(({ name }) => name);
}

/** Opens or closes a project to everybody; false where there is none. */
export async function updateProjectVisibility(db: Database, name: string, isPublic: boolean): Promise<boolean> {
  const change = { is_public: isPublic ? 1 : 0 };
  const result = await db.updateTable("projects").set(change).where("name", "=", name).executeTakeFirst();
  await countAccessChange(db);
  return result.numUpdatedRows === 1n;
}

/**
 * Sets one key of a project's settings, or removes it where the value is undefined; false where there is no project.
 *
 * Call it in a transaction, with an audit event `project.changed` beside it.
 */
export async function updateProjectSetting(
  db: Database,
  name: string,
  change: { readonly key: string; readonly value: unknown },
): Promise<boolean> {
  const project = await findProject(db, name);
  if (project === undefined) return false;
  const settings = JSON.stringify({ ...project.settings, [change.key]: change.value });
  await db.updateTable("projects").set({ settings }).where("name", "=", name).execute();
  return true;
}

/**
 * Removes the repositories of a project that hold no manifest, with what was pushed into them; gives the first that
 * holds one, where nothing is removed.
 */
export async function deleteEmptyRepositories(db: Database, project: string): Promise<string | undefined> {
  const repositories = await listRepositoriesOfProject(db, project);
  if (repositories.length === 0) return undefined;
  const holding = await db
    .selectFrom("manifests")
    .select("repository")
    .where((row) => isOfProject(row.ref("repository"), project))
    .orderBy("repository")
    .executeTakeFirst();
  if (holding !== undefined) return holding.repository;
  await db
    .deleteFrom("blob_links")
    .where((row) => isOfProject(row.ref("repository"), project))
    .execute();
  await db
    .deleteFrom("repositories")
    .where((row) => isOfProject(row.ref("name"), project))
    .execute();
  return undefined;
}

/** The names of the repositories of a project in ASCII order. */
async function listRepositoriesOfProject(db: Database, project: string): Promise<string[]> {
  const rows = await db
    .selectFrom("repositories")
    .select("name")
    .where((row) => isOfProject(row.ref("name"), project))
    .orderBy("name")
    .execute();
  return rows.map(({ name }) => name);
}

/** Removes a project with its members; what it holds must be gone before. False where there is none. */
export async function deleteProject(db: Database, name: string): Promise<boolean> {
  await db.deleteFrom("project_members").where("project", "=", name).execute();
  const result = await db.deleteFrom("projects").where("name", "=", name).executeTakeFirst();
  await countAccessChange(db);
  return result.numDeletedRows === 1n;
}

/** Counts a change of rights; inside the transaction of the change. */
export async function countAccessChange(db: Database): Promise<void> {
  await db
    .updateTable("access_generation")
    .set((row) => ({ value: row("value", "+", 1) }))
    .execute();
}

/** How many changes of rights there were. */
export async function accessGeneration(db: Database): Promise<number> {
  return (await db.selectFrom("access_generation").select("value").executeTakeFirstOrThrow()).value;
}

interface ProjectRow {
  readonly id: number;
  readonly name: string;
  readonly is_public: number;
  readonly settings: string;
  readonly created_at: number;
  readonly created_by: string;
}

function recordOf(row: ProjectRow): ProjectRecord {
  return {
    id: row.id,
    name: row.name,
    isPublic: row.is_public !== 0,
    settings: JSON.parse(row.settings) as Record<string, unknown>,
    createdAt: row.created_at,
    createdBy: row.created_by,
  };
}
