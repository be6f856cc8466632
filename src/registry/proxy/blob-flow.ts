import { Readable } from "node:stream";
import { Failure, toFailure } from "../../base/errors.ts";
import { type Digest } from "../../model/digest.ts";
import type { BlobStore, StoredBlob } from "../../store/blobs.ts";
import { downloadBlob } from "../remote/download.ts";
import { type RemoteRegistry } from "../remote/remote.ts";

/** What flows from where. */
export interface FlowSource {
  readonly remote: RemoteRegistry;
  readonly repository: string;
  readonly digest: Digest;
  readonly blobs: BlobStore;
  /** Called when the blob is whole and has its digest, before the last bytes are given to anybody. */
  readonly onStored: (blob: StoredBlob) => Promise<void>;
  readonly signal: AbortSignal;
}

/** The last bytes of a blob wait until its digest is known to be right: what is wrong never arrives whole. */
const withheldBytes = 64 * 1024;

/**
 * One download that any number of clients read while it comes.
 *
 * It writes into an upload of the blob store; readers follow the file, each as fast as it can. A client that goes away
 * stops nothing. Bytes that turn out to be wrong are dropped, and the readers' answers break off.
 */
export class BlobFlow {
  /** Ends when the blob is stored; undefined where the peer does not have it. */
  readonly done: Promise<StoredBlob | undefined>;
  readonly #source: FlowSource;
  readonly #begun = Promise.withResolvers<number | undefined>();
  #upload: string | undefined;
  /** How often the download began anew: what was read before may be wrong. */
  #beginnings = 0;
  #stored: StoredBlob | undefined;
  #failure: Failure | undefined;
  #wake = Promise.withResolvers<void>();

  constructor(source: FlowSource) {
    this.#source = source;
    this.#begun.promise.catch(() => undefined);
    this.done = this.#run();
    this.done.catch(() => undefined);
  }

  /** The size in bytes as soon as the peer tells it; undefined where it never does or has no such blob. */
  get begun(): Promise<number | undefined> {
    return this.#begun.promise;
  }

  /** The bytes from the first on, as they come. */
  read(): Readable {
    return Readable.from(this.#chunks(), { objectMode: false });
  }

  async #run(): Promise<StoredBlob | undefined> {
    const { remote, repository, digest, blobs, onStored, signal } = this.#source;
    try {
      const blob = await downloadBlob(remote, {
        repository,
        digest,
        blobs,
        signal,
        onUpload: (id) => {
          this.#upload = id;
          this.#beginnings += 1;
        },
        onBytes: (_added, totalBytes) => {
          this.#begun.resolve(totalBytes);
          this.#tell();
        },
      });
      if (blob !== undefined) await onStored(blob);
      this.#stored = blob;
      this.#begun.resolve(blob?.sizeBytes);
      return blob;
    } catch (error) {
      this.#failure = toFailure(error);
      this.#begun.reject(this.#failure);
      if (this.#upload !== undefined) await blobs.uploads.abort(this.#upload).catch(() => undefined);
      throw error;
    } finally {
      this.#tell();
    }
  }

  #tell(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }

  async *#chunks(): AsyncGenerator<Uint8Array> {
    const { blobs, digest } = this.#source;
    const beginnings = this.#beginnings;
    for (let at = 0; ;) {
      const woken = this.#wake.promise;
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#stored !== undefined) {
        if (at < this.#stored.sizeBytes)
          yield* await blobs.open(digest, { start: at, end: this.#stored.sizeBytes - 1 });
        return;
      }
      if (at > 0 && beginnings !== this.#beginnings)
        throw new Failure("digest_mismatch", `Cannot go on with ${digest}: the upstream sent other bytes before`);
      const upload = this.#upload;
      const size = upload === undefined ? 0 : ((await blobs.uploads.sizeOf(upload)) ?? 0);
      const end = size - withheldBytes;
      if (upload === undefined || end <= at) {
        await woken;
        continue;
      }
      for await (const chunk of await openGrowing(blobs, upload, { start: at, end: end - 1 })) {
        yield chunk as Buffer;
        at += (chunk as Buffer).length;
      }
    }
  }
}

/** Between the look at its size and this the upload may have become a blob: then the next look finds that. */
async function openGrowing(
  blobs: BlobStore,
  upload: string,
  range: { readonly start: number; readonly end: number },
): Promise<Readable> {
  try {
    return await blobs.uploads.open(upload, range);
  } catch (error) {
    if (error instanceof Failure && error.code === "not_found") return Readable.from([]);
    throw error;
  }
}
