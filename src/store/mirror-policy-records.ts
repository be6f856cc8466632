import { newId, nowMs } from "../base/clock.ts";
import { type Database } from "./database.ts";

/** The rules for all repositories (`*`) or one, as JSON. */
export interface MirrorPolicyRecord {
  readonly scope: string;
  readonly rules: string;
  /** Milliseconds since 1970, as all instants here. */
  readonly changedAt: number;
  readonly changedBy: string;
}

/** All rules by their scope. */
export async function listMirrorPolicies(db: Database): Promise<MirrorPolicyRecord[]> {
  const rows = await db.selectFrom("mirror_policies").selectAll().orderBy("scope").execute();
  return rows.map((row) => ({
    scope: row.scope,
    rules: row.rules,
    changedAt: row.changed_at,
    changedBy: row.changed_by,
  }));
}

/** Sets the rules of a scope. */
export async function putMirrorPolicy(
  db: Database,
  policy: { readonly scope: string; readonly rules: string; readonly actor: string },
): Promise<void> {
  const columns = { rules: policy.rules, changed_at: nowMs(), changed_by: policy.actor };
  await db
    .insertInto("mirror_policies")
    .values({ scope: policy.scope, ...columns })
    .onConflict((conflict) => conflict.column("scope").doUpdateSet(columns))
    .execute();
}

/** Forgets the rules of a scope. */
export async function deleteMirrorPolicy(db: Database, scope: string): Promise<void> {
  await db.deleteFrom("mirror_policies").where("scope", "=", scope).execute();
}

/** A dated permission to get what rules keep back. */
export interface MirrorExceptionRecord {
  readonly id: string;
  /** A pattern over package URLs. */
  readonly pattern: string;
  /** Undefined for all repositories. */
  readonly repository: string | undefined;
  readonly reason: string;
  readonly author: string;
  readonly createdAt: number;
  readonly expiresAt: number;
}

/** All permissions in the order of their creation, ended ones too. */
export async function listMirrorExceptions(db: Database): Promise<MirrorExceptionRecord[]> {
  const rows = await db.selectFrom("mirror_exceptions").selectAll().orderBy("created_at").orderBy("id").execute();
  return rows.map((row) => ({
    id: row.id,
    pattern: row.pattern,
    repository: row.repository ?? undefined,
    reason: row.reason,
    author: row.author,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  }));
}

/** Adds a permission and returns it. */
export async function insertMirrorException(
  db: Database,
  exception: Omit<MirrorExceptionRecord, "id" | "createdAt">,
): Promise<MirrorExceptionRecord> {
  const made = { ...exception, id: newId(), createdAt: nowMs() };
  await db
    .insertInto("mirror_exceptions")
    .values({
      id: made.id,
      pattern: made.pattern,
      repository: made.repository ?? null,
      reason: made.reason,
      author: made.author,
      created_at: made.createdAt,
      expires_at: made.expiresAt,
    })
    .execute();
  return made;
}

/** Ends a permission now; one that has ended keeps its end. */
export async function endMirrorException(db: Database, id: string): Promise<void> {
  const now = nowMs();
  await db
    .updateTable("mirror_exceptions")
    .set({ expires_at: now })
    .where("id", "=", id)
    .where("expires_at", ">", now)
    .execute();
}

/** Something that rules were against when it was asked for. */
export interface MirrorFinding {
  readonly repository: string;
  readonly name: string;
  readonly version: string;
  readonly rule: string;
  /** `audit` where it was given out all the same, else `enforce`. */
  readonly mode: string;
  readonly reason: string;
  readonly count: number;
  readonly firstAt: number;
  readonly lastAt: number;
}

/** Adds to what rules were against. Call it in a transaction. */
export async function addMirrorFindings(
  db: Database,
  findings: readonly Omit<MirrorFinding, "firstAt">[],
): Promise<void> {
  for (const { repository, name, version, rule, mode, reason, count, lastAt } of findings)
    await db
      .insertInto("mirror_findings")
      .values({ repository, name, version, rule, mode, reason, use_count: count, first_at: lastAt, last_at: lastAt })
      .onConflict((conflict) =>
        conflict.columns(["repository", "name", "version", "rule"]).doUpdateSet((row) => ({
          mode,
          reason,
          last_at: lastAt,
          use_count: row("mirror_findings.use_count", "+", count),
        })),
      )
      .execute();
}

/** What rules were against, the latest first. */
export async function listMirrorFindings(
  db: Database,
  filter: { readonly repository: string | undefined; readonly limit: number },
): Promise<MirrorFinding[]> {
  let query = db.selectFrom("mirror_findings").selectAll();
  if (filter.repository !== undefined) query = query.where("repository", "=", filter.repository);
  const rows = await query.orderBy("last_at", "desc").orderBy("name").orderBy("version").limit(filter.limit).execute();
  return rows.map((row) => ({
    repository: row.repository,
    name: row.name,
    version: row.version,
    rule: row.rule,
    mode: row.mode,
    reason: row.reason,
    count: row.use_count,
    firstAt: row.first_at,
    lastAt: row.last_at,
  }));
}

/** Forgets what rules were against before an instant. */
export async function dropMirrorFindings(db: Database, before: number): Promise<void> {
  await db.deleteFrom("mirror_findings").where("last_at", "<", before).execute();
}
