import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { type FileHandle, mkdir, open, readFile, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { newId, nowMs } from "../base/clock.ts";
import { Failure, systemCodeOf } from "../base/errors.ts";
import { syncFolder } from "../base/files.ts";
import { type Digest, digestHex, parseDigest } from "../model/digest.ts";
import { algorithmOf, mismatch } from "./blob-digest.ts";
import { BlobHolds } from "./blob-holds.ts";
import { BlobUsage } from "./blob-usage.ts";
import { BlobStream } from "./blob-stream.ts";
import { explainFullDisk, writeSource } from "./blob-writer.ts";
import { BufferPool } from "./buffer-pool.ts";
import type {
  BlobFacts,
  BlobPage,
  BlobSource,
  BlobStore,
  BlobUploads,
  ByteRange,
  Freed,
  PutOptions,
  StoredBlob,
} from "./blobs.ts";
import { DiskUploads } from "./disk-uploads.ts";

/** What `read` takes into memory where the caller sets no limit. */
const readLimitBytes = 64 * 1024 * 1024;

/**
 * Opens the blobs of a folder: `sha256/ab/<hex>`, `sha512/ab/<hex>`, `tmp/`, `uploads/` and `quarantine/`.
 *
 * Opening looks at no blob, so a store of a million opens as fast as an empty one.
 *
 * @param options.exclusive the caller is the only writer: folders are made and what a crash left in `tmp/` is
 *   removed. Without it the blobs can only be read.
 */
export async function openDiskBlobs(options: {
  readonly folder: string;
  readonly exclusive: boolean;
}): Promise<BlobStore> {
  const { folder, exclusive } = options;
  let isEmpty = false;
  if (exclusive) {
    await rm(join(folder, "tmp"), { recursive: true, force: true });
    for (const name of ["tmp", "uploads", "sha512", "sha256"])
      isEmpty = (await mkdir(join(folder, name), { recursive: true, mode: 0o700 })) !== undefined;
    await syncFolder(folder);
  }
  return new DiskBlobs({ folder, writable: exclusive, isEmpty });
}

class DiskBlobs implements BlobStore {
  readonly uploads: BlobUploads;
  readonly #folder: string;
  readonly #writable: boolean;
  /** Blobs that are visible under their name but may not survive a power cut yet. */
  readonly #settling = new Map<Digest, Promise<StoredBlob>>();
  /** The folders that blobs were put into, open: each is synced again and again. */
  readonly #openFolders = new Map<string, Promise<FileHandle>>();
  readonly #holds = new BlobHolds();
  readonly #usage: BlobUsage;
  readonly #buffers = new BufferPool();

  constructor({ folder, writable, isEmpty }: { folder: string; writable: boolean; isEmpty: boolean }) {
    this.#folder = folder;
    this.#writable = writable;
    const measure = async (): Promise<number> => await this.#measure();
    this.#usage = new BlobUsage({ path: join(folder, "usage.json"), measure, isEmpty });
    this.uploads = new DiskUploads({
      folder: join(folder, "uploads"),
      writable,
      pool: this.#buffers,
      adopt: async (path, blob) => await this.#adopt(path, blob),
    });
  }

  async stat(digest: Digest): Promise<{ readonly sizeBytes: number } | undefined> {
    try {
      return { sizeBytes: (await stat(this.#pathOf(digest))).size };
    } catch (error) {
      if (systemCodeOf(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  async put(source: BlobSource, options: PutOptions = {}): Promise<StoredBlob> {
    assert(this.#writable, "The blobs are open for reading only");
    const algorithm = algorithmOf(options.expected);
    const temporary = join(this.#folder, "tmp", newId());
    const hash = createHash(algorithm);
    try {
      const handle = await open(temporary, "wx", 0o444);
      try {
        const { writtenBytes, broken } = await writeSource(handle, source, {
          position: 0,
          hash,
          limitBytes: options.limitBytes,
          pool: this.#buffers,
        });
        if (broken !== undefined) throw broken.cause;
        const blob = { digest: `${algorithm}:${hash.digest("hex")}` as Digest, sizeBytes: writtenBytes };
        if (options.expected !== undefined && options.expected !== blob.digest)
          throw mismatch(options.expected, blob.digest);
        if (!(await this.#has(blob))) await handle.datasync();
        return await this.#adopt(temporary, blob);
      } finally {
        await handle.close();
      }
    } catch (error) {
      await rm(temporary, { force: true });
      throw explainFullDisk(error);
    }
  }

  async open(digest: Digest, range?: ByteRange): Promise<Readable> {
    if (range !== undefined) assert(range.start >= 0 && range.end >= range.start, "A byte range runs forwards");
    // The file is opened here, so that its absence is met by the caller and a later delete is not met at all.
    const handle = await open(this.#pathOf(digest), "r").catch((error: unknown) => {
      throw absent(digest, error);
    });
    const last = (await handle.stat()).size - 1;
    const span = { start: range?.start ?? 0, end: Math.min(range?.end ?? last, last) };
    return new BlobStream({ handle, range: span, pool: this.#buffers });
  }

  async read(digest: Digest, limitBytes = readLimitBytes): Promise<Buffer> {
    const known = await this.stat(digest);
    if (known !== undefined && known.sizeBytes > limitBytes)
      throw new Failure(
        "too_large",
        `Cannot read the blob "${digest}": it has ${known.sizeBytes} bytes, more than ${limitBytes}`,
      );
    return await readFile(this.#pathOf(digest)).catch((error: unknown) => {
      throw absent(digest, error);
    });
  }

  async localPath(digest: Digest): Promise<string> {
    const path = this.#pathOf(digest);
    await stat(path).catch((error: unknown) => {
      throw absent(digest, error);
    });
    return path;
  }

  async delete(digest: Digest): Promise<boolean> {
    assert(this.#writable, "The blobs are open for reading only");
    // A put of the same blob that is about to answer does so first.
    await this.#settling.get(digest)?.catch(() => undefined);
    const blob = await this.stat(digest);
    return blob !== undefined && (await this.#remove(digest, blob.sizeBytes));
  }

  async #remove(digest: Digest, sizeBytes: number): Promise<boolean> {
    try {
      await rm(this.#pathOf(digest));
    } catch (error) {
      if (systemCodeOf(error) === "ENOENT") return false;
      throw error;
    }
    this.#usage.add(-sizeBytes);
    return true;
  }

  async *list(): AsyncGenerator<Digest> {
    for await (const { digests } of this.pages()) yield* digests;
  }

  async *pages(after = ""): AsyncGenerator<BlobPage> {
    for (const [at, algorithm] of ["sha256", "sha512"].entries()) {
      const prefixes = (await namesIn(join(this.#folder, algorithm))).toSorted();
      for (const [index, prefix] of prefixes.entries()) {
        const cursor = `${algorithm}/${prefix}`;
        if (cursor <= after) continue;
        const names = await namesIn(join(this.#folder, algorithm, prefix));
        const digests = names.map((name) => parseDigest(`${algorithm}:${name}`)).filter((one) => one !== undefined);
        yield { cursor, digests, fraction: (at + (index + 1) / prefixes.length) / 2 };
      }
    }
  }

  async describe(digest: Digest): Promise<BlobFacts | undefined> {
    try {
      const { size, mtimeMs } = await stat(this.#pathOf(digest));
      return { sizeBytes: size, usedAt: mtimeMs };
    } catch (error) {
      if (systemCodeOf(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  async touch(digest: Digest): Promise<boolean> {
    await this.#holds.settled(digest);
    try {
      const seconds = nowMs() / 1000;
      await utimes(this.#pathOf(digest), seconds, seconds);
      return true;
    } catch (error) {
      if (systemCodeOf(error) === "ENOENT") return false;
      throw error;
    }
  }

  async holding<T>(digests: readonly Digest[] | "everything", work: () => Promise<T>): Promise<T> {
    return await this.#holds.holding(digests, work);
  }

  async collect(digest: Digest, isNeeded: (facts: BlobFacts) => Promise<boolean>): Promise<boolean> {
    assert(this.#writable, "The blobs are open for reading only");
    const isRemoved = await this.#holds.removing(digest, async () => {
      const facts = await this.describe(digest);
      return facts !== undefined && !(await isNeeded(facts)) && (await this.#remove(digest, facts.sizeBytes));
    });
    return isRemoved === true;
  }

  async quarantine(digest: Digest): Promise<boolean> {
    assert(this.#writable, "The blobs are open for reading only");
    const folder = join(this.#folder, "quarantine");
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const blob = await this.stat(digest);
    if (blob === undefined) return false;
    await rename(this.#pathOf(digest), join(folder, digest.replace(":", "-")));
    this.#usage.add(-blob.sizeBytes);
    await syncFolder(folder);
    return true;
  }

  async sweepTemporary(untouchedSince: number): Promise<Freed> {
    let count = 0;
    let sizeBytes = 0;
    for (const name of await namesIn(join(this.#folder, "tmp"))) {
      const path = join(this.#folder, "tmp", name);
      const file = await stat(path).catch(() => undefined);
      if (file === undefined || file.mtimeMs >= untouchedSince) continue;
      await rm(path, { force: true });
      count += 1;
      sizeBytes += file.size;
    }
    return { count, sizeBytes };
  }

  async usedBytes(): Promise<number> {
    return await this.#usage.bytes();
  }

  measured(bytes: number): void {
    this.#usage.set(bytes);
  }

  async close(): Promise<void> {
    if (this.#writable) await this.#usage.write();
    for (const opened of this.#openFolders.values()) await (await opened).close();
    this.#openFolders.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #measure(): Promise<number> {
    let bytes = 0;
    for await (const digest of this.list()) bytes += (await this.stat(digest))?.sizeBytes ?? 0;
    return bytes;
  }

  /** Gives a complete, synced file its place; one that is there already is kept and the file dropped. */
  async #adopt(temporary: string, blob: StoredBlob): Promise<StoredBlob> {
    return await this.#holds.holding([blob.digest], async () => await this.#place(temporary, blob));
  }

  async #place(temporary: string, blob: StoredBlob): Promise<StoredBlob> {
    const settling = this.#settling.get(blob.digest);
    if (settling !== undefined || (await this.#has(blob))) {
      await rm(temporary, { force: true });
      // To a collection it is as fresh as one that was written.
      if (settling === undefined) await this.touch(blob.digest);
      // The answer is a promise that the blob is durable, so it waits for whoever makes it so.
      return await (settling ?? this.#settling.get(blob.digest) ?? blob);
    }
    const settled = this.#settle(temporary, blob).finally(() => this.#settling.delete(blob.digest));
    this.#settling.set(blob.digest, settled);
    return await settled;
  }

  async #settle(temporary: string, blob: StoredBlob): Promise<StoredBlob> {
    const path = this.#pathOf(blob.digest);
    const folder = dirname(path);
    const opened = this.#openFolders.get(folder) ?? this.#openFolder(folder);
    const handle = await opened;
    await rename(temporary, path);
    await handle.sync();
    this.#usage.add(blob.sizeBytes);
    return blob;
  }

  /** There are 512 of them at most. */
  #openFolder(folder: string): Promise<FileHandle> {
    const opened = (async () => {
      if ((await mkdir(folder, { recursive: true, mode: 0o700 })) !== undefined) await syncFolder(dirname(folder));
      return await open(folder, "r");
    })();
    this.#openFolders.set(folder, opened);
    opened.catch(() => this.#openFolders.delete(folder));
    return opened;
  }

  /** Whether the blob is there in its full length: one cut short by a broken disk is written again. */
  async #has(blob: StoredBlob): Promise<boolean> {
    return (await this.stat(blob.digest))?.sizeBytes === blob.sizeBytes;
  }

  #pathOf(digest: Digest): string {
    assert(parseDigest(digest) === digest, "A digest names a file, so it must be well formed");
    const hex = digestHex(digest);
    return join(this.#folder, algorithmOf(digest), hex.slice(0, 2), hex);
  }
}

function absent(digest: Digest, error: unknown): unknown {
  if (systemCodeOf(error) !== "ENOENT") return error;
  return new Failure("not_found", `Cannot read the blob "${digest}": the store does not have it`, { cause: error });
}

async function namesIn(folder: string): Promise<string[]> {
  return await readdir(folder).catch((error: unknown) => {
    if (systemCodeOf(error) === "ENOENT") return [];
    throw error;
  });
}
