import { nowMs } from "../base/clock.ts";
import type { Digest } from "../model/digest.ts";
import type { BlobStore } from "./blobs.ts";

/** A use is written down at most this often; collections leave blobs alone for longer than that. */
const touchEveryMs = 10 * 60_000;

/**
 * Blobs for work that counts on what it found before anything names it, as a build does: each look is a touch.
 *
 * The registry needs no such thing, since its rows say when somebody last asked.
 */
export function touchingBlobs(blobs: BlobStore): BlobStore {
  const touched = async (digest: Digest): Promise<void> => {
    const facts = await blobs.describe(digest);
    if (facts !== undefined && nowMs() - facts.usedAt > touchEveryMs) await blobs.touch(digest);
  };
  return {
    uploads: blobs.uploads,
    async stat(digest) {
      await touched(digest);
      return await blobs.stat(digest);
    },
    async open(digest, range) {
      await touched(digest);
      return await blobs.open(digest, range);
    },
    async read(digest, limitBytes) {
      await touched(digest);
      return await blobs.read(digest, limitBytes);
    },
    async localPath(digest) {
      await touched(digest);
      return await blobs.localPath(digest);
    },
    put: async (source, options) => await blobs.put(source, options),
    delete: async (digest) => await blobs.delete(digest),
    list: () => blobs.list(),
    pages: (after) => blobs.pages(after),
    describe: async (digest) => await blobs.describe(digest),
    touch: async (digest) => await blobs.touch(digest),
    holding: async (digests, work) => await blobs.holding(digests, work),
    collect: async (digest, isNeeded) => await blobs.collect(digest, isNeeded),
    quarantine: async (digest) => await blobs.quarantine(digest),
    sweepTemporary: async (untouchedSince) => await blobs.sweepTemporary(untouchedSince),
    usedBytes: async () => await blobs.usedBytes(),
    measured: (bytes) => blobs.measured(bytes),
    close: async () => await blobs.close(),
    [Symbol.asyncDispose]: async () => await blobs.close(),
  };
}
