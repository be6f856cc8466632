import { Readable } from "node:stream";
import { Failure } from "../base/errors.ts";
import type { BlobStore, StoredBlob } from "./blobs.ts";

/** The last bytes of a file wait until it is known to be right: what is wrong never arrives whole. */
export const withheldBytes = 64 * 1024;

/**
 * An upload that any number of clients read while it is written, each as fast as it can.
 *
 * The writer tells what happens to it. Where its bytes turn out to be wrong, what the readers get breaks off.
 */
export class FollowedUpload {
  readonly #blobs: BlobStore;
  #upload: string | undefined;
  /** How often the bytes began anew: what was read before may be wrong. */
  #beginnings = 0;
  #stored: StoredBlob | undefined;
  #failure: Failure | undefined;
  #wake = Promise.withResolvers<void>();

  constructor(blobs: BlobStore) {
    this.#blobs = blobs;
  }

  /** The upload that holds the bytes now; undefined before the first. */
  get upload(): string | undefined {
    return this.#upload;
  }

  /** Whether all of it lies in the store. */
  get isStored(): boolean {
    return this.#stored !== undefined;
  }

  /** The bytes begin, or begin anew, in an upload. */
  began(upload: string): void {
    this.#upload = upload;
    this.#beginnings += 1;
  }

  /** More bytes were written. */
  grew(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }

  /** The bytes are right and in the store. */
  ended(stored: StoredBlob | undefined): void {
    this.#stored = stored;
    this.grew();
  }

  /** No more bytes come, or those that came are wrong; drops the upload. */
  async failed(failure: Failure): Promise<void> {
    this.#failure = failure;
    if (this.#upload !== undefined) await this.#blobs.uploads.abort(this.#upload).catch(() => undefined);
    this.grew();
  }

  /**
   * The bytes from the first on, as they come.
   *
   * @param name what is read, for the message where the upstream sends other bytes than before
   */
  read(name: () => string): Readable {
    return Readable.from(this.#chunks(name), { objectMode: false });
  }

  async *#chunks(name: () => string): AsyncGenerator<Uint8Array> {
    const beginnings = this.#beginnings;
    for (let at = 0; ;) {
      const woken = this.#wake.promise;
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#stored !== undefined) {
        const { digest, sizeBytes } = this.#stored;
        if (at < sizeBytes) yield* await this.#blobs.open(digest, { start: at, end: sizeBytes - 1 });
        return;
      }
      if (at > 0 && beginnings !== this.#beginnings)
        throw new Failure("digest_mismatch", `Cannot go on with "${name()}": the upstream sent other bytes before`);
      const upload = this.#upload;
      const size = upload === undefined ? 0 : ((await this.#blobs.uploads.sizeOf(upload)) ?? 0);
      const end = size - withheldBytes;
      if (upload === undefined || end <= at) {
        await woken;
        continue;
      }
      for await (const chunk of await this.#openGrowing(upload, { start: at, end: end - 1 })) {
        yield chunk as Buffer;
        at += (chunk as Buffer).length;
      }
    }
  }

  /** Between the look at its size and this the upload may have become a blob: then the next look finds that. */
  async #openGrowing(upload: string, range: { readonly start: number; readonly end: number }): Promise<Readable> {
    try {
      return await this.#blobs.uploads.open(upload, range);
    } catch (error) {
      if (error instanceof Failure && error.code === "not_found") return Readable.from([]);
      throw error;
    }
  }
}
