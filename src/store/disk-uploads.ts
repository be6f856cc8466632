import assert from "node:assert/strict";
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { newId } from "../base/clock.ts";
import { Failure, systemCodeOf } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { Digest } from "../model/digest.ts";
import { algorithmOf, mismatch } from "./blob-digest.ts";
import { explainFullDisk, writeSource } from "./blob-writer.ts";
import type { BufferPool } from "./buffer-pool.ts";
import type { BlobUploads, ByteRange, StoredBlob } from "./blobs.ts";

/** Gives a complete, synced file its place among the blobs. */
type Adopt = (path: string, blob: StoredBlob) => Promise<StoredBlob>;

interface UploadsOptions {
  readonly folder: string;
  readonly writable: boolean;
  readonly adopt: Adopt;
  readonly pool: BufferPool;
}

/** The form of `newId`: an id comes from a URL and names a file. */
const idForm = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Uploads as files `uploads/<id>` that grow.
 *
 * The running SHA-256 is kept in memory beside the length that it covers; after a restart, or where they differ,
 * the file is read again at the end. Appends are not synced, `finish` is: a power cut may shorten an upload,
 * and its client learns the length before it goes on.
 */
export class DiskUploads implements BlobUploads {
  readonly #folder: string;
  readonly #adopt: Adopt;
  readonly #pool: BufferPool;
  readonly #writable: boolean;
  readonly #running = new Map<string, { readonly hash: Hash; readonly sizeBytes: number }>();
  readonly #busy = new Set<string>();

  constructor(options: UploadsOptions) {
    this.#folder = options.folder;
    this.#writable = options.writable;
    this.#adopt = options.adopt;
    this.#pool = options.pool;
  }

  async create(): Promise<string> {
    assert(this.#writable, "The blobs are open for reading only");
    const id = newId();
    try {
      await (await open(this.#pathOf(id), "wx", 0o600)).close();
    } catch (error) {
      throw explainFullDisk(error);
    }
    this.#running.set(id, { hash: createHash("sha256"), sizeBytes: 0 });
    return id;
  }

  async sizeOf(id: string): Promise<number | undefined> {
    if (!idForm.test(id)) return undefined;
    try {
      return (await stat(this.#pathOf(id))).size;
    } catch (error) {
      if (systemCodeOf(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  async append(id: string, source: AsyncIterable<Uint8Array>, limitBytes?: number): Promise<number> {
    const { sizeBytes, broken } = await this.#alone(id, async (handle) => {
      const before = (await handle.stat()).size;
      const running = this.#running.get(id);
      const hash = running?.sizeBytes === before ? running.hash : undefined;
      this.#running.delete(id);
      const rest = limitBytes === undefined ? undefined : Math.max(0, limitBytes - before);
      try {
        const { writtenBytes, broken } = await writeSource(handle, source, {
          position: before,
          hash: hash ?? createHash("sha256"),
          limitBytes: rest,
          pool: this.#pool,
        });
        const after = before + writtenBytes;
        if (hash !== undefined) this.#running.set(id, { hash, sizeBytes: after });
        return { sizeBytes: after, broken };
      } catch (error) {
        // What was promised to be kept is what was there before.
        await handle.truncate(before);
        throw error;
      }
    });
    if (broken !== undefined) throw broken.cause;
    return sizeBytes;
  }

  async localPath(id: string): Promise<string> {
    if ((await this.sizeOf(id)) === undefined) throw unknownUpload(id);
    return this.#pathOf(id);
  }

  async finish(id: string, expected?: Digest): Promise<StoredBlob> {
    return await this.#alone(id, async (handle) => {
      const sizeBytes = (await handle.stat()).size;
      const actual = await this.#digestOf(id, sizeBytes, expected);
      if (expected !== undefined && actual !== expected) throw mismatch(expected, actual);
      await handle.chmod(0o444);
      await handle.datasync();
      const blob = await this.#adopt(this.#pathOf(id), { digest: actual, sizeBytes });
      this.#running.delete(id);
      return blob;
    });
  }

  async open(id: string, { start, end }: ByteRange): Promise<Readable> {
    if (!idForm.test(id)) throw unknownUpload(id);
    const handle = await open(this.#pathOf(id), "r").catch((error: unknown) => {
      throw systemCodeOf(error) === "ENOENT" ? unknownUpload(id) : error;
    });
    return handle.createReadStream({ start, end, highWaterMark: limits.chunkBytes });
  }

  async abort(id: string): Promise<boolean> {
    if (!idForm.test(id)) return false;
    if (this.#busy.has(id)) throw busyUpload(id);
    // Nobody may begin to write what is about to go.
    this.#busy.add(id);
    this.#running.delete(id);
    try {
      await rm(this.#pathOf(id));
      return true;
    } catch (error) {
      if (systemCodeOf(error) === "ENOENT") return false;
      throw error;
    } finally {
      this.#busy.delete(id);
    }
  }

  async stale(untouchedSince: number): Promise<ReadonlyMap<string, number>> {
    const found = new Map<string, number>();
    for (const id of await readdir(this.#folder)) {
      const file = await stat(this.#pathOf(id)).catch(() => undefined);
      if (file !== undefined && file.mtimeMs < untouchedSince && !this.#busy.has(id)) found.set(id, file.size);
    }
    return found;
  }

  async #digestOf(id: string, sizeBytes: number, expected: Digest | undefined): Promise<Digest> {
    const algorithm = algorithmOf(expected);
    const running = this.#running.get(id);
    if (algorithm === "sha256" && running?.sizeBytes === sizeBytes)
      return `sha256:${running.hash.copy().digest("hex")}`;
    const hash = createHash(algorithm);
    const file = createReadStream(this.#pathOf(id), { highWaterMark: limits.chunkBytes });
    for await (const chunk of file) hash.update(chunk as Buffer);
    return `${algorithm}:${hash.digest("hex")}`;
  }

  /** Opens an upload for one writer. */
  async #alone<T>(id: string, work: (handle: FileHandle) => Promise<T>): Promise<T> {
    if (!idForm.test(id)) throw unknownUpload(id);
    if (this.#busy.has(id)) throw busyUpload(id);
    this.#busy.add(id);
    try {
      const handle = await open(this.#pathOf(id), "r+").catch((error: unknown) => {
        throw systemCodeOf(error) === "ENOENT" ? unknownUpload(id) : error;
      });
      try {
        return await work(handle);
      } finally {
        await handle.close();
      }
    } catch (error) {
      throw explainFullDisk(error);
    } finally {
      this.#busy.delete(id);
    }
  }

  #pathOf(id: string): string {
    return join(this.#folder, id);
  }
}

function busyUpload(id: string): Failure {
  return new Failure("conflict", `Cannot write the upload "${id}": another request is writing it`, {
    hint: "Wait for the other request, ask for the upload's size and go on from there",
  });
}

function unknownUpload(id: string): Failure {
  return new Failure("not_found", `Cannot find the upload "${id}": it was finished, dropped or never started`, {
    hint: "Start the upload again",
  });
}
