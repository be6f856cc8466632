import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Readable, type Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { constants, createZstdCompress } from "node:zlib";
import { newId } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import { syncFolder, writeFileAtomic } from "../../base/files.ts";
import { padding } from "../../base/tar.ts";
import { tarEnd, tarHeaderBytes } from "../../base/tar-writer.ts";
import type { Digest } from "../../model/digest.ts";

/** A file of an archive. */
export interface ArchiveFile {
  readonly path: string;
  readonly sizeBytes: number;
  /** What its bytes must be; checked while they are written. */
  readonly digest: Digest;
  readonly open: () => Promise<AsyncIterable<Uint8Array>>;
}

interface WriteOptions {
  readonly isCompressed: boolean;
  readonly signal: AbortSignal;
  readonly onBytes: (byteCount: number) => void;
}

/** What was written. */
export interface WrittenArchive {
  readonly sizeBytes: number;
  /** Of the whole file; beside it as `FILE.sha256`. */
  readonly sha256: string;
}

/** The level of zstd; with the same library it gives the same bytes. */
const zstdLevel = 3;

/**
 * Writes files as one tar archive: equal files in equal order give equal bytes. The archive is there whole or not at
 * all, and its checksum beside it.
 *
 * @throws Failure `digest_mismatch` where a file is not what it should be, `disk_full`, `cancelled`
 */
export async function writeArchive(
  path: string,
  files: readonly ArchiveFile[],
  options: WriteOptions,
): Promise<WrittenArchive> {
  const temporary = join(dirname(path), `.${basename(path)}.${newId()}.tmp`);
  const hash = createHash("sha256");
  let sizeBytes = 0;
  const counted = async function* (source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      hash.update(chunk);
      sizeBytes += chunk.byteLength;
      yield chunk;
    }
  };
  const squeeze = (): Transform => createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: zstdLevel } });
  const target = createWriteStream(temporary, { flags: "wx", mode: 0o600 });
  try {
    const source = Readable.from(tarChunks(files, options.onBytes), { objectMode: false });
    const { signal } = options;
    await (options.isCompressed
      ? pipeline(source, squeeze(), counted, target, { signal })
      : pipeline(source, counted, target, { signal }));
    await sync(temporary);
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true });
    throw options.signal.aborted ? new Failure("cancelled", `Stopped writing "${path}" on request`) : error;
  }
  const sha256 = hash.digest("hex");
  await writeFileAtomic(`${path}.sha256`, `${sha256}  ${basename(path)}\n`);
  return { sizeBytes, sha256 };
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function* tarChunks(
  files: readonly ArchiveFile[],
  onBytes: (byteCount: number) => void,
): AsyncGenerator<Uint8Array> {
  for (const file of files) {
    const { path, sizeBytes } = file;
    yield tarHeaderBytes({ ...plainHeader, path, sizeBytes });
    for await (const chunk of checked(file)) {
      onBytes(chunk.byteLength);
      yield chunk;
    }
    yield Buffer.alloc(padding(sizeBytes));
  }
  yield tarEnd;
}

const plainHeader = {
  kind: "file",
  mode: 0o644,
  uid: 0,
  gid: 0,
  mtimeSeconds: 0,
  link: "",
  deviceMajor: 0,
  deviceMinor: 0,
  xattrs: {},
} as const;

async function* checked({ path, digest, sizeBytes, open: read }: ArchiveFile): AsyncGenerator<Uint8Array> {
  const [algorithm, hex] = digest.split(":") as [string, string];
  const hash = createHash(algorithm);
  let count = 0;
  for await (const chunk of await read()) {
    hash.update(chunk);
    count += chunk.byteLength;
    yield chunk;
  }
  if (count !== sizeBytes || hash.digest("hex") !== hex)
    throw new Failure("digest_mismatch", `Cannot write "${path}" into the archive: it is damaged in the store`, {
      hint: "`mintmark scrub` finds damage and repairs it where it can",
    });
}
