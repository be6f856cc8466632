import { nowMs } from "../base/clock.ts";
import { type Database } from "./database.ts";

/** A collection or a scrub as it stands. Instants are milliseconds since 1970. */
export interface CollectionRunRecord {
  /** The id of its job. */
  readonly id: string;
  readonly kind: "collect" | "scrub";
  readonly actor: string;
  readonly settings: unknown;
  readonly phase: string;
  readonly cursor: string;
  readonly report: unknown;
  readonly startedAt: number;
  readonly updatedAt: number;
  readonly endedAt: number | undefined;
  readonly outcome: "succeeded" | "failed" | undefined;
}

/** A run that begins. */
export type NewCollectionRun = Pick<
  CollectionRunRecord,
  "id" | "kind" | "actor" | "settings" | "phase" | "report" | "startedAt"
>;

/** Runs of a kind that stay on record. */
const keptCount = 100;

/** Finds a run, or records its beginning and forgets the oldest; a job that is done again goes on where it was. */
export async function beginCollectionRun(db: Database, run: NewCollectionRun): Promise<CollectionRunRecord> {
  const found = await findCollectionRun(db, run.id);
  if (found !== undefined) return found;
  await db
    .insertInto("collection_runs")
    .values({
      id: run.id,
      kind: run.kind,
      actor: run.actor,
      settings: JSON.stringify(run.settings),
      phase: run.phase,
      cursor: "",
      report: JSON.stringify(run.report),
      started_at: run.startedAt,
      updated_at: run.startedAt,
    })
    .execute();
  const oldest = await db
    .selectFrom("collection_runs")
    .select("id")
    .where("kind", "=", run.kind)
    .orderBy("id", "desc")
    .offset(keptCount)
    .limit(1)
    .executeTakeFirst();
  if (oldest !== undefined)
    await db.deleteFrom("collection_runs").where("kind", "=", run.kind).where("id", "<=", oldest.id).execute();
  return (await findCollectionRun(db, run.id))!;
}

/** Records how far a run is; in the transaction of what it did, so that neither is without the other. */
export async function saveCollectionRun(
  db: Database,
  run: { readonly id: string; readonly phase: string; readonly cursor: string; readonly report: unknown },
): Promise<void> {
  await db
    .updateTable("collection_runs")
    .set({ phase: run.phase, cursor: run.cursor, report: JSON.stringify(run.report), updated_at: nowMs() })
    .where("id", "=", run.id)
    .execute();
}

/** Records how a run ended; one that failed and is tried again ends anew. */
export async function endCollectionRun(db: Database, id: string, outcome: "succeeded" | "failed"): Promise<void> {
  const now = nowMs();
  await db
    .updateTable("collection_runs")
    .set({ outcome, ended_at: now, updated_at: now })
    .where("id", "=", id)
    .execute();
}

/** The run of an id. */
export async function findCollectionRun(db: Database, id: string): Promise<CollectionRunRecord | undefined> {
  const row = await db.selectFrom("collection_runs").selectAll().where("id", "=", id).executeTakeFirst();
  return row === undefined ? undefined : recordOf(row);
}

/** Runs, newest first, at most `limit`. */
export async function listCollectionRuns(db: Database, limit: number): Promise<CollectionRunRecord[]> {
  const rows = await db.selectFrom("collection_runs").selectAll().orderBy("id", "desc").limit(limit).execute();
  return rows.map(recordOf);
}

/**
 * When a run of a kind that changed something last succeeded, in milliseconds; where none did, since when it could have.
 */
export async function lastCollectionSuccess(db: Database, kind: "collect" | "scrub"): Promise<number> {
  const run = await db
    .selectFrom("collection_runs")
    .select("ended_at")
    .where("kind", "=", kind)
    .where("outcome", "=", "succeeded")
    .where("settings", "not like", '%"dryRun":true%')
    .orderBy("ended_at", "desc")
    .limit(1)
    .executeTakeFirst();
  if (run?.ended_at !== undefined && run.ended_at !== null) return run.ended_at;
  const table = await db
    .selectFrom("migrations")
    .select("applied_at")
    .where("name", "=", "collection")
    .executeTakeFirst();
  return table?.applied_at ?? nowMs();
}

function recordOf(row: {
  id: string;
  kind: "collect" | "scrub";
  actor: string;
  settings: string;
  phase: string;
  cursor: string;
  report: string;
  started_at: number;
  updated_at: number;
  ended_at: number | null;
  outcome: "succeeded" | "failed" | null;
}): CollectionRunRecord {
  return {
    id: row.id,
    kind: row.kind,
    actor: row.actor,
    settings: JSON.parse(row.settings) as unknown,
    phase: row.phase,
    cursor: row.cursor,
    report: JSON.parse(row.report) as unknown,
    startedAt: row.started_at,
    updatedAt: row.updated_at,
    endedAt: row.ended_at ?? undefined,
    outcome: row.outcome ?? undefined,
  };
}
