import { pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { Failure } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import type { Digest } from "../../model/digest.ts";
import { unpackZstdFrames } from "./zstd-frames.ts";

/** One layer of an image and how its bytes are had. */
export interface LayerBlob {
  readonly digest: Digest;
  /** Bytes as they are stored. */
  readonly sizeBytes: number;
  /** Undefined where the bytes are not here, as those of layers that may not be distributed. */
  open(): Promise<Readable | undefined>;
}

/** Unpacked bytes that any layer may have, however small it is packed. */
const freeBytes = 64 * 1024 * 1024;

/**
 * The unpacked bytes of a layer as a stream: gzip, zstd or plain, told by its first bytes, not by what it is called.
 *
 * @throws Failure `archive_hostile` where it expands like a bomb, is damaged, or is packed in another way
 */
export async function* unpackLayer(layer: LayerBlob, packed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { head, whole } = await peek(packed);
  const unpacked = unpack(whole, formatOf(head));
  const limitBytes = freeBytes + layer.sizeBytes * limits.debExpansionRatio;
  let total = 0;
  try {
    for await (const chunk of unpacked) {
      total += chunk.length;
      if (total > limitBytes)
        throw hostile(`the layer ${layer.digest} of ${layer.sizeBytes} bytes expands beyond ${limitBytes} bytes`);
      yield chunk;
    }
  } catch (error) {
    if (isZlibError(error)) throw hostile(`the compressed data of the layer ${layer.digest} is damaged`, error);
    throw error;
  }
}

/** Whether bytes begin as a layer does: packed, or a tar header. What clients would not unpack does not. */
export function looksLikeLayer(head: Uint8Array): boolean {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.byteLength);
  return magics.some(({ magic }) => startsWith(bytes, magic)) || isTarHeader(bytes);
}

/** By its checksum: old archives have no other mark. Source: POSIX pax, "ustar Interchange Format". */
function isTarHeader(bytes: Buffer): boolean {
  if (bytes.length < 512) return false;
  let sum = 8 * 32;
  for (let at = 0; at < 512; at++) if (at < 148 || at >= 156) sum += bytes[at]!;
  return Number.parseInt(bytes.toString("latin1", 148, 156), 8) === sum;
}

const magics = [
  { magic: [0x1f, 0x8b], format: "gzip" },
  { magic: [0x28, 0xb5, 0x2f, 0xfd], format: "zstd" },
  // A frame that decoders skip may come first. Source: RFC 8878 section 3.1.2.
  ...Array.from({ length: 16 }, (_, at) => ({ magic: [0x50 + at, 0x2a, 0x4d, 0x18], format: "zstd" })),
  { magic: [0x42, 0x5a, 0x68], format: "bzip2" },
  { magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a], format: "xz" },
] as const;

type Format = (typeof magics)[number]["format"];

function formatOf(head: Buffer): Format | undefined {
  return magics.find(({ magic }) => startsWith(head, magic))?.format;
}

function unpack(source: AsyncIterable<Uint8Array>, format: Format | undefined): AsyncIterable<Uint8Array> {
  if (format === undefined) return source;
  if (format === "zstd") return unpackZstdFrames(source);
  if (format !== "gzip") throw hostile(`a layer is compressed with ${format}, which is not supported`);
  const decoder = createGunzip({ chunkSize: limits.chunkBytes });
  // What goes wrong at either end comes out of the decoder's iterator; leaving that ends both.
  pipeline(Readable.from(source, { objectMode: false }), decoder, () => undefined);
  return decoder;
}

function startsWith(bytes: Buffer, magic: readonly number[]): boolean {
  return magic.every((byte, at) => bytes[at] === byte);
}

/** The first bytes of a stream, and the stream with them. */
async function peek(source: AsyncIterable<Uint8Array>): Promise<{ head: Buffer; whole: AsyncIterable<Uint8Array> }> {
  const chunks = source[Symbol.asyncIterator]();
  const first: Uint8Array[] = [];
  let headBytes = 0;
  let isOver = false;
  while (headBytes < 8 && !isOver) {
    const next = await chunks.next();
    if (next.done === true) isOver = true;
    else {
      first.push(next.value);
      headBytes += next.value.length;
    }
  }
  async function* whole(): AsyncGenerator<Uint8Array> {
    try {
      yield* first;
      for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) yield next.value;
    } finally {
      await chunks.return?.();
    }
  }
  return { head: Buffer.concat(first).subarray(0, 8), whole: whole() };
}

function isZlibError(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return /^(?:Z_|ZSTD_|ERR_ZSTD|ERR_STREAM_PREMATURE_CLOSE)/.test(code);
}

function hostile(state: string, cause?: unknown): Failure {
  return new Failure("archive_hostile", `Cannot read the image: ${state}`, {
    hint: "Build the image again, or push the layer that it should have",
    cause,
  });
}
