import assert from "node:assert/strict";
import { newId, nowMs, sleep } from "../base/clock.ts";
import { type ErrorCodeName } from "../base/error-codes.ts";
import { Failure, toFailure } from "../base/errors.ts";
import { listEvents, type RunEvent } from "../store/run-event-records.ts";
import {
  type AttemptEnd,
  claimRun,
  countLiveRuns,
  createRun,
  endAttempt,
  getRun,
  type Lease,
  reclaimRuns,
  renewLeases,
  requestCancel,
  restartRun,
  reviveRun,
  type RunRecord,
} from "../store/run-records.ts";
import { Execution, failureOf, stopFailure } from "./execution.ts";
import type { DefinitionOptions, Handler, Queue, QueueOptions, Work } from "./jobs.ts";
import { WakeUps } from "./wake-ups.ts";

interface Definition {
  readonly version: number;
  readonly handler: Handler;
  readonly deadlineMs: number;
  readonly attemptsMax: number;
}

const defaultDeadlineMs = 6 * 60 * 60_000;
const defaultAttemptsMax = 3;
/** A run that ends its owner this often in a row is not tried again. */
const crashMax = 5;
const leaseMs = 60_000;
/** Renews leases, and finds what no wake-up told. */
const sweepMs = 5000;
/** How long `close` waits for handlers that were told to stop. */
const stopMs = 10_000;
/** Events of one read. */
const pageCount = 500;
/** The wake-up key of "some run ended". */
const anyRun = "*";

/** Failures that another attempt may not meet; all others are of the input and come again. */
const passingCodes: ReadonlySet<ErrorCodeName> = new Set<ErrorCodeName>([
  "upstream_unreachable",
  "index_untrusted",
  "digest_mismatch",
  "rate_limited",
  "disk_full",
  "deadline_exceeded",
  "internal",
]);

/** The queue on the store's own database; one owner process claims. */
export class EmbeddedQueue implements Queue {
  readonly #options: QueueOptions;
  readonly #owner = newId();
  readonly #definitions = new Map<string, Definition>();
  readonly #running = new Map<string, { readonly execution: Execution; readonly done: Promise<void> }>();
  /** Runs whose cancel came between their claim and their start. */
  readonly #cancelled = new Set<string>();
  readonly #wakeUps = new WakeUps();
  /** Fires when `close` begins. */
  readonly #stopping = new AbortController();
  /** Fires when `close` is through. */
  readonly #closed = new AbortController();
  readonly #retryTimers = new Set<NodeJS.Timeout>();
  #sweepTimer: NodeJS.Timeout | undefined;
  #claiming: Promise<void> | undefined;
  #isClaimDue = false;
  #closing: Promise<void> | undefined;

  constructor(options: QueueOptions) {
    assert(options.concurrency >= 1, "A queue without a slot does nothing");
    this.#options = options;
  }

  /** Queues again what dead owners left behind, and begins to sweep. */
  async start(): Promise<void> {
    const { store, log } = this.#options;
    const lost = await store.transaction(
      async (db) => await reclaimRuns(db, this.#lease(), { lapsedOnly: false, crashMax }),
    );
    if (lost.queued.length + lost.failed.length + lost.cancelled.length > 0)
      log.info(lost, "took back unfinished jobs");
    // Unreferenced: a queue that waits for work must not keep a one-off command alive.
    this.#sweepTimer = setInterval(() => void this.#sweep(), sweepMs).unref();
  }

  define(
    name: string,
    version: number,
    ...[handler, options = {}]: [handler: Handler, options?: DefinitionOptions]
  ): void {
    assert(!this.#definitions.has(name), `The job "${name}" is defined twice`);
    this.#definitions.set(name, {
      version,
      handler,
      deadlineMs: options.deadlineMs ?? defaultDeadlineMs,
      attemptsMax: options.attemptsMax ?? defaultAttemptsMax,
    });
    this.#claimSoon();
  }

  async enqueue(work: Work): Promise<string> {
    const definition = this.#definitions.get(work.name);
    assert(definition !== undefined, `The job "${work.name}" is not defined`);
    const { id } = await this.#options.store.transaction(
      async (db) =>
        await createRun(db, {
          definition: work.name,
          definitionVersion: definition.version,
          input: work.input,
          concurrencyKey: work.concurrencyKey,
          dedupeKey: work.dedupeKey,
          now: nowMs(),
        }),
    );
    this.#claimSoon();
    return id;
  }

  async cancel(runId: string): Promise<boolean> {
    const state = await this.#options.store.transaction(async (db) => await requestCancel(db, runId, nowMs()));
    if (state === undefined) return false;
    if (state === "queued") this.#tellEnd(runId);
    else {
      const running = this.#running.get(runId);
      if (running === undefined) this.#cancelled.add(runId);
      else running.execution.stop("cancel");
    }
    return true;
  }

  async retry(runId: string): Promise<boolean> {
    const isRevived = await this.#options.store.transaction(async (db) => await reviveRun(db, runId, nowMs()));
    this.#claimSoon();
    return isRevived;
  }

  async *watch(runId: string, after = 0, signal?: AbortSignal): AsyncGenerator<RunEvent> {
    const { db } = this.#options.store;
    const stop = signal === undefined ? this.#closed.signal : AbortSignal.any([signal, this.#closed.signal]);
    let last = after;
    while (!stop.aborted) {
      const wakeUp = this.#wakeUps.listen(runId);
      try {
        // The state first: the last events are stored together with the end.
        const run = await getRun(db, runId);
        if (run === undefined) throw new Failure("not_found", `Cannot watch the job "${runId}": there is none`);
        const events = await listEvents(db, runId, { after: last, limit: pageCount });
        for (const event of events) {
          if (stop.aborted) return;
          yield event;
          last = event.sequence;
        }
        if (events.length === pageCount) continue;
        if (run.state !== "queued" && run.state !== "running") return;
        await heardWithin(wakeUp.heard, sweepMs, stop);
      } finally {
        wakeUp.stop();
      }
    }
  }

  async drain(): Promise<void> {
    for (;;) {
      const wakeUp = this.#wakeUps.listen(anyRun);
      try {
        const liveCount = await countLiveRuns(this.#options.store.db, [...this.#definitions.keys()]);
        if (liveCount === 0 && this.#running.size === 0) return;
        await heardWithin(wakeUp.heard, sweepMs, this.#closed.signal);
        if (this.#closed.signal.aborted) return;
      } finally {
        wakeUp.stop();
      }
    }
  }

  async close(options: { readonly waitMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(options.waitMs ?? 0);
    await this.#closing;
  }

  async #close(waitMs: number): Promise<void> {
    this.#stopping.abort();
    clearInterval(this.#sweepTimer);
    for (const timer of this.#retryTimers) clearTimeout(timer);
    await this.#claiming;
    const done = Promise.all([...this.#running.values()].map(async (running) => await running.done)).then(
      () => undefined,
    );
    if (this.#running.size > 0) await heardWithin(done, waitMs);
    for (const { execution } of this.#running.values()) execution.stop("close");
    if (this.#running.size > 0) await heardWithin(done, stopMs);
    for (const runId of this.#running.keys())
      this.#options.log.warn({ runId }, "a job does not stop; it is done again at the next start");
    this.#closed.abort();
    this.#wakeUps.wakeAll();
  }

  #lease(): Lease {
    const now = nowMs();
    return { owner: this.#owner, now, until: now + leaseMs };
  }

  async #sweep(): Promise<void> {
    const { store, log } = this.#options;
    try {
      if (this.#running.size > 0) await renewLeases(store.db, this.#lease());
      await store.transaction(async (db) => await reclaimRuns(db, this.#lease(), { lapsedOnly: true, crashMax }));
    } catch (error) {
      log.error({ err: error }, "cannot renew the leases of the running jobs");
    }
    this.#claimSoon();
  }

  /** Claims while there are free slots; one claimer at a time, and no call of this is lost. */
  #claimSoon(): void {
    this.#isClaimDue = true;
    if (this.#stopping.signal.aborted || this.#claiming !== undefined) return;
    this.#claiming = this.#claim()
      .catch((error: unknown) => this.#options.log.error({ err: error }, "cannot claim a job"))
      .finally(() => {
        this.#claiming = undefined;
        if (this.#isClaimDue && !this.#stopping.signal.aborted && this.#running.size < this.#options.concurrency)
          this.#claimSoon();
      });
  }

  async #claim(): Promise<void> {
    while (this.#isClaimDue && !this.#stopping.signal.aborted && this.#running.size < this.#options.concurrency) {
      this.#isClaimDue = false;
      const run = await claimRun(this.#options.store.db, this.#lease(), [...this.#definitions.keys()]);
      if (run === undefined) continue;
      this.#isClaimDue = true;
      this.#begin(run);
    }
  }

  #begin(run: RunRecord): void {
    const { store, log } = this.#options;
    const onStored = (): void => this.#wakeUps.wake(run.id);
    const execution = new Execution({ store, log, run, onStored });
    const done = this.#execute(run, execution).finally(() => {
      execution.end();
      this.#running.delete(run.id);
      this.#tellEnd(run.id);
      this.#claimSoon();
    });
    this.#running.set(run.id, { execution, done });
    if (this.#cancelled.delete(run.id)) execution.stop("cancel");
  }

  #tellEnd(runId: string): void {
    this.#wakeUps.wake(runId);
    this.#wakeUps.wake(anyRun);
  }

  async #execute(run: RunRecord, execution: Execution): Promise<void> {
    const definition = this.#definitions.get(run.definition);
    assert(definition !== undefined, "Only defined jobs are claimed");
    const deadline = setTimeout(() => execution.stop("deadline"), definition.deadlineMs);
    let end: AttemptEnd;
    try {
      if (run.definitionVersion !== definition.version)
        await execution.write(async (db) => await restartRun(db, run.id, definition.version));
      const output = await definition.handler(execution.context);
      // What JSON cannot hold fails here, where it is the handler's failure.
      JSON.stringify(output);
      end = { kind: "succeeded", output };
    } catch (error) {
      end = this.#endOf({ run, definition, execution, error });
    } finally {
      clearTimeout(deadline);
    }
    await execution.settleSteps();
    await this.#record(run, execution, end);
  }

  #endOf(attempt: {
    readonly run: RunRecord;
    readonly definition: Definition;
    readonly execution: Execution;
    readonly error: unknown;
  }): AttemptEnd {
    const { run, definition, execution } = attempt;
    if (execution.stopReason === "cancel") return { kind: "cancelled" };
    if (execution.stopReason === "close") return { kind: "released" };
    const failure = toFailure(execution.stopReason === "deadline" ? stopFailure("deadline") : attempt.error);
    const failureCount = run.failureCount + 1;
    const isLast = failureCount >= definition.attemptsMax || !passingCodes.has(failure.code);
    const told = { runId: run.id, job: run.definition, failureCount, isLast };
    // What a user can meet is in the run's record; only a bug needs its stack.
    if (failure.code === "internal") this.#options.log.error({ ...told, err: attempt.error }, "a job failed");
    else this.#options.log.info({ ...told, code: failure.code, reason: failure.message }, "a job failed");
    if (isLast) return { kind: "failed", failure: failureOf(failure) };
    const delayMs = (this.#options.retryDelayMs ?? defaultRetryDelayMs)(failureCount);
    return { kind: "retry", failure: failureOf(failure), dueAt: nowMs() + delayMs };
  }

  /** Records the end of an attempt, and goes on trying while the disk is full: the slot stays taken. */
  async #record(run: RunRecord, execution: Execution, end: AttemptEnd): Promise<void> {
    for (;;) {
      try {
        await execution.write(
          async (db) => await endAttempt(db, { id: run.id, owner: this.#owner, now: nowMs() }, end),
        );
        if (end.kind === "retry") this.#claimAt(end.dueAt);
        return;
      } catch (error) {
        this.#options.log.error({ err: error, runId: run.id, end: end.kind }, "cannot store the end of a job");
        if (this.#stopping.signal.aborted) return;
        await sleep(1000, this.#stopping.signal);
      }
    }
  }

  #claimAt(dueAt: number): void {
    const timer = setTimeout(
      () => {
        this.#retryTimers.delete(timer);
        // A timer may fire a moment before the clock says so, and then nothing is due yet.
        if (nowMs() < dueAt) this.#claimAt(dueAt);
        else this.#claimSoon();
      },
      Math.max(1, dueAt - nowMs()),
    ).unref();
    this.#retryTimers.add(timer);
  }
}

/** Waits for a promise, but no longer than a number of milliseconds or until the signal fires. */
async function heardWithin(heard: Promise<void>, ms: number, signal?: AbortSignal): Promise<void> {
  const enough = new AbortController();
  const stop = signal === undefined ? enough.signal : AbortSignal.any([signal, enough.signal]);
  if (!stop.aborted) await Promise.race([heard, sleep(ms, stop)]);
  enough.abort();
}

function defaultRetryDelayMs(failureCount: number): number {
  return Math.min(5 * 60_000, 1000 * 4 ** (failureCount - 1));
}
