import { sql, type SqlBool } from "kysely";
import { type Digest } from "../model/digest.ts";
import { type TextCondition } from "../model/text-condition.ts";
import { type Database } from "./database.ts";
import { type Counted, isArtifact, isBelow, isChild, type Order, type Page, textMeets } from "./harbor-conditions.ts";

/** By what repositories can be put into an order. */
export const repositoryFields = ["name", "creation_time", "update_time", "pull_count", "artifact_count"] as const;

/** Which repositories: of one project, of some, or of all (undefined). */
export interface RepositoryPage extends Page {
  readonly projects: readonly string[] | undefined;
  /** Only these, where somebody may not see all. */
  readonly names?: readonly string[];
  readonly conditions: readonly TextCondition[];
  readonly order: readonly Order<(typeof repositoryFields)[number]>[];
}

/** A repository that holds something. Instants are milliseconds. */
export interface RepositoryRow {
  readonly name: string;
  readonly createdAt: number;
  readonly changedAt: number;
  readonly artifactCount: number;
  readonly pullCount: number;
  readonly description: string;
}

/** Lists repositories that hold at least one manifest; uploads that were given up make none. */
export async function listHeldRepositories(db: Database, page: RepositoryPage): Promise<Counted<RepositoryRow>> {
  if (page.projects?.length === 0 || page.names?.length === 0) return { rows: [], total: 0 };
  const found = db
    .selectFrom("repositories as r")
    .where((row) =>
      row.exists(row.selectFrom("manifests as m").select("m.digest").whereRef("m.repository", "=", "r.name").limit(1)),
    )
    .where((row) =>
      row.and([
        isBelow(row.ref("r.name"), page.projects),
        ...(page.names === undefined ? [] : [row("r.name", "in", [...page.names])]),
        ...page.conditions.map((condition) => textMeets(row.ref("r.name"), condition)),
      ]),
    );
  const { count } = await found.select((row) => row.fn.countAll<number>().as("count")).executeTakeFirstOrThrow();
  let rows = found
    .leftJoin("repository_descriptions as d", "d.repository", "r.name")
    .select(["r.name", "r.created_at", "d.description"])
    .select((row) => [
      row
        .selectFrom("manifests as m")
        .select((inner) => inner.fn.max<number>("m.pushed_at").as("at"))
        .whereRef("m.repository", "=", "r.name")
        .as("pushed_at"),
      row
        .selectFrom("manifests as m")
        .select((inner) => inner.fn.sum<number>("m.pull_count").as("pulls"))
        .whereRef("m.repository", "=", "r.name")
        .as("pull_count"),
      row
        .selectFrom("manifests as m")
        .select((inner) => inner.fn.countAll<number>().as("count"))
        .whereRef("m.repository", "=", "r.name")
        .where(isArtifact)
        .as("artifact_count"),
    ]);
  for (const { field, isDescending } of page.order)
    rows = rows.orderBy(repositoryColumns[field], isDescending ? "desc" : "asc");
  const list = await rows.orderBy("r.name").offset(page.offset).limit(page.limit).execute();
  return {
    total: Number(count),
    rows: list.map((row) => ({
      name: row.name,
      createdAt: row.created_at,
      changedAt: Math.max(row.created_at, row.pushed_at ?? 0),
      artifactCount: Number(row.artifact_count),
      pullCount: Number(row.pull_count ?? 0),
      description: row.description ?? "",
    })),
  };
}

const repositoryColumns = {
  name: "r.name",
  creation_time: "r.created_at",
  update_time: "pushed_at",
  pull_count: "pull_count",
  artifact_count: "artifact_count",
} as const;

/** How many repositories each of some projects has, and all of the others together none. */
export async function countHeldRepositories(db: Database, projects: readonly string[]): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (let start = 0; start < projects.length; start += 100) {
    const rows = await db
      .selectFrom("projects as p")
      .select("p.name")
      .select((row) =>
        row
          .selectFrom("repositories as r")
          .select((inner) => inner.fn.countAll<number>().as("count"))
          .where(sql<SqlBool>`r.name >= p.name || '/' and r.name < p.name || '0'`)
          .where((inner) =>
            inner.exists(inner.selectFrom("manifests as m").select("m.digest").whereRef("m.repository", "=", "r.name")),
          )
          .as("count"),
      )
      .where("p.name", "in", projects.slice(start, start + 100))
      .execute();
    for (const { name, count } of rows) counts.set(name, Number(count ?? 0));
  }
  return counts;
}

/** Whether a repository holds anything. */
export async function holdsManifests(db: Database, repository: string): Promise<boolean> {
  const row = await db
    .selectFrom("manifests")
    .select("digest")
    .where("repository", "=", repository)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** What of a repository would be deleted one by one: what no index names first, then the rest. */
export async function listDeletable(db: Database, repository: string, limit: number): Promise<Digest[]> {
  const rows = await db
    .selectFrom("manifests as m")
    .select("m.digest")
    .where("m.repository", "=", repository)
    .where("m.subject", "is", null)
    .where((row) => row.not(isChild(row)))
    .orderBy("m.digest")
    .limit(limit)
    .execute();
  if (rows.length > 0) return rows.map(({ digest }) => digest);
  const rest = await db
    .selectFrom("manifests")
    .select("digest")
    .where("repository", "=", repository)
    .orderBy("digest")
    .limit(limit)
    .execute();
  return rest.map(({ digest }) => digest);
}
