import type { Hash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { Failure, systemCodeOf, toFailure } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { BlobSource } from "./blobs.ts";
import type { BufferPool } from "./buffer-pool.ts";

interface WriteOptions {
  /** Where in the file the first byte goes. */
  readonly position: number;
  /** Is fed every byte that is written. */
  readonly hash: Hash;
  /** The most bytes that the source may give. */
  readonly limitBytes: number | undefined;
  /** Where the buffers for the way to the disk come from. */
  readonly pool: BufferPool;
}

interface WriteResult {
  readonly writtenBytes: number;
  /** What the source threw; everything that it gave before is written and hashed. */
  readonly broken: { readonly cause: unknown } | undefined;
}

/**
 * Writes a source into an open file and hashes it on the way.
 *
 * Two batches are in memory at most: one is filled while the disk has the other. Each chunk is copied before the
 * next is asked for, so a source may use its memory again.
 *
 * @throws Failure `too_large` above the limit, `disk_full`; then the file's length and the hash mean nothing
 */
export async function writeSource(handle: FileHandle, source: BlobSource, options: WriteOptions): Promise<WriteResult> {
  const batches = new BatchWriter(handle, options);
  let writtenBytes = 0;
  const iterator = (source instanceof Uint8Array ? pieces(source) : source)[Symbol.asyncIterator]();
  let broken: WriteResult["broken"];
  try {
    for (;;) {
      let next: IteratorResult<Uint8Array>;
      try {
        next = await iterator.next();
      } catch (cause) {
        broken = { cause };
        break;
      }
      if (next.done === true) break;
      writtenBytes += next.value.byteLength;
      if (options.limitBytes !== undefined && writtenBytes > options.limitBytes)
        throw new Failure("too_large", `Cannot store the bytes: they are more than ${options.limitBytes}`);
      await batches.add(next.value);
    }
    await batches.end();
  } catch (error) {
    // Lets go of a file or socket behind the source; its own complaint would hide ours.
    await Promise.resolve(iterator.return?.()).catch(() => undefined);
    throw explainFullDisk(error);
  }
  return { writtenBytes, broken };
}

/** Turns "no space left" into a failure with a hint, and leaves everything else as it is. */
export function explainFullDisk(error: unknown): unknown {
  const code = systemCodeOf(error);
  return code === "ENOSPC" || code === "EDQUOT" ? toFailure(error) : error;
}

/** So many bytes go to the disk while the next ones come, or the sync at the end would have all of a large blob to do. */
const bytesPerSync = 2 * 1024 * 1024;

/** Gathers bytes in one buffer while the disk has the other. */
class BatchWriter {
  readonly #handle: FileHandle;
  readonly #hash: Hash;
  readonly #pool: BufferPool;
  #position: number;
  #batch: Buffer;
  #bytes = 0;
  /** The write that is under way, and its buffer. */
  #writing: { readonly done: Promise<void>; readonly buffer: Buffer; readonly bytes: number } | undefined;
  #unsyncedBytes = 0;
  /** The sync that is under way; a failure of it is the caller's, since a later sync would not tell it again. */
  #syncing: Promise<void> | undefined;

  constructor(handle: FileHandle, { hash, position, pool }: WriteOptions) {
    this.#handle = handle;
    this.#hash = hash;
    this.#pool = pool;
    this.#position = position;
    this.#batch = pool.take();
  }

  async add(chunk: Uint8Array): Promise<void> {
    this.#hash.update(chunk);
    for (let at = 0; at < chunk.byteLength;) {
      const count = Math.min(this.#batch.length - this.#bytes, chunk.byteLength - at);
      this.#batch.set(chunk.subarray(at, at + count), this.#bytes);
      this.#bytes += count;
      at += count;
      if (this.#bytes === this.#batch.length) await this.#flush();
    }
  }

  async end(): Promise<void> {
    if (this.#bytes > 0) await this.#flush();
    await this.#settle();
    await this.#syncing;
    this.#pool.give(this.#batch);
  }

  async #flush(): Promise<void> {
    await this.#settle();
    const done = writeFully(this.#handle, this.#batch.subarray(0, this.#bytes), this.#position);
    // A failure is met by the next flush or the end; until then it is nobody's.
    done.catch(() => undefined);
    this.#writing = { done, buffer: this.#batch, bytes: this.#bytes };
    this.#position += this.#bytes;
    this.#batch = this.#pool.take();
    this.#bytes = 0;
  }

  async #settle(): Promise<void> {
    const writing = this.#writing;
    if (writing === undefined) return;
    this.#writing = undefined;
    await writing.done;
    this.#pool.give(writing.buffer);
    this.#unsyncedBytes += writing.bytes;
    if (this.#unsyncedBytes < bytesPerSync) return;
    // Waits for the one before: a disk that is slower than the client slows the client, not the end.
    await this.#syncing;
    this.#unsyncedBytes = 0;
    this.#syncing = this.#handle.datasync();
    this.#syncing.catch(() => undefined);
  }
}

/** Writes all bytes: a single call may write fewer, as it does on a disk that is about to be full. */
async function writeFully(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.byteLength;) {
    const { bytesWritten } = await handle.write(bytes, at, bytes.byteLength - at, position + at);
    at += bytesWritten;
  }
}

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.byteLength; start += limits.chunkBytes)
    yield bytes.subarray(start, start + limits.chunkBytes);
}
