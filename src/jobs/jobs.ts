/**
 * Jobs does durable work: what is queued here is done, in order, also across `kill -9`, without redoing finished steps.
 *
 * A definition is a named, versioned handler; a run is one piece of work for it. The room owns who runs what and when:
 * leases, retries with back-off, deadlines, cancelling, resuming. It promises that a run is never lost; that two runs
 * with one concurrency key never run at the same time; that a finished step with the same input is not done again
 * (a step that was under way is: steps happen at least once, and must bear it); and that every event is numbered,
 * kept and streamed in order. The embedded engine has one owner process; {@link Queue} is narrow enough for another.
 */
import type { Log } from "../base/log.ts";
import type { RunEvent } from "../store/run-event-records.ts";
import type { Store } from "../store/store.ts";
import { EmbeddedQueue } from "./embedded-queue.ts";

export { type EventFollower, type EventFollowing, followEvents } from "./event-follower.ts";
export { nextInstant, openSchedules, type Schedules } from "./schedules.ts";

/** Durable work: the whole of what an engine offers. */
export interface Queue {
  /** Says who does the work of a name; runs of it that wait start at once. */
  define(name: string, version: number, handler: Handler, options?: DefinitionOptions): void;
  /** Queues work and returns the run's id; the id of a live run with the same `dedupeKey` where there is one. */
  enqueue(work: Work): Promise<string>;
  /**
   * Stops a run: a queued one at once, a running one through its signal; false where it has ended or never was.
   * A handler that ends well all the same has succeeded.
   */
  cancel(runId: string): Promise<boolean>;
  /** Queues a failed or cancelled run again; its finished steps stay finished. False where it is in another state. */
  retry(runId: string): Promise<boolean>;
  /**
   * The events of a run after a sequence number (0 for all): the stored ones, then live ones until it ends,
   * the signal fires or the queue closes.
   *
   * @throws Failure `not_found`
   */
  watch(runId: string, after?: number, signal?: AbortSignal): AsyncIterable<RunEvent>;
  /** Waits until nothing that is defined here is queued or running; for tests and one-off commands. */
  drain(): Promise<void>;
  /**
   * Takes no more work and waits up to `waitMs` (default 0) for the running handlers, then stops them through their
   * signals; what was stopped goes on at the next start.
   */
  close(options?: { readonly waitMs?: number }): Promise<void>;
}

/** One piece of work. */
export interface Work {
  /** The name of its definition. */
  readonly name: string;
  /** Any JSON value; the handler parses it. */
  readonly input: unknown;
  /** Runs with one key never run at the same time. */
  readonly concurrencyKey?: string;
  /** While a run with this key is queued or running, it stands for this work. */
  readonly dedupeKey?: string;
}

/** Does the work of one run; what it returns (JSON) is the run's output, what it throws is its failure. */
export type Handler = (context: RunContext) => Promise<unknown>;

/** How long and how often a handler may try. */
export interface DefinitionOptions {
  /** The longest that one attempt may take, in milliseconds; default six hours. */
  readonly deadlineMs?: number;
  /** How often a handler may fail before the run does; default 3. Crashes of the process are counted apart. */
  readonly attemptsMax?: number;
}

/** What a handler gets. */
export interface RunContext {
  readonly runId: string;
  readonly input: unknown;
  /** Fires on cancel, deadline and close; its reason is a Failure. */
  readonly signal: AbortSignal;
  /** 1 in the first attempt. */
  readonly attempt: number;
  /**
   * Does `work` once for an input: a step that was finished with the same `inputDigest` returns what it gave then.
   *
   * The output goes through JSON, in the first attempt too. Names are unique in a handler; steps may overlap.
   */
  step<T>(
    this: void,
    name: string,
    inputDigest: string,
    work: (step: StepContext) => Promise<T>,
    options?: StepOptions<T>,
  ): Promise<T>;
  /** Records and streams an event (JSON); returns at once. */
  readonly emit: (event: unknown) => void;
}

/** What the work of a step gets. */
export interface StepContext {
  readonly signal: AbortSignal;
  readonly emit: (event: unknown) => void;
  /** The same in every attempt: for side effects outside that know such keys. */
  readonly idempotencyKey: string;
}

/** How a step may be taken as done. */
export interface StepOptions<T> {
  /** Whether what the stored output names is still there; false does the step again. */
  readonly validate?: (stored: T) => Promise<boolean>;
}

/** What the embedded queue needs. */
export interface QueueOptions {
  /** Opened exclusively: everybody else's leases in it are dead. */
  readonly store: Store;
  readonly log: Log;
  /** Runs at the same time. */
  readonly concurrency: number;
  /** How long to wait after the n-th failure; default 1 s, 4 s, 16 s … up to 5 minutes. */
  readonly retryDelayMs?: (failureCount: number) => number;
}

/** Opens the embedded queue of a store, at most one a store; runs that a dead process left behind are queued again. */
export async function openQueue(options: QueueOptions): Promise<Queue> {
  const queue = new EmbeddedQueue(options);
  await queue.start();
  return queue;
}
