import { nowMs } from "../base/clock.ts";
import { type Digest } from "../model/digest.ts";
import { type Database } from "./database.ts";

/** One execution of a retention policy, or its dry run; instants are milliseconds. */
export interface RetentionRunRecord {
  readonly id: string;
  readonly project: string;
  readonly actor: string;
  readonly isDryRun: boolean;
  readonly state: "queued" | "running" | "succeeded" | "failed";
  readonly createdAt: number;
  readonly startedAt: number | undefined;
  readonly endedAt: number | undefined;
  readonly keptCount: number;
  readonly droppedCount: number;
  readonly freedBytes: number;
  readonly failure: string | undefined;
  /** Whether its outcomes are still there. */
  readonly hasOutcomes: boolean;
}

/** What a run decided about one tag, or about one image without a tag. */
export interface RetentionOutcomeRecord {
  /** Counts up in a run. */
  readonly position: number;
  readonly repository: string;
  readonly tag: string | undefined;
  readonly digest: Digest;
  readonly decision: "kept" | "dropped";
  readonly reason: string;
  /** Bytes that go with it; what several share is counted at the first. */
  readonly freedBytes: number;
}

/** Rows of one insert; databases bound the parameters of a statement. */
const rowsPerInsert = 100;

/** Adds a run that is to begin. */
export async function insertRetentionRun(
  db: Database,
  run: Pick<RetentionRunRecord, "id" | "project" | "actor" | "isDryRun">,
): Promise<void> {
  await db
    .insertInto("retention_runs")
    .values({
      id: run.id,
      project: run.project,
      actor: run.actor,
      dry_run: run.isDryRun ? 1 : 0,
      state: "queued",
      created_at: nowMs(),
      kept_count: 0,
      dropped_count: 0,
      freed_bytes: 0,
      has_outcomes: 0,
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** How far an attempt before came: what it dropped stays dropped. */
export interface RetentionProgress {
  readonly nextPosition: number;
  readonly droppedCount: number;
  readonly freedBytes: number;
}

/** Says that a run begins; of an attempt before stays what it dropped. Call it in a transaction. */
export async function startRetentionRun(db: Database, id: string): Promise<RetentionProgress> {
  const run = await findRetentionRun(db, id);
  let forgotten = db.deleteFrom("retention_outcomes").where("run_id", "=", id);
  if (run?.isDryRun === false) forgotten = forgotten.where("decision", "=", "kept");
  await forgotten.execute();
  await db
    .updateTable("retention_runs")
    .set({ state: "running", started_at: nowMs(), has_outcomes: 1, failure: null, ended_at: null })
    .where("id", "=", id)
    .execute();
  const before = await db
    .selectFrom("retention_outcomes")
    .select((select) => [
      select.fn.max<number | null>("position").as("last"),
      select.fn.countAll<number>().as("count"),
      select.fn.sum<number | null>("freed_bytes").as("bytes"),
    ])
    .where("run_id", "=", id)
    .executeTakeFirstOrThrow();
  return {
    nextPosition: (before.last ?? -1) + 1,
    droppedCount: Number(before.count),
    freedBytes: Number(before.bytes ?? 0),
  };
}

/** Says how a run ended. */
export async function endRetentionRun(
  db: Database,
  id: string,
  end: Partial<Pick<RetentionRunRecord, "keptCount" | "droppedCount" | "freedBytes">> & { readonly failure?: string },
): Promise<void> {
  await db
    .updateTable("retention_runs")
    .set({
      state: end.failure === undefined ? "succeeded" : "failed",
      ended_at: nowMs(),
      kept_count: end.keptCount ?? 0,
      dropped_count: end.droppedCount ?? 0,
      freed_bytes: end.freedBytes ?? 0,
      failure: end.failure ?? null,
    })
    .where("id", "=", id)
    .execute();
}

/** Adds outcomes of a run. Call it in a transaction. */
export async function insertOutcomes(
  db: Database,
  runId: string,
  outcomes: readonly RetentionOutcomeRecord[],
): Promise<void> {
  for (let start = 0; start < outcomes.length; start += rowsPerInsert)
    await db
      .insertInto("retention_outcomes")
      .values(
        outcomes.slice(start, start + rowsPerInsert).map((outcome) => ({
          run_id: runId,
          position: outcome.position,
          repository: outcome.repository,
          tag: outcome.tag ?? null,
          digest: outcome.digest,
          decision: outcome.decision,
          reason: outcome.reason,
          freed_bytes: outcome.freedBytes,
        })),
      )
      .execute();
}

/** The run of an id. */
export async function findRetentionRun(db: Database, id: string): Promise<RetentionRunRecord | undefined> {
  const row = await db.selectFrom("retention_runs").selectAll().where("id", "=", id).executeTakeFirst();
  return row === undefined ? undefined : recordOf(row);
}

/** The runs of a project, newest first, before the one with the id `before`, at most `limit`. */
export async function listRetentionRuns(
  db: Database,
  project: string,
  page: { readonly before?: string | undefined; readonly limit: number },
): Promise<RetentionRunRecord[]> {
  let query = db.selectFrom("retention_runs").selectAll().where("project", "=", project);
  if (page.before !== undefined) query = query.where("id", "<", page.before);
  return (await query.orderBy("id", "desc").limit(page.limit).execute()).map(recordOf);
}

/** A page of outcomes: those after a position, at most `limit`. */
export interface OutcomesPage {
  readonly after: number;
  readonly limit: number;
  readonly decision?: "kept" | "dropped" | undefined;
}

/** The outcomes of a run in their order. */
export async function listOutcomes(db: Database, runId: string, page: OutcomesPage): Promise<RetentionOutcomeRecord[]> {
  let query = db
    .selectFrom("retention_outcomes")
    .selectAll()
    .where("run_id", "=", runId)
    .where("position", ">", page.after);
  if (page.decision !== undefined) query = query.where("decision", "=", page.decision);
  const rows = await query.orderBy("position").limit(page.limit).execute();
  return rows.map((row) => ({
    position: row.position,
    repository: row.repository,
    tag: row.tag ?? undefined,
    digest: row.digest,
    decision: row.decision,
    reason: row.reason,
    freedBytes: row.freed_bytes,
  }));
}

/** How many runs of a project are remembered: with their outcomes, and at all. */
export interface HistoryBounds {
  readonly withOutcomes: number;
  readonly all: number;
}

/** Forgets what is above the bounds: first outcomes, then runs; the newest stay. Call it in a transaction. */
export async function pruneRetentionRuns(db: Database, project: string, bounds: HistoryBounds): Promise<void> {
  const ids = (
    await db
      .selectFrom("retention_runs")
      .select("id")
      .where("project", "=", project)
      .where("state", "in", ["succeeded", "failed"])
      .orderBy("id", "desc")
      .execute()
  ).map(({ id }) => id);
  for (const id of ids.slice(bounds.withOutcomes)) {
    await db.deleteFrom("retention_outcomes").where("run_id", "=", id).execute();
    await db.updateTable("retention_runs").set({ has_outcomes: 0 }).where("id", "=", id).execute();
  }
  for (const id of ids.slice(bounds.all)) await db.deleteFrom("retention_runs").where("id", "=", id).execute();
}

interface RunRow {
  readonly id: string;
  readonly project: string;
  readonly actor: string;
  readonly dry_run: number;
  readonly state: RetentionRunRecord["state"];
  readonly created_at: number;
  readonly started_at: number | null;
  readonly ended_at: number | null;
  readonly kept_count: number;
  readonly dropped_count: number;
  readonly freed_bytes: number;
  readonly failure: string | null;
  readonly has_outcomes: number;
}

function recordOf(row: RunRow): RetentionRunRecord {
  return {
    id: row.id,
    project: row.project,
    actor: row.actor,
    isDryRun: row.dry_run !== 0,
    state: row.state,
    createdAt: row.created_at,
    startedAt: row.started_at ?? undefined,
    endedAt: row.ended_at ?? undefined,
    keptCount: row.kept_count,
    droppedCount: row.dropped_count,
    freedBytes: row.freed_bytes,
    failure: row.failure ?? undefined,
    hasOutcomes: row.has_outcomes !== 0,
  };
}
