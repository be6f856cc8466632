import type { Readable } from "node:stream";
import type { Digest } from "../model/digest.ts";

/**
 * Bytes by digest: the content-addressed half of the store.
 *
 * A blob that `stat` knows is complete, has the digest it is named by, and survives a power cut. Disk is
 * {@link openDiskBlobs}; another kind of storage implements the same interface and passes the same contract tests.
 */
export interface BlobStore extends AsyncDisposable {
  /** The size of a blob in bytes, or undefined where there is none. */
  stat(digest: Digest): Promise<{ readonly sizeBytes: number } | undefined>;
  /**
   * Stores bytes and names them by what they hash to: SHA-256, or the algorithm of `expected`.
   *
   * Storing what is there already changes nothing. On failure nothing is kept.
   *
   * @throws Failure `digest_mismatch` where the bytes are not `expected`, `too_large` above `limitBytes`, `disk_full`
   */
  put(source: BlobSource, options?: PutOptions): Promise<StoredBlob>;
  /**
   * Reads a blob in chunks of 1 MiB.
   *
   * @param range first and last byte, both inclusive, as in HTTP; whole blob without
   * @throws Failure `not_found`
   */
  open(digest: Digest, range?: ByteRange): Promise<Readable>;
  /**
   * Reads a blob into memory.
   *
   * @param limitBytes default 64 MiB
   * @throws Failure `not_found`, `too_large`
   */
  read(digest: Digest, limitBytes?: number): Promise<Buffer>;
  /**
   * A path that local programs may read and link, never write.
   *
   * @throws Failure `not_found`
   */
  localPath(digest: Digest): Promise<string>;
  /** Removes a blob; false where there was none. A reader that has it open reads on to its end. */
  delete(digest: Digest): Promise<boolean>;
  /** Every digest in the store, in no order that means anything. */
  list(): AsyncIterable<Digest>;
  /** Every digest in the store, in pages of neighbours; `after` is the cursor of the last page that is not wanted again. */
  pages(after?: string): AsyncIterable<BlobPage>;
  /** The size of a blob and when somebody last stored or touched it; undefined where there is none. */
  describe(digest: Digest): Promise<BlobFacts | undefined>;
  /** Notes that somebody counts on a blob that nothing names yet; false where there is none. */
  touch(digest: Digest): Promise<boolean>;
  /**
   * Runs `work` while blobs cannot be collected: from the look at a blob until a row names it.
   *
   * `everything` is for whoever reads a list of blobs and comes for their bytes later.
   */
  holding<T>(digests: readonly Digest[] | "everything", work: () => Promise<T>): Promise<T>;
  /**
   * Removes a blob unless somebody holds it or `isNeeded` says so; whether it went.
   *
   * Whoever wants to hold or store it meanwhile waits for the outcome, so that no answer is given about bytes that go.
   */
  collect(digest: Digest, isNeeded: (facts: BlobFacts) => Promise<boolean>): Promise<boolean>;
  /** Puts a damaged blob aside, where nobody reads it; false where it is missing. */
  quarantine(digest: Digest): Promise<boolean>;
  /** Removes what was being written and has not grown since an instant in milliseconds. */
  sweepTemporary(untouchedSince: number): Promise<Freed>;
  /** Bytes of all blobs; counted along, and measured anew by each {@link BlobStore.measured}. */
  usedBytes(): Promise<number>;
  /** Corrects the count of bytes after a walk over all blobs. */
  measured(bytes: number): void;
  /** Writes down what is only counted in memory, and lets go of open files. */
  close(): Promise<void>;
  /** Uploads that come in pieces; what was appended survives a restart. */
  readonly uploads: BlobUploads;
}

/** Uploads in pieces. One writer at a time an upload; ids come from `create` only. */
export interface BlobUploads {
  /** Starts an empty upload and returns its id. */
  create(): Promise<string>;
  /** How many bytes an upload has, or undefined where it does not exist. */
  sizeOf(id: string): Promise<number | undefined>;
  /**
   * Adds bytes at the end and returns the new size. A source that breaks leaves what came before.
   *
   * @param limitBytes of the whole upload
   * @throws Failure `not_found`, `conflict` while another append or finish runs, `too_large` (nothing of this
   *   append is kept), `disk_full`
   */
  append(id: string, source: AsyncIterable<Uint8Array>, limitBytes?: number): Promise<number>;
  /**
   * Makes an upload the blob `expected`, or the one that its SHA-256 names, and ends it.
   *
   * @throws Failure `not_found`, `conflict`, `digest_mismatch` (the upload stays and can go on)
   */
  finish(id: string, expected?: Digest): Promise<StoredBlob>;
  /** A path to read an upload at while nothing is appended. @throws Failure `not_found` */
  localPath(id: string): Promise<string>;
  /**
   * Reads what an upload has so far, while it grows.
   *
   * @param range within what {@link sizeOf} says
   * @throws Failure `not_found` where it was finished, dropped or never started
   */
  open(id: string, range: ByteRange): Promise<Readable>;
  /**
   * Drops an upload; false where it does not exist.
   *
   * @throws Failure `conflict` while an append or finish runs
   */
  abort(id: string): Promise<boolean>;
  /** The uploads that nobody has touched since an instant in milliseconds, with their sizes in bytes. */
  stale(untouchedSince: number): Promise<ReadonlyMap<string, number>>;
}

/** What was removed. */
export interface Freed {
  readonly count: number;
  readonly sizeBytes: number;
}

/** What is known of a blob without reading it. */
export interface BlobFacts {
  readonly sizeBytes: number;
  /** When it was stored or touched last, in milliseconds since 1970. */
  readonly usedAt: number;
}

/** Some blobs that lie together. */
export interface BlobPage {
  /** Stands for the page in {@link BlobStore.pages}. */
  readonly cursor: string;
  readonly digests: readonly Digest[];
  /** How much of the store comes before the end of this page, from 0 to 1. */
  readonly fraction: number;
}

/** Bytes in memory or as they come. */
export type BlobSource = AsyncIterable<Uint8Array> | Uint8Array;

/** What a put may demand. */
export interface PutOptions {
  readonly expected?: Digest;
  readonly limitBytes?: number;
}

/** A stored blob's name and size. */
export interface StoredBlob {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** First and last byte, both inclusive, counted from 0. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}
