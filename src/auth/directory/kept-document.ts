import { nowMs } from "../../base/clock.ts";

/** A document that is fetched when it is first needed, kept, and kept longer where it cannot be fetched again. */
export interface KeptDocument<Value> {
  /** The document, fetched again once an hour. @throws what fetching throws where there is nothing usable */
  get(): Promise<Value>;
  /** Fetches it again unless that was tried within the last minute; gives what there is then. */
  renew(): Promise<Value>;
}

const freshMs = 60 * 60_000;
/** What could not be fetched again for this long is not believed any more. */
const usableMs = 24 * 60 * 60_000;
/** Between two attempts while there is a document, and while there is none. */
const pauseMs = { renewal: 60_000, first: 5_000 } as const;

/** Keeps what `fetch` gives; callers at the same time share one attempt. */
export function keepDocument<Value>(fetch: () => Promise<Value>): KeptDocument<Value> {
  let kept: { readonly value: Value; readonly at: number } | undefined;
  let failure: unknown;
  let attemptedAt = -Infinity;
  let running: Promise<void> | undefined;

  async function attempt(): Promise<void> {
    attemptedAt = nowMs();
    try {
      kept = { value: await fetch(), at: nowMs() };
    } catch (error) {
      failure = error;
    }
  }

  async function attemptInTurn(): Promise<Value> {
    const isDue = nowMs() - attemptedAt >= (kept === undefined ? pauseMs.first : pauseMs.renewal);
    if (running === undefined && isDue) running = attempt().finally(() => (running = undefined));
    await running;
    if (kept === undefined || nowMs() - kept.at > usableMs) throw failure;
    return kept.value;
  }

  return {
    get: async () => (kept !== undefined && nowMs() - kept.at < freshMs ? kept.value : await attemptInTurn()),
    renew: attemptInTurn,
  };
}
