import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { join } from "node:path";
import { Readable, type Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { Failure, systemCodeOf } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { readTar } from "../../base/tar.ts";
import { tarEnd } from "../../base/tar-writer.ts";
import { sha256Digest, type Digest } from "../../model/digest.ts";
import type { BlobStore } from "../../store/blobs.ts";
import {
  archivePaths,
  contentsSchema,
  digestOfPath,
  layoutIndexSchema,
  layoutSchema,
  type Contents,
  type LayoutIndex,
} from "./contents.ts";

/** What was found in an archive; its blobs are in the blob store, where no repository shows them yet. */
export interface ReadArchive {
  readonly index: LayoutIndex;
  /** Undefined for layouts of other programs. */
  readonly contents: Contents | undefined;
  readonly blobs: ReadonlyMap<Digest, number>;
  /** Public keys in PEM, by the names of their files. */
  readonly trust: ReadonlyMap<string, string>;
  /** Feeds by their path in the archive. */
  readonly feeds: ReadonlyMap<string, { readonly path: string; readonly digest: Digest; readonly sizeBytes: number }>;
}

interface ReadOptions {
  readonly blobs: BlobStore;
  /** Where feeds are put while they wait. */
  readonly folder: string;
  readonly signal: AbortSignal;
  /** Bytes of the file that were read. */
  readonly onBytes: (done: number, total: number) => void;
}

/** Documents in an archive: an index of a hundred thousand manifests is well under this. */
const documentBytes = 64 * 1024 * 1024;
/** A feed of advisories. */
const feedBytes = 8 * 1024 ** 3;
/** Unpacked bytes that are let pass whatever the ratio. */
const freeBytes = 64 * 1024 * 1024;

/**
 * Reads an archive of ours, or an OCI layout that another program wrote: each blob goes into the store by its digest.
 *
 * The paths of an archive name nothing outside of it: files are taken by what they are, and never written by name.
 *
 * @throws Failure `not_found`, `archive_hostile`, `digest_mismatch`, `verification_failed` where parts are missing
 */
export async function readArchive(path: string, options: ReadOptions): Promise<ReadArchive> {
  const found: Found = { documents: new Map(), blobs: new Map(), trust: new Map(), feeds: new Map(), seen: new Set() };
  try {
    for await (const entry of readTar(ended(await unpacked(path, options)))) {
      options.signal.throwIfAborted();
      const { header } = entry;
      if (header.kind === "folder") continue;
      if (header.kind !== "file") throw hostile(`"${header.path}" is a ${header.kind}`);
      if (header.path.split("/").includes("..")) throw hostile(`"${header.path}" leads out of it`);
      if (found.seen.has(header.path)) throw hostile(`it holds "${header.path}" twice`);
      found.seen.add(header.path);
      await take(found, { path: header.path, sizeBytes: header.sizeBytes, body: entry.body() }, options);
    }
  } catch (error) {
    if (options.signal.aborted) throw new Failure("cancelled", `Stopped reading "${path}" on request`);
    throw systemCodeOf(error)?.startsWith("Z_") === true || systemCodeOf(error)?.startsWith("ZSTD_") === true
      ? hostile("its compressed bytes are damaged or cut short", error)
      : error;
  }
  return complete(found);
}

interface Found {
  readonly documents: Map<string, unknown>;
  readonly blobs: Map<Digest, number>;
  readonly trust: Map<string, string>;
  readonly feeds: Map<string, { readonly path: string; readonly digest: Digest; readonly sizeBytes: number }>;
  readonly seen: Set<string>;
}

function hostile(state: string, cause?: unknown): Failure {
  return new Failure("archive_hostile", `Cannot import the archive: ${state}`, {
    hint: "Compare its checksum with the one that its maker tells, and fetch it again",
    cause,
  });
}

async function unpacked(path: string, options: ReadOptions): Promise<AsyncIterable<Uint8Array>> {
  const { size, isFile } = await stat(path).then(
    (found) => ({ size: found.size, isFile: found.isFile() }),
    () => ({ size: 0, isFile: false }),
  );
  if (!isFile) throw new Failure("not_found", `Cannot import "${path}": there is no such file`);
  const squeeze = await decompressor(path);
  const file = createReadStream(path, { highWaterMark: limits.chunkBytes });
  let doneBytes = 0;
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of file) {
      doneBytes += (chunk as Buffer).length;
      options.onBytes(doneBytes, size);
      yield chunk as Buffer;
    }
  };
  if (squeeze === undefined) return counted();
  Readable.from(counted(), { objectMode: false })
    .on("error", (error) => squeeze.destroy(error))
    .pipe(squeeze);
  return (async function* () {
    let unpackedBytes = 0;
    for await (const chunk of squeeze) {
      unpackedBytes += (chunk as Buffer).length;
      if (unpackedBytes > freeBytes + doneBytes * limits.debExpansionRatio)
        throw hostile(`it unpacks to more than ${limits.debExpansionRatio} times its size`);
      yield chunk as Buffer;
    }
  })();
}

/** An archive ends with two empty blocks; one that was cut off between two files does not. Source: POSIX pax. */
async function* ended(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let tail = Buffer.alloc(0);
  for await (const chunk of source) {
    tail = Buffer.concat([tail, chunk.subarray(-tarEnd.length)]).subarray(-tarEnd.length);
    yield chunk;
  }
  if (!tail.equals(tarEnd)) throw hostile("it was cut short");
}

/** By the first bytes: names of files say anything. */
async function decompressor(path: string): Promise<Transform | undefined> {
  const handle = await open(path, "r");
  try {
    const start = Buffer.alloc(4);
    await handle.read(start, 0, 4, 0);
    if (start.equals(Buffer.from([0x28, 0xb5, 0x2f, 0xfd]))) return createZstdDecompress();
    return start[0] === 0x1f && start[1] === 0x8b ? createGunzip() : undefined;
  } finally {
    await handle.close();
  }
}

interface Entry {
  readonly path: string;
  readonly sizeBytes: number;
  readonly body: AsyncIterable<Buffer>;
}

/** Files that we do not know are passed over: docker adds some to its layouts. */
async function take(found: Found, { path, sizeBytes, body }: Entry, { blobs, folder }: ReadOptions): Promise<void> {
  const digest = digestOfPath(path);
  if (digest !== undefined) {
    await blobs.put(body, { expected: digest, limitBytes: sizeBytes });
    found.blobs.set(digest, sizeBytes);
    return;
  }
  if (path === archivePaths.layout || path === archivePaths.index || path === archivePaths.contents) {
    if (sizeBytes > documentBytes) throw hostile(`"${path}" is larger than ${documentBytes} bytes`);
    found.documents.set(path, parseJson(path, await whole(body)));
    return;
  }
  if (path.startsWith(archivePaths.trust)) {
    if (sizeBytes > 64 * 1024) throw hostile(`"${path}" is larger than a key can be`);
    found.trust.set(path, (await whole(body)).toString("utf8"));
    return;
  }
  if (path.startsWith(archivePaths.advisories)) {
    if (sizeBytes > feedBytes) throw hostile(`"${path}" is larger than ${feedBytes} bytes`);
    const hash = createHash("sha256");
    const target = join(folder, `feed-${found.feeds.size}.jsonl`);
    const hashed = async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
      for await (const chunk of source) {
        hash.update(chunk);
        yield chunk;
      }
    };
    await pipeline(body, hashed, createWriteStream(target, { flags: "wx", mode: 0o600 }));
    found.feeds.set(path, { path: target, digest: sha256Digest(hash.digest("hex")), sizeBytes });
  }
}

async function whole(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

function parseJson(path: string, bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    throw hostile(`"${path}" is not JSON`, error);
  }
}

/** Holds what was found against what the archive says that it holds. */
function complete({ documents, blobs, trust, feeds }: Found): ReadArchive {
  if (!layoutSchema.safeParse(documents.get(archivePaths.layout)).success)
    throw hostile("it is no OCI layout, or was cut short");
  const index = layoutIndexSchema.safeParse(documents.get(archivePaths.index));
  if (!index.success) throw hostile(`"${archivePaths.index}" is not the index of an OCI layout`);
  const document = documents.get(archivePaths.contents);
  if (document === undefined) return { index: index.data, contents: undefined, blobs, trust, feeds };
  const contents = contentsSchema.safeParse(document);
  if (!contents.success) throw hostile(`"${archivePaths.contents}": ${contents.error.issues[0]?.message}`);
  const lost = contents.data.blobs.find(({ digest, sizeBytes }) => blobs.get(digest) !== sizeBytes);
  if (lost !== undefined) throw missing(lost.digest);
  for (const file of contents.data.advisories) {
    const feed = feeds.get(file.path);
    if (feed?.digest !== file.digest) throw missing(file.path);
  }
  for (const file of contents.data.trust) {
    const pem = trust.get(file.path);
    const actual = pem === undefined ? undefined : createHash("sha256").update(pem).digest("hex");
    if (file.digest !== `sha256:${actual}`) throw missing(file.path);
  }
  return { index: index.data, contents: contents.data, blobs, trust, feeds };
}

function missing(what: string): Failure {
  return new Failure(
    "verification_failed",
    `Cannot import the archive: it lacks "${what}", or holds other bytes for it`,
    {
      hint: "It was cut short or changed: compare its checksum and fetch it again",
    },
  );
}
