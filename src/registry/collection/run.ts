import { setImmediate as turn } from "node:timers/promises";
import { nowMs, sleep, tickMs } from "../../base/clock.ts";
import { type WorkEvent } from "../../model/work.ts";
import { saveCollectionRun } from "../../store/collection-run-records.ts";
import { type Store } from "../../store/store.ts";
import { type CollectionReport, type RunSettings } from "./settings.ts";

/** A collection that is under way: what its phases share. */
export interface Run {
  readonly id: string;
  readonly store: Store;
  readonly settings: RunSettings;
  readonly report: CollectionReport;
  /** Where the phase goes on; empty at its beginning. */
  readonly cursor: string;
  readonly signal: AbortSignal;
  readonly emit: (event: WorkEvent) => void;
}

/** Longest rest after a piece of work. */
const restMsMax = 20;

/**
 * Does one piece of work, then rests for as long as it took: requests come first, a collection has all night.
 *
 * @throws the reason of the signal where the run is to stop
 */
export async function paced<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const startedAt = tickMs();
  const result = await work();
  const restMs = Math.min(restMsMax, Math.floor(tickMs() - startedAt));
  if (restMs > 1) await sleep(restMs, signal);
  else await turn();
  return result;
}

/** Records how far a phase is, in the transaction of what it did. */
export async function save(
  db: Store["db"],
  run: { readonly id: string; readonly report: unknown },
  place: { readonly phase: string; readonly cursor: string },
): Promise<void> {
  await saveCollectionRun(db, { id: run.id, ...place, report: run.report });
}

/** Tells of progress, but not more often than somebody can follow. */
export function openProgress(emit: Run["emit"]): (event: Extract<WorkEvent, { kind: "progress" }>) => void {
  let toldAt = -Infinity;
  let phase = "";
  return (event) => {
    if (event.phase === phase && tickMs() - toldAt < 500) return;
    toldAt = tickMs();
    phase = event.phase;
    emit(event);
  };
}

/** What is in the trash since this instant or longer goes for good. */
export function purgeUntil({ trashMs }: RunSettings): number {
  return nowMs() - trashMs;
}
