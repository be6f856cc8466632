import type { Readable } from "node:stream";
import { Failure, toFailure } from "../base/errors.ts";
import type { BlobStore, StoredBlob } from "../store/blobs.ts";
import { FollowedUpload, withheldBytes } from "../store/store.ts";

/** One try to get the bytes: from the first, or from where the last try ended. */
export interface FlowTry {
  /** What the body is, as its headers say. */
  readonly head: FlowHead;
  /** Where in the file the body begins. */
  readonly from: number;
  readonly body: AsyncIterable<Uint8Array>;
}

/** What is known of a file when its first byte comes. */
export interface FlowHead {
  /** Undefined where the upstream does not tell it. */
  readonly sizeBytes: number | undefined;
  readonly mediaType: string | undefined;
  /** Where it comes from, redirects followed. */
  readonly url: string;
  readonly etag: string | undefined;
  readonly modified: string | undefined;
}

/** What flows from where. */
export interface FlowSource {
  readonly blobs: BlobStore;
  readonly limitBytes: number;
  /**
   * Begins the body; undefined where the upstream has none, `unchanged` where it says that what is stored is right.
   *
   * @param from so many bytes are here already, of what `head` tells; the try may begin at 0 again
   */
  open(from: number, head: FlowHead | undefined): Promise<FlowTry | "unchanged" | undefined>;
  /** Fed all bytes in their order, from the first on anew where a try begins there. */
  hash(chunk: Uint8Array, at: number): void;
  /**
   * Looks at the whole file, before anybody gets its last bytes; `again` where another place may have the right one.
   *
   * @throws Failure `digest_mismatch`
   */
  check(path: () => Promise<string>): Promise<"right" | "again">;
  /** Names the blob in the database, before anybody gets its last bytes. */
  onStored(blob: StoredBlob, head: FlowHead): Promise<void>;
}

/** Tries that bring no byte forward. */
const breaksMax = 2;

/**
 * One download that any number of clients read while it comes.
 *
 * A client that goes away stops nothing. Bytes that turn out to be wrong are dropped, and the readers' answers break off.
 */
export class FileFlow {
  /** Ends when the file is stored or known to be right; false where the upstream has none. */
  readonly done: Promise<boolean>;
  readonly #source: FlowSource;
  readonly #ready = Promise.withResolvers<FlowHead | "unchanged" | undefined>();
  readonly #file: FollowedUpload;
  #head: FlowHead | undefined;
  #receivedBytes = 0;

  constructor(source: FlowSource) {
    this.#source = source;
    this.#file = new FollowedUpload(source.blobs);
    this.#ready.promise.catch(() => undefined);
    this.done = this.#run();
    this.done.catch(() => undefined);
  }

  /** Ends when the first bytes can be given out, or all is known; what fails before that is an answer of its own. */
  get ready(): Promise<FlowHead | "unchanged" | undefined> {
    return this.#ready.promise;
  }

  /** Whether all of it lies in the store. */
  get isStored(): boolean {
    return this.#file.isStored;
  }

  /** The bytes from the first on, as they come. */
  read(): Readable {
    return this.#file.read(() => this.#head?.url ?? "");
  }

  async #run(): Promise<boolean> {
    const { blobs, check, onStored } = this.#source;
    try {
      let received = await this.#receive();
      if (typeof received === "object") {
        const { upload } = received;
        const verdict = await check(async () => await blobs.uploads.localPath(upload));
        if (verdict === "again") received = await this.#restart();
      }
      if (typeof received !== "object") {
        // What a first place sent was wrong, and no other has it: whoever reads already must not wait for more.
        if (this.#file.upload !== undefined) await this.#file.failed(gone(this.#head));
        this.#ready.resolve(received);
        return received === "unchanged";
      }
      const stored = await blobs.uploads.finish(received.upload);
      await blobs.holding([stored.digest], async () => await onStored(stored, this.#head!));
      this.#file.ended(stored);
      this.#ready.resolve(this.#head);
      return true;
    } catch (error) {
      const failure = toFailure(error);
      await this.#file.failed(failure);
      this.#ready.reject(failure);
      throw error;
    }
  }

  async #restart(): Promise<{ readonly upload: string } | undefined> {
    this.#receivedBytes = 0;
    const received = await this.#receive();
    if (typeof received !== "object") return undefined;
    await this.#source.check(async () => await this.#source.blobs.uploads.localPath(received.upload));
    return received;
  }

  /** Fetches all bytes, taking a broken connection up again. */
  async #receive(): Promise<{ readonly upload: string } | "unchanged" | undefined> {
    const { blobs, limitBytes, open } = this.#source;
    let breaks = 0;
    for (;;) {
      const before = this.#receivedBytes;
      try {
        const attempt = await open(before, this.#head);
        if (attempt === undefined || attempt === "unchanged") return attempt;
        if (attempt.from === 0) await this.#begin();
        this.#head = attempt.head;
        await blobs.uploads.append(this.#file.upload!, this.#counted(attempt.body), limitBytes);
        const { sizeBytes } = attempt.head;
        if (sizeBytes === undefined || sizeBytes === this.#receivedBytes) return { upload: this.#file.upload! };
        throw new Failure(
          "upstream_unreachable",
          `Cannot fetch "${attempt.head.url}": ${this.#receivedBytes} of ${sizeBytes} bytes came`,
          { details: { hasBegun: true } },
        );
      } catch (error) {
        const isBreak = error instanceof Failure && error.code === "upstream_unreachable" && this.#receivedBytes > 0;
        if (!isBreak) throw error;
        breaks = this.#receivedBytes > before ? 0 : breaks + 1;
        if (breaks >= breaksMax) throw error;
      }
    }
  }

  async #begin(): Promise<void> {
    const { blobs } = this.#source;
    if (this.#file.upload !== undefined) await blobs.uploads.abort(this.#file.upload);
    this.#file.began(await blobs.uploads.create());
    this.#receivedBytes = 0;
  }

  async *#counted(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      this.#source.hash(chunk, this.#receivedBytes);
      this.#receivedBytes += chunk.byteLength;
      yield chunk;
      // What is in the file may lag behind by what the writer gathers.
      if (this.#receivedBytes > 2 * withheldBytes) this.#ready.resolve(this.#head);
      this.#file.grew();
    }
  }
}

function gone(head: FlowHead | undefined): Failure {
  return new Failure(
    "upstream_unreachable",
    `Cannot fetch "${head?.url}": what came is wrong, and no other place has it`,
  );
}
