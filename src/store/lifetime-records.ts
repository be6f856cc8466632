import { type TagScope } from "../model/tag-scope.ts";
import { type Database } from "./database.ts";

/** A rule that pins tags: while it stands, they cannot move and cannot be removed by hand. */
export interface ImmutableRule extends TagScope {
  readonly id: string;
  readonly author: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/** A rule that holds images: what ever had such a tag cannot be deleted for some days after it was pushed. */
export interface HoldRule extends TagScope {
  readonly id: string;
  readonly days: number;
  readonly reason: string;
  readonly author: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/** What a project says about the lifetime of its tags. */
export interface LifetimeRecord {
  readonly immutability: readonly ImmutableRule[];
  readonly holdRules: readonly HoldRule[];
  readonly retention: RetentionText | undefined;
  /** Undefined is no limit. */
  readonly quotaBytes: number | undefined;
}

/** A retention policy as it was given. */
export interface RetentionText {
  /** YAML. */
  readonly text: string;
  readonly setBy: string;
  /** Milliseconds since 1970. */
  readonly setAt: number;
}

const nothing: LifetimeRecord = { immutability: [], holdRules: [], retention: undefined, quotaBytes: undefined };

/** What a project says about lifetime; one look-up by key, since every push asks. */
export async function findLifetime(db: Database, project: string): Promise<LifetimeRecord> {
  const row = await db.selectFrom("project_lifetime").selectAll().where("project", "=", project).executeTakeFirst();
  if (row === undefined) return nothing;
  return {
    immutability: JSON.parse(row.immutability) as ImmutableRule[],
    holdRules: JSON.parse(row.hold_rules) as HoldRule[],
    retention:
      row.retention === null
        ? undefined
        : { text: row.retention, setBy: row.retention_set_by ?? "", setAt: row.retention_set_at ?? 0 },
    quotaBytes: row.quota_bytes ?? undefined,
  };
}

/** Writes the rules of a project that pin or hold. Call it in a transaction. */
export async function saveRules(
  db: Database,
  project: string,
  rules: Partial<Pick<LifetimeRecord, "immutability" | "holdRules">>,
): Promise<void> {
  await save(db, project, {
    ...(rules.immutability === undefined ? {} : { immutability: JSON.stringify(rules.immutability) }),
    ...(rules.holdRules === undefined ? {} : { hold_rules: JSON.stringify(rules.holdRules) }),
  });
}

/** Writes or removes the retention policy of a project. Call it in a transaction. */
export async function saveRetention(db: Database, project: string, policy: RetentionText | undefined): Promise<void> {
  await save(db, project, {
    retention: policy?.text ?? null,
    retention_set_by: policy?.setBy ?? null,
    retention_set_at: policy?.setAt ?? null,
  });
}

/** Sets the quota of a project in bytes, or lifts it. Call it in a transaction. */
export async function saveQuota(db: Database, project: string, quotaBytes: number | undefined): Promise<void> {
  await save(db, project, { quota_bytes: quotaBytes ?? null, quota_warned_at: null });
}

/** The retention policies of all projects that have one. */
export async function listRetentionTexts(db: Database): Promise<{ readonly project: string; readonly text: string }[]> {
  const rows = await db
    .selectFrom("project_lifetime")
    .select(["project", "retention as text"])
    .where("retention", "is not", null)
    .orderBy("project")
    .execute();
  return rows.map(({ project, text }) => ({ project, text: text ?? "" }));
}

interface LifetimeChange {
  readonly immutability?: string;
  readonly hold_rules?: string;
  readonly retention?: string | null;
  readonly retention_set_by?: string | null;
  readonly retention_set_at?: number | null;
  readonly quota_bytes?: number | null;
  readonly quota_warned_at?: number | null;
}

async function save(db: Database, project: string, change: LifetimeChange): Promise<void> {
  await db
    .insertInto("project_lifetime")
    .values({ project, immutability: "[]", hold_rules: "[]", ...change })
    .onConflict((conflict) => conflict.column("project").doUpdateSet(change))
    .execute();
}
