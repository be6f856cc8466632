import { setImmediate as turn } from "node:timers/promises";
import { nowMs } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import type { Workshop } from "../build/build.ts";
import type { Digest } from "../model/digest.ts";
import { listBuildHolds, listImageHolds, listStageOutputs } from "../store/collection-held-records.ts";
import type { Database } from "../store/database.ts";
import type { ImageSummary } from "./factory.ts";

interface Ground {
  readonly db: Database;
  readonly workshop: Pick<Workshop, "needsOf">;
  /** What builds made and fetched stays for so long after the last build that used it, in milliseconds. */
  readonly cacheMs: number;
}

/** Records of one look. */
const pageCount = 50;

/**
 * Finds the blobs that no repository names but the factory still needs, with the reason.
 *
 * They are in the same store as those of repositories, since publishing is a link: for each minted image its record
 * needs the lock and the evidence, and, as long as the image is there, all that its lock names, so that it can be
 * built again bit for bit. A build under way needs what its steps gave. What only recent builds used is a cache.
 */
export async function findHeldBlobs(ground: Ground): Promise<Map<Digest, string>> {
  const held = new Map<Digest, string>();
  const locks = new Map<Digest, string>();
  await holdImages(ground, held, locks);
  await holdBuilds(ground, held, locks);
  await holdStages(ground, held);
  for (const [lock, reason] of locks) await holdLock(ground, held, { lock, reason });
  return held;
}

async function holdImages({ db }: Ground, held: Map<Digest, string>, locks: Map<Digest, string>): Promise<void> {
  let after = "";
  for (;;) {
    const page = await listImageHolds(db, { after, limit: pageCount });
    for (const { digest, lockDigest, summary, isThere } of page) {
      held.set(digest, "it is the manifest of a minted image");
      held.set(lockDigest, `it is the lock of the image ${digest}`);
      const { evidence } = JSON.parse(summary) as Pick<ImageSummary, "evidence">;
      for (const one of evidence) held.set(one.digest, `it is evidence (${one.kind}) of the image ${digest}`);
      if (isThere) locks.set(lockDigest, `the lock ${lockDigest} of the image ${digest}`);
    }
    const last = page.at(-1);
    if (last === undefined) return;
    after = last.digest;
    await turn();
  }
}

const digestForm = /sha256:[0-9a-f]{64}/g;

function digestsIn(text: string): Digest[] {
  return (text.match(digestForm) ?? []) as Digest[];
}

async function holdBuilds(
  { db, cacheMs }: Ground,
  held: Map<Digest, string>,
  locks: Map<Digest, string>,
): Promise<void> {
  let after = "";
  for (;;) {
    const page = await listBuildHolds(db, { after, limit: pageCount, since: nowMs() - cacheMs });
    for (const { id, texts } of page) {
      for (const digest of texts.flatMap(digestsIn))
        if (!held.has(digest)) held.set(digest, `the build ${id} named it`);
      for (const lock of texts.flatMap(locksIn)) if (!locks.has(lock)) locks.set(lock, `the lock of the build ${id}`);
    }
    const last = page.at(-1);
    if (last === undefined) return;
    after = last.id;
    await turn();
  }
}

const lockForm = /"lockDigest":"(sha256:[0-9a-f]{64})"/g;

function locksIn(text: string): Digest[] {
  return [...text.matchAll(lockForm)].map(([, digest]) => digest as Digest);
}

async function holdStages({ db, cacheMs }: Ground, held: Map<Digest, string>): Promise<void> {
  let after = "";
  for (;;) {
    const page = await listStageOutputs(db, { after, limit: pageCount, since: nowMs() - cacheMs });
    for (const { stage, output } of page)
      for (const digest of digestsIn(output))
        if (!held.has(digest)) held.set(digest, `the stage "${stage}" of a recent build gave it`);
    const last = page.at(-1);
    if (last === undefined) return;
    after = last.key;
    await turn();
  }
}

async function holdLock(
  { workshop }: Ground,
  held: Map<Digest, string>,
  { lock, reason }: { readonly lock: Digest; readonly reason: string },
): Promise<void> {
  try {
    for (const digest of await workshop.needsOf(lock))
      if (!held.has(digest)) held.set(digest, `it is named by ${reason}`);
  } catch (error) {
    // A lock that is gone cannot be built from, whatever it named.
    if (!(error instanceof Failure && (error.code === "not_found" || error.code === "lock_invalid"))) throw error;
  }
  await turn();
}
