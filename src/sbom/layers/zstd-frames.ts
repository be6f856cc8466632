import { pipeline, Readable } from "node:stream";
import { promisify } from "node:util";
import { createZstdDecompress, zstdDecompress } from "node:zlib";
import { Failure, systemCodeOf } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";

/** Frames below this are unpacked at one go: chunked layers have one for each piece of a file. */
const smallFrameBytes = 64 * 1024;
/** What a small frame may unpack to at one go. */
const smallUnpackedBytes = 4 * 1024 * 1024;

const unpackAtOnce = promisify(zstdDecompress);

/**
 * Unpacks every zstd frame of a stream, in their order; frames that hold no data are skipped.
 *
 * Node's decoder ends with the first frame and drops the rest, while container engines read them all: a layer could
 * hide its files from us behind an empty frame. So the frames are found here. Source: RFC 8878 section 3.1.
 *
 * @throws Failure `archive_hostile`; errors of zlib
 */
export async function* unpackZstdFrames(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = new FrameReader(source);
  try {
    for (let magic = await reader.first(4); magic !== undefined; magic = await reader.first(4)) {
      if (isSkippable(magic)) {
        await reader.skip((await reader.exactly(4)).readUInt32LE());
        continue;
      }
      if (magic.readUInt32LE() !== frameMagic) throw hostile("bytes stand between its zstd frames");
      yield* unpackFrame(frameBytes(reader, magic));
    }
  } finally {
    await reader.close();
  }
}

const frameMagic = 0xfd2fb528;

function isSkippable(magic: Buffer): boolean {
  return (magic.readUInt32LE() & 0xfffffff0) >>> 0 === 0x184d2a50;
}

async function* unpackFrame(frame: AsyncGenerator<Buffer>): AsyncGenerator<Uint8Array> {
  const parts: Buffer[] = [];
  let isWhole = false;
  for (let size = 0; !isWhole && size <= smallFrameBytes;) {
    const next = await frame.next();
    isWhole = next.done === true;
    if (next.done === true) continue;
    parts.push(next.value);
    size += next.value.length;
  }
  const small = isWhole ? await unpackSmall(Buffer.concat(parts)) : undefined;
  if (small !== undefined) {
    yield small;
    return;
  }
  const decoder = createZstdDecompress({ chunkSize: limits.chunkBytes });
  // What goes wrong at either end comes out of the decoder's iterator; leaving that ends both.
  pipeline(Readable.from(joined(parts, frame), { objectMode: false }), decoder, () => undefined);
  yield* decoder as AsyncIterable<Uint8Array>;
}

/** Undefined where a small frame holds much. */
async function unpackSmall(frame: Buffer): Promise<Buffer | undefined> {
  try {
    return await unpackAtOnce(frame, { maxOutputLength: smallUnpackedBytes });
  } catch (error) {
    if (systemCodeOf(error) === "ERR_BUFFER_TOO_LARGE") return undefined;
    throw error;
  }
}

async function* joined(first: readonly Buffer[], rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield* first;
  yield* rest;
}

/** The bytes of one frame: header, blocks, and the checksum where it has one. */
async function* frameBytes(reader: FrameReader, magic: Buffer): AsyncGenerator<Buffer> {
  const descriptor = await reader.exactly(1);
  const flags = descriptor[0]!;
  const isSingleSegment = (flags & 0x20) !== 0;
  const windowBytes = isSingleSegment ? 0 : 1;
  const dictionaryBytes = [0, 1, 2, 4][flags & 3]!;
  const contentSizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][flags >> 6]!;
  yield Buffer.concat([magic, descriptor, await reader.exactly(windowBytes + dictionaryBytes + contentSizeBytes)]);
  for (let isLast = false; !isLast;) {
    const header = await reader.exactly(3);
    const bits = header.readUIntLE(0, 3);
    isLast = (bits & 1) === 1;
    const isRepeated = ((bits >> 1) & 3) === 1;
    yield header;
    yield await reader.exactly(isRepeated ? 1 : bits >> 3);
  }
  if ((flags & 4) !== 0) yield await reader.exactly(4);
}

/** Takes counted bytes off a stream of chunks. */
class FrameReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  /** So many bytes, or undefined where the stream is over. */
  async first(count: number): Promise<Buffer | undefined> {
    return this.#rest.length === 0 && !(await this.#fill()) ? undefined : await this.exactly(count);
  }

  /** A block has at most 128 KiB, a header claims at most 2 MiB. */
  async exactly(count: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    let missing = count;
    while (missing > 0) {
      if (this.#rest.length === 0 && !(await this.#fill())) throw hostile("a zstd frame is cut short");
      const part = this.#rest.subarray(0, missing);
      this.#rest = this.#rest.subarray(part.length);
      missing -= part.length;
      parts.push(part);
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  async skip(count: number): Promise<void> {
    for (let missing = count; missing > 0;) {
      const part = await this.exactly(Math.min(missing, limits.chunkBytes));
      missing -= part.length;
    }
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #fill(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const next = await this.#chunks.next();
      if (next.done === true) return false;
      this.#rest = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
    }
    return true;
  }
}

function hostile(state: string): Failure {
  return new Failure("archive_hostile", `Cannot read the image: a layer is damaged: ${state}`);
}
