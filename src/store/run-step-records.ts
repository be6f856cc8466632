import type { Selectable } from "kysely";
import type { RunStepTable } from "./core-tables.ts";
import type { Database } from "./database.ts";
import type { RunFailure } from "./run-records.ts";

/** One step of a run. */
export interface StepRecord {
  readonly name: string;
  readonly state: "running" | "succeeded" | "failed";
  readonly inputDigest: string;
  /** The attempt of the run that ran the step last. */
  readonly attempt: number;
  /** What the step returned; undefined where it returned nothing. */
  readonly output: unknown;
  readonly failure: RunFailure | undefined;
  readonly startedAt: number;
  readonly endedAt: number | undefined;
}

/** Names a step of a run. */
export interface StepKey {
  readonly runId: string;
  readonly name: string;
}

/** Reads a step; undefined where the run never came to it. */
export async function getStep(db: Database, key: StepKey): Promise<StepRecord | undefined> {
  const row = await db
    .selectFrom("run_steps")
    .selectAll()
    .where("run_id", "=", key.runId)
    .where("name", "=", key.name)
    .executeTakeFirst();
  return row === undefined ? undefined : stepOf(row);
}

/** Lists the steps of a run in the order in which they were started last. */
export async function listSteps(db: Database, runId: string): Promise<StepRecord[]> {
  const rows = await db
    .selectFrom("run_steps")
    .selectAll()
    .where("run_id", "=", runId)
    .orderBy("started_at")
    .orderBy("ended_at")
    .execute();
  return rows.map(stepOf);
}

/** Records that a step begins; what it gave before is forgotten. */
export async function startStep(
  db: Database,
  key: StepKey,
  step: { readonly inputDigest: string; readonly attempt: number; readonly now: number },
): Promise<void> {
  const values = {
    state: "running",
    input_digest: step.inputDigest,
    attempt: step.attempt,
    output: null,
    failure: null,
    started_at: step.now,
    ended_at: null,
  };
  await db
    .insertInto("run_steps")
    .values({ run_id: key.runId, name: key.name, ...values })
    .onConflict((conflict) => conflict.columns(["run_id", "name"]).doUpdateSet(values))
    .execute();
}

/** Records what a step gave; the run has got on, so the crashes before do not count any more. Call it in a transaction. */
export async function finishStep(
  db: Database,
  key: StepKey,
  step: { readonly output: unknown; readonly now: number },
): Promise<void> {
  await db
    .updateTable("run_steps")
    .set({ state: "succeeded", output: JSON.stringify(step.output) ?? null, ended_at: step.now })
    .where("run_id", "=", key.runId)
    .where("name", "=", key.name)
    .execute();
  await db.updateTable("runs").set({ crash_count: 0 }).where("id", "=", key.runId).execute();
}

/** Records that a step failed. */
export async function failStep(
  db: Database,
  key: StepKey,
  step: { readonly failure: RunFailure; readonly now: number },
): Promise<void> {
  await db
    .updateTable("run_steps")
    .set({ state: "failed", failure: JSON.stringify(step.failure), ended_at: step.now })
    .where("run_id", "=", key.runId)
    .where("name", "=", key.name)
    .execute();
}

function stepOf(row: Selectable<RunStepTable>): StepRecord {
  return {
    name: row.name,
    state: row.state as StepRecord["state"],
    inputDigest: row.input_digest,
    attempt: row.attempt,
    output: parsed(row.output),
    failure: parsed(row.failure) as RunFailure | undefined,
    startedAt: row.started_at,
    endedAt: row.ended_at ?? undefined,
  };
}

function parsed(text: string | null): unknown {
  return text === null ? undefined : (JSON.parse(text) as unknown);
}
