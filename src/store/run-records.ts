import { type Selectable, sql } from "kysely";
import { newId } from "../base/clock.ts";
import type { RunTable } from "./core-tables.ts";
import type { Database } from "./database.ts";

/**
 * Where a run is: `failed` is the dead-letter state, from which only {@link reviveRun} leads back.
 *
 * queued → running → succeeded | failed | cancelled; running → queued for a retry or after a crash.
 */
type RunState = "queued" | "running" | "succeeded" | "failed" | "cancelled";

/** Why a run or a step failed, as its readers see it. */
export interface RunFailure {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
}

/** A piece of durable work. Instants are milliseconds. */
export interface RunRecord {
  readonly id: string;
  readonly definition: string;
  readonly definitionVersion: number;
  readonly input: unknown;
  readonly state: RunState;
  readonly concurrencyKey: string | undefined;
  /** How often it was claimed; 1 in its first attempt. */
  readonly attempt: number;
  /** How often its handler failed. */
  readonly failureCount: number;
  /** How often its owner died since it last finished a step. */
  readonly crashCount: number;
  readonly isCancelRequested: boolean;
  readonly output: unknown;
  /** Why it failed, or why the attempt before failed where it is to be tried again. */
  readonly failure: RunFailure | undefined;
  readonly dueAt: number;
  readonly createdAt: number;
  readonly startedAt: number | undefined;
  readonly endedAt: number | undefined;
}

/** What a new run needs to be known. */
export interface NewRun {
  readonly definition: string;
  readonly definitionVersion: number;
  /** Any JSON value. */
  readonly input: unknown;
  /** Runs with one key never run at the same time. */
  readonly concurrencyKey?: string | undefined;
  /** While a run with this key is queued or running, it stands for a new one. */
  readonly dedupeKey?: string | undefined;
  /** The instant of making it, before which it is not claimed. */
  readonly now: number;
}

/** Adds a queued run and returns its id, or the id of the live one with the same dedupe key. Call it in a transaction. */
export async function createRun(db: Database, run: NewRun): Promise<{ readonly id: string; readonly isNew: boolean }> {
  if (run.dedupeKey !== undefined) {
    const live = await db
      .selectFrom("runs")
      .select("id")
      .where("dedupe_key", "=", run.dedupeKey)
      .where("state", "in", ["queued", "running"])
      .executeTakeFirst();
    if (live !== undefined) return { id: live.id, isNew: false };
  }
  const id = newId();
  await db
    .insertInto("runs")
    .values({
      id,
      definition: run.definition,
      definition_version: run.definitionVersion,
      input: JSON.stringify(run.input) ?? "null",
      state: "queued",
      concurrency_key: run.concurrencyKey ?? null,
      dedupe_key: run.dedupeKey ?? null,
      due_at: run.now,
      created_at: run.now,
    })
    .execute();
  return { id, isNew: true };
}

/** Who holds the runs that it claims, and until when. */
export interface Lease {
  readonly owner: string;
  readonly now: number;
  readonly until: number;
}

/**
 * Claims the oldest due run of the named definitions whose concurrency key is free; undefined where there is none.
 *
 * One statement; on PostgreSQL the inner select takes `for update skip locked`.
 */
export async function claimRun(
  db: Database,
  lease: Lease,
  definitions: readonly string[],
): Promise<RunRecord | undefined> {
  if (definitions.length === 0) return undefined;
  const row = await db
    .updateTable("runs")
    .set((set) => ({
      state: "running",
      lease_owner: lease.owner,
      lease_until: lease.until,
      attempt: set("attempt", "+", 1),
      started_at: set.fn.coalesce("started_at", set.val(lease.now)),
    }))
    .where("id", "=", (inner) =>
      inner
        .selectFrom("runs as due")
        .select("due.id")
        .where("due.state", "=", "queued")
        .where("due.due_at", "<=", lease.now)
        .where("due.definition", "in", definitions)
        .where((where) =>
          where.or([
            where("due.concurrency_key", "is", null),
            where.not(
              where.exists(
                where
                  .selectFrom("runs as other")
                  .select("other.id")
                  .whereRef("other.concurrency_key", "=", "due.concurrency_key")
                  .where("other.state", "=", "running"),
              ),
            ),
          ]),
        )
        .orderBy("due.created_at")
        .orderBy("due.id")
        .limit(1),
    )
    .returningAll()
    .executeTakeFirst();
  return row === undefined ? undefined : runOf(row);
}

/** Prolongs every lease of an owner. */
export async function renewLeases(db: Database, lease: Lease): Promise<void> {
  await db
    .updateTable("runs")
    .set({ lease_until: lease.until })
    .where("state", "=", "running")
    .where("lease_owner", "=", lease.owner)
    .execute();
}

/** What became of the runs of owners that are gone. */
interface Reclaimed {
  readonly queued: readonly string[];
  readonly failed: readonly string[];
  readonly cancelled: readonly string[];
}

/**
 * Takes back the runs of other owners: they are queued again at once.
 *
 * One whose cancel was asked for is cancelled. One that took its owner down `crashMax` times without finishing
 * a step in between fails, for it would do so for ever. Call it in a transaction.
 *
 * @param options.lapsedOnly only those whose lease has run out; without it every other owner counts as dead
 */
export async function reclaimRuns(
  db: Database,
  lease: Lease,
  options: { readonly lapsedOnly: boolean; readonly crashMax: number },
): Promise<Reclaimed> {
  let lost = db
    .selectFrom("runs")
    .select(["id", "crash_count", "cancel_requested"])
    .where("state", "=", "running")
    .where("lease_owner", "!=", lease.owner);
  if (options.lapsedOnly) lost = lost.where("lease_until", "<", lease.now);
  const reclaimed = { queued: new Array<string>(), failed: new Array<string>(), cancelled: new Array<string>() };
  for (const run of await lost.execute()) {
    const state =
      run.cancel_requested !== 0 ? "cancelled" : run.crash_count + 1 >= options.crashMax ? "failed" : "queued";
    reclaimed[state].push(run.id);
    const failure: RunFailure = {
      code: "internal",
      message: `The server died ${run.crash_count + 1} times in a row while it did this work`,
      hint: "Look into its log for what ends it (memory, for example), then retry the job",
    };
    await db
      .updateTable("runs")
      .set({
        state,
        crash_count: run.crash_count + 1,
        lease_owner: null,
        lease_until: null,
        ...(state === "queued" ? {} : { ended_at: lease.now }),
        ...(state === "failed" ? { failure: JSON.stringify(failure) } : {}),
      })
      .where("id", "=", run.id)
      .execute();
  }
  return reclaimed;
}

/** How an attempt at a run ended. */
export type AttemptEnd =
  | { readonly kind: "succeeded"; readonly output: unknown }
  | { readonly kind: "failed"; readonly failure: RunFailure }
  | { readonly kind: "cancelled" }
  /** Failed, and is to be tried again from `dueAt` on. */
  | { readonly kind: "retry"; readonly failure: RunFailure; readonly dueAt: number }
  /** Stopped because the owner closes; goes on at the next start and counts as nothing. */
  | { readonly kind: "released" };

/** Records how an attempt ended; false where the run is not the owner's any more, and then nothing changes. */
export async function endAttempt(
  db: Database,
  run: { readonly id: string; readonly owner: string; readonly now: number },
  end: AttemptEnd,
): Promise<boolean> {
  const isFinal = end.kind !== "retry" && end.kind !== "released";
  const result = await db
    .updateTable("runs")
    .set((set) => ({
      // A cancel that was asked for while the attempt ended by itself must not be lost with it.
      state: isFinal ? end.kind : set.case().when("cancel_requested", "=", 1).then("cancelled").else("queued").end(),
      ended_at: isFinal ? run.now : set.case().when("cancel_requested", "=", 1).then(run.now).else(null).end(),
      lease_owner: null,
      lease_until: null,
      ...(end.kind === "succeeded" ? { output: JSON.stringify(end.output) ?? null, failure: null } : {}),
      ...(end.kind === "failed" || end.kind === "retry"
        ? { failure: JSON.stringify(end.failure), failure_count: set("failure_count", "+", 1) }
        : {}),
      ...(end.kind === "retry" ? { due_at: end.dueAt } : {}),
    }))
    .where("id", "=", run.id)
    .where("state", "=", "running")
    .where("lease_owner", "=", run.owner)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/**
 * Asks for the end of a run: a queued one is cancelled here, a running one is marked for its owner.
 *
 * Call it in a transaction.
 *
 * @returns the state that it had; undefined where there is no such run or it has ended
 */
export async function requestCancel(db: Database, id: string, now: number): Promise<"queued" | "running" | undefined> {
  const queued = await db
    .updateTable("runs")
    .set({ state: "cancelled", cancel_requested: 1, ended_at: now })
    .where("id", "=", id)
    .where("state", "=", "queued")
    .executeTakeFirst();
  if (queued.numUpdatedRows > 0n) return "queued";
  const running = await db
    .updateTable("runs")
    .set({ cancel_requested: 1 })
    .where("id", "=", id)
    .where("state", "=", "running")
    .executeTakeFirst();
  return running.numUpdatedRows > 0n ? "running" : undefined;
}

/** Queues a failed or cancelled run again with its finished steps; false where it is in another state. Call it in a transaction. */
export async function reviveRun(db: Database, id: string, now: number): Promise<boolean> {
  const result = await db
    .updateTable("runs")
    .set({
      state: "queued",
      due_at: now,
      failure_count: 0,
      crash_count: 0,
      cancel_requested: 0,
      ended_at: null,
      // Another run may have taken the key in the meantime; this one was asked for by name.
      dedupe_key: null,
    })
    .where("id", "=", id)
    .where("state", "in", ["failed", "cancelled"])
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** Moves a run to another version of its definition and forgets its steps: their outputs may have another shape. */
export async function restartRun(db: Database, id: string, definitionVersion: number): Promise<void> {
  await db.deleteFrom("run_steps").where("run_id", "=", id).execute();
  await db.updateTable("runs").set({ definition_version: definitionVersion }).where("id", "=", id).execute();
}

/** Reads a run; undefined where there is none. */
export async function getRun(db: Database, id: string): Promise<RunRecord | undefined> {
  const row = await db.selectFrom("runs").selectAll().where("id", "=", id).executeTakeFirst();
  return row === undefined ? undefined : runOf(row);
}

/** Which runs a list shows. */
export interface RunFilter {
  readonly definition?: string;
  readonly states?: readonly RunState[];
  /** Only runs made before this instant, to go on with a list. */
  readonly createdBefore?: number;
  /** Default 100. */
  readonly limit?: number;
}

/** Lists runs, newest first. */
export async function listRuns(db: Database, filter: RunFilter = {}): Promise<RunRecord[]> {
  let query = db
    .selectFrom("runs")
    .selectAll()
    .orderBy("created_at", "desc")
    .orderBy("id", "desc")
    .limit(filter.limit ?? 100);
  if (filter.definition !== undefined) query = query.where("definition", "=", filter.definition);
  if (filter.states !== undefined) query = query.where("state", "in", filter.states);
  if (filter.createdBefore !== undefined) query = query.where("created_at", "<", filter.createdBefore);
  return (await query.execute()).map(runOf);
}

/** Counts the runs of some definitions that are queued or running. */
export async function countLiveRuns(db: Database, definitions: readonly string[]): Promise<number> {
  if (definitions.length === 0) return 0;
  const { count } = await db
    .selectFrom("runs")
    .select(sql<number>`count(*)`.as("count"))
    .where("state", "in", ["queued", "running"])
    .where("definition", "in", definitions)
    .executeTakeFirstOrThrow();
  return count;
}

function runOf(row: Selectable<RunTable>): RunRecord {
  return {
    id: row.id,
    definition: row.definition,
    definitionVersion: row.definition_version,
    input: JSON.parse(row.input) as unknown,
    state: row.state as RunState,
    concurrencyKey: row.concurrency_key ?? undefined,
    attempt: row.attempt,
    failureCount: row.failure_count,
    crashCount: row.crash_count,
    isCancelRequested: row.cancel_requested !== 0,
    output: parsed(row.output),
    failure: parsed(row.failure) as RunFailure | undefined,
    dueAt: row.due_at,
    createdAt: row.created_at,
    startedAt: row.started_at ?? undefined,
    endedAt: row.ended_at ?? undefined,
  };
}

function parsed(text: string | null): unknown {
  return text === null ? undefined : (JSON.parse(text) as unknown);
}
