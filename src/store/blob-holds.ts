import type { Digest } from "../model/digest.ts";

/** Keeps apart who counts on a blob and who takes it away; in memory, since a store has one owner process. */
export class BlobHolds {
  readonly #counts = new Map<Digest, number>();
  #everythingCount = 0;
  /** What is being taken away; never rejects. */
  readonly #removals = new Map<Digest, Promise<void>>();

  /** Runs `work` while nothing of `digests` is taken away; waits first for what is being taken. */
  async holding<T>(digests: readonly Digest[] | "everything", work: () => Promise<T>): Promise<T> {
    // Counted before anything is awaited: a removal that begins from here on sees it.
    if (digests === "everything") this.#everythingCount += 1;
    else for (const digest of digests) this.#counts.set(digest, (this.#counts.get(digest) ?? 0) + 1);
    try {
      if (digests === "everything") await Promise.all(this.#removals.values());
      else for (const digest of digests) await this.settled(digest);
      return await work();
    } finally {
      if (digests === "everything") this.#everythingCount -= 1;
      else for (const digest of digests) this.#release(digest);
    }
  }

  /** Waits until a blob is not being taken away; undefined where it is not, so that nobody waits for nothing. */
  settled(digest: Digest): Promise<void> | undefined {
    return this.#removals.get(digest);
  }

  /** Runs `work`, which takes a blob away; undefined, and nothing runs, where somebody holds it. */
  async removing<T>(digest: Digest, work: () => Promise<T>): Promise<T | undefined> {
    if (this.#everythingCount > 0 || this.#counts.has(digest) || this.#removals.has(digest)) return undefined;
    const result = work();
    this.#removals.set(
      digest,
      result.then(
        () => undefined,
        () => undefined,
      ),
    );
    try {
      return await result;
    } finally {
      this.#removals.delete(digest);
    }
  }

  #release(digest: Digest): void {
    const count = this.#counts.get(digest)! - 1;
    if (count === 0) this.#counts.delete(digest);
    else this.#counts.set(digest, count);
  }
}
