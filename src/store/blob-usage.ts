import { readFile } from "node:fs/promises";
import { tickMs } from "../base/clock.ts";
import { writeFileAtomic } from "../base/files.ts";

/** Changes are written down at most this often; a crash forgets what came since. */
const writeEveryMs = 60_000;

/**
 * The bytes of all blobs, counted along instead of walked for: a metric must not read a million files.
 *
 * After a crash it may be off by a minute's pushes, until the next walk over all blobs measures it.
 */
export class BlobUsage {
  readonly #path: string;
  readonly #measure: () => Promise<number>;
  #bytes: Promise<number> | undefined;
  /** What came and went while nobody knew the sum. */
  #change = 0;
  #isChanged = false;
  #writtenAt = tickMs();

  /**
   * @param options.measure walks all blobs; called once where nothing was written down
   * @param options.isEmpty the store has just been made
   */
  constructor(options: { readonly path: string; readonly measure: () => Promise<number>; readonly isEmpty: boolean }) {
    this.#path = options.path;
    this.#measure = options.measure;
    if (options.isEmpty) this.#bytes = Promise.resolve(0);
  }

  /** The sum. */
  async bytes(): Promise<number> {
    this.#bytes ??= this.#first();
    return Math.max(0, (await this.#bytes) + this.#change);
  }

  /** Counts bytes that came, or went where the number is negative. */
  add(bytes: number): void {
    this.#change += bytes;
    this.#isChanged = true;
    if (tickMs() - this.#writtenAt > writeEveryMs) void this.write();
  }

  /** Takes a measured sum in place of the counted one. */
  set(bytes: number): void {
    this.#bytes = Promise.resolve(bytes);
    this.#change = 0;
    this.#isChanged = true;
  }

  /** Writes the sum down, where it is known and changed; a full disk is no reason to fail. */
  async write(): Promise<void> {
    if (!this.#isChanged) return;
    this.#isChanged = false;
    this.#writtenAt = tickMs();
    const known = (await this.#bytes) ?? (await this.#written());
    if (known === undefined) return;
    const bytes = Math.max(0, known + this.#change);
    await writeFileAtomic(this.#path, JSON.stringify({ bytes })).catch(() => undefined);
  }

  async #first(): Promise<number> {
    const written = await this.#written();
    if (written !== undefined) return written;
    const before = this.#change;
    const measured = await this.#measure();
    // What came before the walk was found by it.
    this.#change -= before;
    this.#isChanged = true;
    return measured;
  }

  async #written(): Promise<number | undefined> {
    try {
      const { bytes } = JSON.parse(await readFile(this.#path, "utf8")) as { readonly bytes?: unknown };
      return typeof bytes === "number" ? bytes : undefined;
    } catch {
      return undefined;
    }
  }
}
