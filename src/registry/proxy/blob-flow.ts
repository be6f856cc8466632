import type { Readable } from "node:stream";
import { toFailure } from "../../base/errors.ts";
import { type Digest } from "../../model/digest.ts";
import type { BlobStore, StoredBlob } from "../../store/blobs.ts";
import { FollowedUpload } from "../../store/store.ts";
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

/**
 * One download that any number of clients read while it comes.
 *
 * A client that goes away stops nothing. Bytes that turn out to be wrong are dropped, and the readers' answers break off.
 */
export class BlobFlow {
  /** Ends when the blob is stored; undefined where the peer does not have it. */
  readonly done: Promise<StoredBlob | undefined>;
  readonly #source: FlowSource;
  readonly #begun = Promise.withResolvers<number | undefined>();
  readonly #file: FollowedUpload;

  constructor(source: FlowSource) {
    this.#source = source;
    this.#file = new FollowedUpload(source.blobs);
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
    return this.#file.read(() => this.#source.digest);
  }

  async #run(): Promise<StoredBlob | undefined> {
    const { remote, repository, digest, blobs, onStored, signal } = this.#source;
    try {
      const blob = await downloadBlob(remote, {
        repository,
        digest,
        blobs,
        signal,
        onUpload: (id) => this.#file.began(id),
        onBytes: (_added, totalBytes) => {
          this.#begun.resolve(totalBytes);
          this.#file.grew();
        },
      });
      if (blob !== undefined) await onStored(blob);
      this.#file.ended(blob);
      this.#begun.resolve(blob?.sizeBytes);
      return blob;
    } catch (error) {
      const failure = toFailure(error);
      this.#begun.reject(failure);
      await this.#file.failed(failure);
      throw error;
    }
  }
}
