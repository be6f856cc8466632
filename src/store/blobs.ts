import type { Readable } from "node:stream";
import type { Digest } from "../model/digest.ts";

/**
 * Bytes by digest: the content-addressed half of the store.
 *
 * A blob that `stat` knows is complete, has the digest it is named by, and survives a power cut. Disk is
 * {@link openDiskBlobs}; another kind of storage implements the same interface and passes the same contract tests.
 */
export interface BlobStore {
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
   * Makes an upload the blob `expected`, and ends it.
   *
   * @throws Failure `not_found`, `conflict`, `digest_mismatch` (the upload stays and can go on)
   */
  finish(id: string, expected: Digest): Promise<StoredBlob>;
  /** Drops an upload; false where it does not exist. */
  abort(id: string): Promise<boolean>;
  /** Drops the uploads that nobody has touched since an instant in milliseconds; returns how many. */
  expire(untouchedSince: number): Promise<number>;
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
