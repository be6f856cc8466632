import { mapParallel } from "../../base/pool.ts";
import { type Digest } from "../../model/digest.ts";
import type { BlobFacts, BlobPage } from "../../store/blobs.ts";
import { addMarks, isBlobNamed, type Mark, namedBlobs } from "../../store/collection-records.ts";
import { type Run, paced, save } from "./run.ts";

/** Blobs that no repository names but somebody needs all the same, with the reason. */
export type HeldBlobs = () => Promise<ReadonlyMap<Digest, string>>;

/** Names in one look; the lists of a page are longer. */
const lookCount = 2000;
/** Files that are removed at the same time. */
const removalWidth = 8;
/** Pages without a find after which the place is saved all the same. */
const pagesPerSave = 16;
const phase = "blobs";

/**
 * Removes the files of blobs that neither a repository nor the trash nor anybody else names.
 *
 * The disk itself is walked, so that what a crash left is found too. A row is always gone before its file: a crash in
 * between leaves a file that the next walk finds, never a row without its bytes.
 */
export async function sweepBlobs(run: Run, heldBlobs: HeldBlobs, tell: (fraction: number) => void): Promise<void> {
  const { store, report } = run;
  const held = await heldBlobs();
  let unsaved = 0;
  for await (const page of store.blobs.pages(run.cursor)) {
    const before = report.removedBlobs;
    await sweepPage(run, page, held);
    // A page of which nothing went can be looked at again.
    unsaved += 1;
    if (report.removedBlobs > before || unsaved >= pagesPerSave) {
      await store.transaction(async (db) => await save(db, run, { phase, cursor: page.cursor }));
      unsaved = 0;
    }
    tell(page.fraction);
  }
  // A run that was resumed has the sums of its first half in the report.
  if (!run.settings.dryRun) store.blobs.measured(report.storedBytes);
}

async function sweepPage(run: Run, { digests }: BlobPage, held: ReadonlyMap<Digest, string>): Promise<void> {
  const { store, report, settings } = run;
  const free: Digest[] = [];
  for (let start = 0; start < digests.length; start += lookCount)
    await paced(run.signal, async () => {
      const some = digests.slice(start, start + lookCount);
      const named = await namedBlobs(store.db, some, settings.trashMs > 0);
      for (const digest of some) {
        const name = named.get(digest);
        if (name === undefined) free.push(digest);
        else {
          report.stays[name.reason === "in the trash" ? "trash" : "linked"] += 1;
          report.storedBytes += name.sizeBytes;
        }
      }
    });
  const unheld: Digest[] = [];
  for (const digest of free) {
    if (!held.has(digest)) unheld.push(digest);
    else {
      report.stays.held += 1;
      report.storedBytes += (await store.blobs.describe(digest))?.sizeBytes ?? 0;
    }
  }
  for (let start = 0; start < unheld.length; start += lookCount)
    await paced(run.signal, async () => await removeFree(run, unheld.slice(start, start + lookCount)));
}

async function removeFree(run: Run, digests: readonly Digest[]): Promise<void> {
  const { report } = run;
  const marks: Mark[] = [];
  await mapParallel(digests, removalWidth, async (digest) => {
    const { facts, isGone } = run.settings.dryRun ? await mark(run, digest, marks) : await remove(run, digest);
    if (facts === undefined) return;
    if (isGone) {
      report.removedBlobs += 1;
      report.freedBytes += facts.sizeBytes;
    } else {
      report.stays.fresh += 1;
      report.storedBytes += facts.sizeBytes;
    }
  });
  if (marks.length > 0) await run.store.transaction(async (db) => await addMarks(db, marks));
}

interface Outcome {
  /** Undefined where the file is not there any more. */
  readonly facts: BlobFacts | undefined;
  readonly isGone: boolean;
}

function isFresh({ settings }: Run, { usedAt }: BlobFacts): boolean {
  return usedAt >= settings.startedAt - settings.graceMs;
}

async function mark(run: Run, digest: Digest, marks: Mark[]): Promise<Outcome> {
  const facts = await run.store.blobs.describe(digest);
  if (facts === undefined || isFresh(run, facts)) return { facts, isGone: false };
  marks.push({ kind: "blob", repository: "", digest, sizeBytes: facts.sizeBytes, reason: "nothing names it" });
  return { facts, isGone: true };
}

/** Asks the database once more while nobody can store or hold the blob. */
async function remove(run: Run, digest: Digest): Promise<Outcome> {
  const { blobs, db } = run.store;
  let seen: BlobFacts | undefined;
  const isGone = await blobs.collect(digest, async (facts) => {
    seen = facts;
    return isFresh(run, facts) || (await isBlobNamed(db, digest));
  });
  return { facts: seen ?? (await blobs.describe(digest)), isGone };
}
