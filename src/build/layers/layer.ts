import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { constants, createGzip, createZstdCompress } from "node:zlib";
import { Failure } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { padding, type TarHeader } from "../../base/tar.ts";
import { tarEnd, tarHeaderBytes } from "../../base/tar-writer.ts";
import { sha256Digest, type Digest } from "../../model/digest.ts";
import { mediaTypes } from "../../model/oci.ts";
import type { BlobStore } from "../../store/blobs.ts";

/** One entry to be written, with its content where it is a file. */
export interface LayerEntry {
  readonly header: TarHeader;
  /** Exactly `header.sizeBytes` bytes. */
  readonly content?: () => AsyncIterable<Uint8Array>;
}

/** A layer in the store. */
export interface Layer {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** Digest of the uncompressed tar. */
  readonly diffId: Digest;
  readonly unpackedBytes: number;
  /** What stands in the image's history. */
  readonly createdBy: string;
}

/** How layers are compressed; part of every layer's identity and of the provenance. */
export interface Compression {
  readonly name: "zstd" | "gzip";
  readonly level: number;
  /** Version of the library: another one may give other bytes. */
  readonly library: string;
}

/** The compression of that name as this program does it. */
export function compressionOf(name: "zstd" | "gzip"): Compression {
  return name === "zstd"
    ? { name, level: 3, library: `zstd ${process.versions["zstd"]}` }
    : { name, level: 6, library: `zlib ${process.versions.zlib}` };
}

interface LayerInput {
  readonly entries: readonly LayerEntry[];
  readonly compression: Compression;
  readonly createdBy: string;
  readonly blobs: BlobStore;
  readonly signal: AbortSignal;
}

/**
 * Writes entries as a layer into the store: the same entries give the same digest on every machine.
 *
 * Entries come out sorted by path, hard links last so that their targets stand before them.
 */
export async function putLayer({ entries, compression, createdBy, blobs, signal }: LayerInput): Promise<Layer> {
  const hash = createHash("sha256");
  let unpackedBytes = 0;
  async function* tar(): AsyncGenerator<Buffer> {
    for await (const chunk of evenChunks(tarOf(entries))) {
      if (signal.aborted) throw new Failure("cancelled", "Stopped making a layer on request");
      hash.update(chunk);
      unpackedBytes += chunk.length;
      yield chunk;
    }
  }
  const { digest, sizeBytes } = await blobs.put(compress(Readable.from(tar()), compression));
  const diffId = sha256Digest(hash.digest("hex"));
  return {
    mediaType: compression.name === "zstd" ? mediaTypes.layerZstd : mediaTypes.layerGzip,
    digest,
    sizeBytes,
    diffId,
    unpackedBytes,
    createdBy,
  };
}

function compress(source: Readable, { name, level }: Compression): Readable {
  const chunkSize = limits.chunkBytes;
  const stream =
    name === "zstd"
      ? createZstdCompress({
          chunkSize,
          params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 },
        })
      : createGzip({ chunkSize, level });
  source.on("error", (error) => stream.destroy(error));
  return source.pipe(stream);
}

async function* tarOf(entries: readonly LayerEntry[]): AsyncGenerator<Uint8Array> {
  const sorted = entries.toSorted((a, b) => rank(a) - rank(b) || (a.header.path < b.header.path ? -1 : 1));
  for (const { header, content } of sorted) {
    yield tarHeaderBytes(header);
    if (header.sizeBytes === 0 || content === undefined) continue;
    let written = 0;
    for await (const chunk of content()) {
      written += chunk.length;
      yield chunk;
    }
    if (written !== header.sizeBytes)
      throw new Error(`"${header.path}" has ${written} bytes in place of ${header.sizeBytes}`);
    yield Buffer.alloc(padding(written));
  }
  yield tarEnd;
}

function rank({ header }: LayerEntry): number {
  return header.kind === "hardlink" ? 1 : 0;
}

/** Chunks of one size: the compressor must not see where files were read in pieces. */
async function* evenChunks(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of source) {
    let rest = part;
    while (size + rest.length >= limits.chunkBytes) {
      const head = rest.subarray(0, limits.chunkBytes - size);
      yield Buffer.concat([...parts, head]);
      rest = rest.subarray(head.length);
      parts = [];
      size = 0;
    }
    if (rest.length === 0) continue;
    parts.push(rest);
    size += rest.length;
  }
  if (size > 0) yield Buffer.concat(parts);
}
