import type { FileHandle } from "node:fs/promises";
import { ServerResponse } from "node:http";
import { Socket } from "node:net";
import { Readable } from "node:stream";
import { callbackify } from "node:util";
import { limits } from "../base/limits.ts";
import { type BufferPool, pooledBytes } from "./buffer-pool.ts";
import type { ByteRange } from "./blobs.ts";

/** An open file that is sent. */
interface BlobFile {
  readonly handle: FileHandle;
  /** First and last byte, both inclusive; an empty file has its last byte before its first. */
  readonly range: ByteRange;
  readonly pool: BufferPool;
}

/**
 * The bytes of a blob. Whoever reads them gets buffers to keep.
 *
 * Piped to an HTTP client they come from two pooled buffers, each filled again once the socket is through with it:
 * twice as fast as fresh memory, and a slow client holds half a mebibyte at most.
 */
export class BlobStream extends Readable {
  readonly #file: BlobFile;
  #position: number;

  constructor(file: BlobFile) {
    super({ highWaterMark: limits.chunkBytes, autoDestroy: true });
    this.#file = file;
    this.#position = file.range.start;
  }

  override _read(): void {
    const wanted = Math.min(limits.chunkBytes, this.#rest());
    if (wanted <= 0) {
      this.push(null);
      return;
    }
    const buffer = Buffer.allocUnsafeSlow(wanted);
    this.#fill(buffer, wanted).then(
      (got) => this.push(got === wanted ? buffer : buffer.subarray(0, got)),
      (error: unknown) => this.destroy(error as Error),
    );
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const { handle } = this.#file;
    callbackify(async () => await handle.close())((closing) => done(error ?? closing));
  }

  override pipe<Destination extends NodeJS.WritableStream>(
    destination: Destination,
    options?: { readonly end?: boolean },
  ): Destination {
    // Any other destination may keep what it was given.
    if (!(destination instanceof ServerResponse && destination.socket instanceof Socket))
      return super.pipe(destination, options);
    void this.#pump(destination)
      .then(() => {
        if (options?.end !== false) destination.end();
        // Whoever waits for the end of this stream is told.
        this.push(null);
        this.resume();
      })
      .catch((error: unknown) => this.destroy(error as Error));
    return destination;
  }

  async #pump(destination: ServerResponse): Promise<void> {
    const { pool } = this.#file;
    const lanes = [
      { buffer: pool.take(), isFree: Promise.resolve() },
      { buffer: pool.take(), isFree: Promise.resolve() },
    ];
    for (let turn = 0; this.#rest() > 0 && !this.destroyed; turn = 1 - turn) {
      const lane = lanes[turn]!;
      await lane.isFree;
      const got = await this.#fill(lane.buffer, Math.min(pooledBytes, this.#rest()));
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      // The failure of a write is met before its buffer is used again, or at the end.
      promise.catch(() => undefined);
      lane.isFree = promise;
      destination.write(lane.buffer.subarray(0, got), (error) => (error ? reject(error) : resolve()));
    }
    for (const { isFree } of lanes) await isFree;
    for (const { buffer } of lanes) pool.give(buffer);
  }

  #rest(): number {
    return this.#file.range.end + 1 - this.#position;
  }

  /** @throws Error where the file is shorter than it was: what was promised cannot be sent */
  async #fill(buffer: Buffer, wanted: number): Promise<number> {
    const { bytesRead } = await this.#file.handle.read(buffer, 0, wanted, this.#position);
    if (bytesRead === 0) throw new Error("A blob became shorter while it was read");
    this.#position += bytesRead;
    return bytesRead;
  }
}
