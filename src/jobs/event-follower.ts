import { nowMs, sleep } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { moveEventCursor, openEventCursor } from "../store/event-cursor-records.ts";
import { auditHead, type AuditRecord, listAuditEvents } from "../store/event-records.ts";
import type { Store } from "../store/store.ts";

/** Who follows the events and what is done with them. */
export interface EventFollowing {
  readonly store: Store;
  readonly log: Log;
  /** The name of the cursor; one follower a name and data folder. */
  readonly name: string;
  /** The actions to be told of; all of them by default. */
  readonly actions?: readonly string[];
  /** Where a name that was never seen begins: after the last event there is (`now`, the default) or with the first. */
  readonly from?: "start" | "now";
  /** Events handed over at once, at most; default 100. */
  readonly batchCount?: number;
  /** How long to wait after the n-th failure in a row, in milliseconds; default 1 s, 2 s, 4 s … up to 5 minutes. */
  readonly retryDelayMs?: (failureCount: number) => number;
  /**
   * Handles events in their order. When it resolves they are done with; when it throws they come again, after a
   * while, and nothing overtakes them. After a crash a batch comes again: handling must bear that.
   */
  readonly handle: (this: void, events: readonly AuditRecord[], signal: AbortSignal) => Promise<void>;
}

/** A follower at work. */
export interface EventFollower {
  /** Waits until everything that was committed before the call is handled. */
  drain(): Promise<void>;
  /** Fires the handler's signal, waits for it, and keeps the place. */
  close(): Promise<void>;
}

/** How often a follower that has nothing to do reads the head of the chain, one row of one table. */
const pollMs = 400;

/** A place that moved over events of other actions only is written down this often, and on closing. */
const keepPlaceMs = 60_000;

/**
 * Follows the events: each is handled at least once, in order, from a durable cursor, also across `kill -9`.
 *
 * @throws nothing later: failures of the handler are logged, kept in the cursor's record and tried again
 */
export async function followEvents(following: EventFollowing): Promise<EventFollower> {
  const { store, name, from = "now" } = following;
  const start = from === "now" ? (await auditHead(store.db)).sequence : 0;
  const { sequence, failureCount } = await openEventCursor(store.db, name, start);
  const follower = new Follower(following, { sequence, failureCount });
  follower.start();
  return follower;
}

class Follower implements EventFollower {
  readonly #following: EventFollowing;
  readonly #closing = new AbortController();
  readonly #caughtUp = new Set<() => void>();
  #done: Promise<void> = Promise.resolve();
  #place: number;
  #keptPlace: number;
  #keptAt = nowMs();
  #failureCount: number;
  #isCalled = false;
  #wake: () => void = () => undefined;

  constructor(following: EventFollowing, cursor: { readonly sequence: number; readonly failureCount: number }) {
    this.#following = following;
    this.#place = cursor.sequence;
    this.#keptPlace = cursor.sequence;
    this.#failureCount = cursor.failureCount;
  }

  start(): void {
    this.#done = this.#run();
  }

  async drain(): Promise<void> {
    const { sequence } = await auditHead(this.#following.store.db);
    this.#call();
    while (this.#place < sequence && !this.#closing.signal.aborted)
      await new Promise<void>((resolve) => this.#caughtUp.add(resolve));
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#call();
    await this.#done;
    this.#tellCaughtUp();
  }

  async #run(): Promise<void> {
    const { log, name, retryDelayMs = defaultRetryDelayMs } = this.#following;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        if (!(await this.#advance())) await this.#rest();
      } catch (error) {
        if (signal.aborted) break;
        this.#failureCount += 1;
        const told = { follower: name, after: this.#place, failureCount: this.#failureCount };
        log.warn({ ...told, reason: messageOf(error) }, "a follower of events failed");
        await this.#keepFailure(messageOf(error));
        await sleep(retryDelayMs(this.#failureCount), signal);
      }
    }
    if (this.#place > this.#keptPlace) await this.#keepPlace().catch(() => undefined);
  }

  /** Waits for the next look. */
  async #rest(): Promise<void> {
    if (!this.#isCalled)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, pollMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    this.#isCalled = false;
  }

  /** Ends the rest, or the next one before it begins. */
  #call(): void {
    this.#isCalled = true;
    this.#wake();
  }

  /** Hands over the next batch; false where there is none. */
  async #advance(): Promise<boolean> {
    const { store, actions, batchCount = 100, handle } = this.#following;
    const head = await auditHead(store.db);
    if (head.sequence <= this.#place) return false;
    const events = await listAuditEvents(store.db, { after: this.#place, limit: batchCount, actions });
    if (events.length > 0) await handle(events, this.#closing.signal);
    const last = events.at(-1)?.sequence ?? 0;
    this.#place = events.length === batchCount ? last : Math.max(head.sequence, last);
    if (events.length > 0 || nowMs() - this.#keptAt > keepPlaceMs) await this.#keepPlace();
    this.#tellCaughtUp();
    return true;
  }

  async #keepPlace(): Promise<void> {
    await moveEventCursor(this.#following.store.db, this.#following.name, { sequence: this.#place });
    this.#keptPlace = this.#place;
    this.#keptAt = nowMs();
    this.#failureCount = 0;
  }

  async #keepFailure(failure: string): Promise<void> {
    const { store, log, name } = this.#following;
    const change = { failureCount: this.#failureCount, failure: failure.slice(0, 1000) };
    await moveEventCursor(store.db, name, change).catch((error: unknown) =>
      log.error({ err: error, follower: name }, "cannot record that a follower of events failed"),
    );
  }

  #tellCaughtUp(): void {
    for (const resolve of this.#caughtUp) resolve();
    this.#caughtUp.clear();
  }
}

function defaultRetryDelayMs(failureCount: number): number {
  return Math.min(5 * 60_000, 1000 * 2 ** Math.min(20, failureCount - 1));
}
