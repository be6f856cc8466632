import { type Digest } from "../model/digest.ts";
import { type Database } from "./database.ts";

/** How much of its quota a project uses. */
export interface QuotaState {
  readonly project: string;
  /** Bytes of the distinct blobs and manifests that its repositories have. */
  readonly usedBytes: number;
  /** Undefined is no limit. */
  readonly quotaBytes: number | undefined;
  /** Whether somebody was warned since there was last room. */
  readonly isWarned: boolean;
}

/** The quota of a project and what is used of it; undefined where it has no quota. One look-up by key. */
export async function findQuota(db: Database, project: string): Promise<QuotaState | undefined> {
  const row = await db
    .selectFrom("project_lifetime")
    .leftJoin("project_usage", "project_usage.project", "project_lifetime.project")
    .select(["quota_bytes", "quota_warned_at", "bytes"])
    .where("project_lifetime.project", "=", project)
    .where("quota_bytes", "is not", null)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return {
    project,
    usedBytes: row.bytes ?? 0,
    quotaBytes: row.quota_bytes ?? undefined,
    isWarned: row.quota_warned_at !== null,
  };
}

/** Bytes that a project uses. */
export async function findUsage(db: Database, project: string): Promise<number> {
  const row = await db.selectFrom("project_usage").select("bytes").where("project", "=", project).executeTakeFirst();
  return row?.bytes ?? 0;
}

/** Usage and quota of projects by name, after `after` (exclusive), at most `limit`. */
export async function listQuotas(
  db: Database,
  page: { readonly after: string; readonly limit: number },
): Promise<QuotaState[]> {
  const rows = await db
    .selectFrom("projects")
    .leftJoin("project_usage", "project_usage.project", "projects.name")
    .leftJoin("project_lifetime", "project_lifetime.project", "projects.name")
    .select(["projects.name", "quota_bytes", "quota_warned_at", "bytes"])
    .where("projects.name", ">", page.after)
    .orderBy("projects.name")
    .limit(page.limit)
    .execute();
  return rows.map((row) => ({
    project: row.name,
    usedBytes: row.bytes ?? 0,
    quotaBytes: row.quota_bytes ?? undefined,
    isWarned: row.quota_warned_at !== null,
  }));
}

/** Notes that it was warned at an instant in milliseconds, or, with null, that there is room again. */
export async function markQuotaWarned(db: Database, project: string, at: number | null): Promise<void> {
  await db.updateTable("project_lifetime").set({ quota_warned_at: at }).where("project", "=", project).execute();
}

/** Notes a refusal at an instant; false where there was one since `notSince`. Both are milliseconds. */
export async function markQuotaRefused(
  db: Database,
  project: string,
  refusal: { readonly at: number; readonly notSince: number },
): Promise<boolean> {
  const result = await db
    .updateTable("project_lifetime")
    .set({ quota_refused_at: refusal.at })
    .where("project", "=", project)
    .where((where) =>
      where.or([where("quota_refused_at", "is", null), where("quota_refused_at", "<", refusal.notSince)]),
    )
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** Whether any repository of a project has a blob or manifest already, so that one more costs nothing. */
export async function isStoredInProject(
  db: Database,
  project: string,
  stored: { readonly table: "blob_links" | "manifests"; readonly digest: Digest },
): Promise<boolean> {
  const row = await db
    .selectFrom(stored.table)
    .select("repository")
    .where("digest", "=", stored.digest)
    // A slash is followed by a zero in ASCII.
    .where((where) =>
      where.or([
        where("repository", "=", project),
        where.and([where("repository", ">=", `${project}/`), where("repository", "<", `${project}0`)]),
      ]),
    )
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}
