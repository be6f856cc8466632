import { nowMs } from "../../base/clock.ts";
import type { Digest } from "../../model/digest.ts";
import { isBlobNamed } from "../../store/collection-records.ts";
import {
  forgetMirrorEntries,
  listUnusedMirrorEntries,
  type UnusedMirrorEntry,
} from "../../store/mirror-care-records.ts";
import type { Store } from "../../store/store.ts";
import type { MirrorRepository } from "../contract.ts";

/** What is to go. */
export interface CleanRequest {
  /** Entries that nobody has used for so many days. */
  readonly unusedDays: number;
  /** Only says what would go. */
  readonly isDryRun: boolean;
}

interface CleanGround {
  readonly store: Store;
  /** The repositories that are looked at. */
  readonly repositories: readonly MirrorRepository[];
  /** Blobs that locks and images name, with the reason. */
  readonly held: ReadonlyMap<Digest, string>;
  readonly signal: AbortSignal;
  /** Told after each page of entries. */
  readonly onPage: (report: CleanReport) => void;
}

/** What went, or would. */
export interface CleanReport {
  readonly isDryRun: boolean;
  /** The instant before which the last use had to be; milliseconds since 1970. */
  readonly before: number;
  entryCount: number;
  /** Bytes of the disk; of a dry run those of the entries. */
  freedBytes: number;
  /** Entries that nobody used, but a lock or an image names. */
  keptCount: number;
  keptBytes: number;
  /** Some of what went and of what was kept, with the reason. */
  readonly examples: {
    readonly repository: string;
    readonly key: string;
    readonly sizeBytes: number;
    readonly isKept: boolean;
    readonly reason: string;
  }[];
}

const pageCount = 200;
const exampleCount = 50;
const dayMs = 24 * 60 * 60 * 1000;

/**
 * Takes away what proxies fetched and nobody has used for a while, row and file: no other task is needed to free the
 * disk. What was published here never goes, nor does what a lock or an image names.
 */
export async function cleanMirror(ground: CleanGround, request: CleanRequest): Promise<CleanReport> {
  const report: CleanReport = {
    isDryRun: request.isDryRun,
    before: nowMs() - request.unusedDays * dayMs,
    entryCount: 0,
    freedBytes: 0,
    keptCount: 0,
    keptBytes: 0,
    examples: [],
  };
  for (const { name, kind } of ground.repositories) {
    if (kind !== "proxy") continue;
    let after: readonly [string, string] = ["", ""];
    for (;;) {
      ground.signal.throwIfAborted();
      const { before } = report;
      const page = await listUnusedMirrorEntries(ground.store.db, {
        repository: name,
        before,
        after,
        limit: pageCount,
      });
      const last = page.at(-1);
      if (last === undefined) break;
      after = [last.kind, last.key];
      await cleanPage(ground, page, report);
      ground.onPage(report);
    }
  }
  return report;
}

async function cleanPage(
  { store, held }: CleanGround,
  page: readonly UnusedMirrorEntry[],
  report: CleanReport,
): Promise<void> {
  const going: UnusedMirrorEntry[] = [];
  for (const entry of page) {
    const reason = held.get(entry.digest);
    // Without an address it was published here, or brought in by hand.
    if (reason === undefined && entry.url !== undefined) going.push(entry);
    else {
      report.keptCount += 1;
      report.keptBytes += entry.sizeBytes;
      addExample(report, entry, { isKept: true, reason: reason ?? "it did not come from an upstream" });
    }
  }
  for (const entry of going) {
    report.entryCount += 1;
    addExample(report, entry, { isKept: false, reason: `last used at ${dayOf(entry.usedAt)}` });
  }
  if (report.isDryRun) {
    for (const { sizeBytes } of going) report.freedBytes += sizeBytes;
    return;
  }
  const { before } = report;
  const freed = await store.transaction(async (db) => await forgetMirrorEntries(db, going, before));
  for (const digest of new Set(freed)) {
    if (held.has(digest)) continue;
    let sizeBytes = 0;
    const isGone = await store.blobs.collect(digest, async (facts) => {
      sizeBytes = facts.sizeBytes;
      return await isBlobNamed(store.db, digest);
    });
    if (isGone) report.freedBytes += sizeBytes;
  }
}

function dayOf(instant: number): string {
  return new Date(instant).toISOString().slice(0, 10);
}

function addExample(
  report: CleanReport,
  { repository, key, sizeBytes }: UnusedMirrorEntry,
  why: { readonly isKept: boolean; readonly reason: string },
): void {
  const alike = report.examples.filter(({ isKept }) => isKept === why.isKept);
  if (alike.length < exampleCount) report.examples.push({ repository, key, sizeBytes, ...why });
}
