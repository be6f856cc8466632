import type { Hash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { Failure, systemCodeOf, toFailure } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { BlobSource } from "./blobs.ts";

interface WriteOptions {
  /** Where in the file the first byte goes. */
  readonly position: number;
  /** Is fed every byte that is written. */
  readonly hash: Hash;
  /** The most bytes that the source may give. */
  readonly limitBytes: number | undefined;
}

interface WriteResult {
  readonly writtenBytes: number;
  /** What the source threw; everything that it gave before is written and hashed. */
  readonly broken: { readonly cause: unknown } | undefined;
}

/** Buffers of one write call, so that a source of tiny chunks cannot pile them up. */
const batchChunkCount = 256;

/**
 * Writes a source into an open file in batches of about 1 MiB and hashes each batch while the disk has it.
 *
 * At most two batches are in memory. The chunks belong to the writer: a source must not use them again.
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

/** Gathers chunks and keeps one write under way. */
class BatchWriter {
  readonly #handle: FileHandle;
  readonly #hash: Hash;
  #position: number;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(handle: FileHandle, options: WriteOptions) {
    this.#handle = handle;
    this.#hash = options.hash;
    this.#position = options.position;
  }

  async add(chunk: Uint8Array): Promise<void> {
    if (chunk.byteLength === 0) return;
    this.#chunks.push(chunk);
    this.#bytes += chunk.byteLength;
    if (this.#bytes >= limits.chunkBytes || this.#chunks.length >= batchChunkCount) await this.#flush();
  }

  async end(): Promise<void> {
    if (this.#chunks.length > 0) await this.#flush();
    await this.#writing;
  }

  async #flush(): Promise<void> {
    await this.#writing;
    const chunks = this.#chunks;
    this.#writing = writeFully(this.#handle, chunks, this.#position);
    // A failure is met by the next flush or the end; until then it is nobody's.
    this.#writing.catch(() => undefined);
    this.#position += this.#bytes;
    this.#chunks = [];
    this.#bytes = 0;
    for (const chunk of chunks) this.#hash.update(chunk);
  }
}

/** Writes all chunks: a single call may write fewer, as it does on a disk that is about to be full. */
async function writeFully(handle: FileHandle, chunks: readonly Uint8Array[], position: number): Promise<void> {
  let rest = [...chunks];
  let at = position;
  while (rest.length > 0) {
    const { bytesWritten } = await handle.writev(rest, at);
    at += bytesWritten;
    rest = withoutFirst(rest, bytesWritten);
  }
}

function withoutFirst(chunks: readonly Uint8Array[], byteCount: number): Uint8Array[] {
  let skip = byteCount;
  const rest: Uint8Array[] = [];
  for (const chunk of chunks) {
    if (skip >= chunk.byteLength) skip -= chunk.byteLength;
    else {
      rest.push(chunk.subarray(skip));
      skip = 0;
    }
  }
  return rest;
}

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.byteLength; start += limits.chunkBytes)
    yield bytes.subarray(start, start + limits.chunkBytes);
}
