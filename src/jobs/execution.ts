import assert from "node:assert/strict";
import { nowMs } from "../base/clock.ts";
import { Failure, toFailure } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Database } from "../store/database.ts";
import { appendEvents, type NewRunEvent } from "../store/run-event-records.ts";
import type { RunFailure, RunRecord } from "../store/run-records.ts";
import { failStep, finishStep, getStep, startStep, type StepKey } from "../store/run-step-records.ts";
import type { Store } from "../store/store.ts";
import type { RunContext, StepContext, StepOptions } from "./jobs.ts";

/** Why a handler was told to stop. */
export type StopReason = "cancel" | "close" | "deadline";

interface ExecutionOptions {
  readonly store: Store;
  readonly log: Log;
  readonly run: RunRecord;
  /** Called when events or the end of the run are stored. */
  readonly onStored: () => void;
}

/** Events wait this long for company before they are written. */
const flushDelayMs = 40;
/** Events of one transaction. */
const flushCount = 500;

/** One attempt at a run: the context of its handler, and the order in which its writes reach the store. */
export class Execution {
  readonly context: RunContext;
  readonly #options: ExecutionOptions;
  readonly #controller = new AbortController();
  readonly #stepNames = new Set<string>();
  readonly #steps: Promise<unknown>[] = [];
  #stopReason: StopReason | undefined;
  #events: NewRunEvent[] = [];
  #flushTimer: NodeJS.Timeout | undefined;
  #lastWrite: Promise<unknown> = Promise.resolve();
  #isOver = false;

  constructor(options: ExecutionOptions) {
    this.#options = options;
    this.context = {
      runId: options.run.id,
      input: options.run.input,
      signal: this.#controller.signal,
      attempt: options.run.attempt,
      step: async (name, inputDigest, ...rest) => {
        const step = this.#step(name, inputDigest, ...rest);
        this.#steps.push(step.catch(() => undefined));
        return await step;
      },
      emit: (event) => this.#emit(event),
    };
  }

  /** Why the handler was told to stop, if it was. */
  get stopReason(): StopReason | undefined {
    return this.#stopReason;
  }

  /** Tells the handler to stop; the first reason counts. */
  stop(reason: StopReason): void {
    if (this.#stopReason !== undefined) return;
    this.#stopReason = reason;
    this.#controller.abort(stopFailure(reason));
  }

  /** Stops and awaits the steps that the handler left behind, so that the next attempt does not meet them. */
  async settleSteps(): Promise<void> {
    this.#controller.abort(new Failure("cancelled", "The work was stopped because its job has ended"));
    await Promise.all(this.#steps);
  }

  /** Writes in one transaction what happened so far and then `work`; writes keep their order. */
  async write<T>(work: (db: Database) => Promise<T>): Promise<T> {
    const turn = this.#lastWrite.then(async () => {
      while (this.#events.length > flushCount) await this.#writeEvents(async () => undefined);
      return await this.#writeEvents(work);
    });
    this.#lastWrite = turn.catch(() => undefined);
    return await turn;
  }

  /** Drops what comes after the end: a handler that did not wait for its own work has nobody to tell. */
  end(): void {
    this.#isOver = true;
    clearTimeout(this.#flushTimer);
  }

  async #writeEvents<T>(work: (db: Database) => Promise<T>): Promise<T> {
    const batch = this.#events.splice(0, flushCount);
    try {
      return await this.#options.store.transaction(async (db) => {
        if (batch.length > 0) await appendEvents(db, this.#options.run.id, batch);
        return await work(db);
      });
    } catch (error) {
      this.#events.unshift(...batch);
      throw error;
    } finally {
      this.#options.onStored();
    }
  }

  #emit(event: unknown): void {
    if (this.#isOver) return;
    this.#events.push({ at: nowMs(), json: JSON.stringify(event) ?? "null" });
    this.#flushTimer ??= setTimeout(() => {
      this.#flushTimer = undefined;
      this.write(async () => undefined).catch((error: unknown) => {
        // They are tried again with the next event, step or the end of the run.
        this.#options.log.warn({ err: error, runId: this.#options.run.id }, "cannot store the events of a run");
      });
    }, flushDelayMs);
  }

  async #step<T>(
    name: string,
    inputDigest: string,
    ...[work, options]: [work: (step: StepContext) => Promise<T>, options?: StepOptions<T>]
  ): Promise<T> {
    assert(!this.#stepNames.has(name), `The step "${name}" is used twice in one handler`);
    this.#stepNames.add(name);
    const { store, run } = this.#options;
    const signal = this.#controller.signal;
    signal.throwIfAborted();
    const key: StepKey = { runId: run.id, name };
    const stored = await getStep(store.db, key);
    if (stored?.state === "succeeded" && stored.inputDigest === inputDigest) {
      const output = stored.output as T;
      if (options?.validate === undefined || (await options.validate(output))) return output;
    }
    signal.throwIfAborted();
    await this.write(async (db) => await startStep(db, key, { inputDigest, attempt: run.attempt, now: nowMs() }));
    try {
      const output = await work({ signal, emit: (event) => this.#emit(event), idempotencyKey: `${run.id}/${name}` });
      const json = JSON.stringify(output);
      await this.write(async (db) => await finishStep(db, key, { output, now: nowMs() }));
      return (json === undefined ? undefined : JSON.parse(json)) as T;
    } catch (error) {
      await this.#recordFailedStep(key, error);
      throw error;
    }
  }

  async #recordFailedStep(key: StepKey, error: unknown): Promise<void> {
    try {
      await this.write(async (db) => await failStep(db, key, { failure: failureOf(error), now: nowMs() }));
    } catch (cause) {
      // The step stays "running", which is done again just the same; the first error is the one to tell.
      this.#options.log.warn({ err: cause, ...key }, "cannot store that a step failed");
    }
  }
}

/** What the readers of a run see of an error. */
export function failureOf(error: unknown): RunFailure {
  const failure = toFailure(error);
  return {
    code: failure.code,
    message: failure.message,
    ...(failure.hint === undefined ? {} : { hint: failure.hint }),
  };
}

/** The failure that a stopped handler finds as its signal's reason. */
export function stopFailure(reason: StopReason): Failure {
  switch (reason) {
    case "cancel":
      return new Failure("cancelled", "The work was stopped on request");
    case "close":
      return new Failure("cancelled", "The work was stopped because the server closes; it goes on at the next start");
    case "deadline":
      return new Failure("deadline_exceeded", "The work was stopped because it took longer than its limit");
  }
}
