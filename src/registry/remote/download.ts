import { sleep } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import { type Digest } from "../../model/digest.ts";
import type { BlobStore, StoredBlob } from "../../store/blobs.ts";
import { pullScope, type RemoteRegistry } from "./remote.ts";
import { refusedBy } from "./session.ts";
import { type Throttle, throttled, unthrottled } from "./throttle.ts";

/** A blob to fetch into the blob store. */
export interface Download {
  readonly repository: string;
  readonly digest: Digest;
  /** What the manifest says; more is not taken. */
  readonly sizeBytes?: number | undefined;
  readonly blobs: BlobStore;
  /** An upload of the blob store that an earlier try began. */
  readonly upload?: string | undefined;
  /** Told the id of the upload that the bytes go into, so that a later try can go on. */
  readonly onUpload?: (id: string) => Promise<void> | void;
  /** Told what came, as it comes: what the blob is to have in all, and how much was added. */
  readonly onBytes?: (addedBytes: number, totalBytes: number | undefined) => void;
  readonly throttle?: Throttle | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The first wait after a break, in milliseconds; it doubles. Default 500. */
  readonly retryMs?: number;
}

/** Breaks in a row that bring no byte forward. */
const breaksMax = 5;

/**
 * Fetches a blob; a connection that breaks is taken up again with a range, also by a later process.
 *
 * @returns undefined where the peer does not have it
 * @throws Failure `digest_mismatch` (nothing is kept), `too_large`, and those of the peer
 */
export async function downloadBlob(remote: RemoteRegistry, download: Download): Promise<StoredBlob | undefined> {
  const { blobs, digest } = download;
  let upload = await openUpload(download);
  let breaks = 0;
  let mismatches = 0;
  for (;;) {
    const before = (await blobs.uploads.sizeOf(upload)) ?? 0;
    try {
      const outcome = await fetchRest(remote, download, { upload, from: before });
      if (outcome === "absent") {
        await blobs.uploads.abort(upload);
        return undefined;
      }
      if (outcome === "whole") return await blobs.uploads.finish(upload, digest);
      // The peer sends from the start only: what is there cannot be added to.
      await blobs.uploads.abort(upload);
      upload = await openUpload({ ...download, upload: undefined });
    } catch (error) {
      if (error instanceof Failure && error.code === "digest_mismatch") {
        await blobs.uploads.abort(upload);
        // The part from before the break may be the wrong one; from an empty start there is no such doubt.
        if (before === 0 || (mismatches += 1) > 1) throw error;
        upload = await openUpload({ ...download, upload: undefined });
        continue;
      }
      if (!(error instanceof Failure) || error.code !== "upstream_unreachable") throw error;
      const after = (await blobs.uploads.sizeOf(upload)) ?? 0;
      breaks = after > before ? 0 : breaks + 1;
      if (breaks >= breaksMax) throw error;
      await sleep((download.retryMs ?? 500) * 2 ** breaks, download.signal);
      if (download.signal?.aborted === true) throw error;
    }
  }
}

async function openUpload({ blobs, upload, onUpload }: Download): Promise<string> {
  if (upload !== undefined && (await blobs.uploads.sizeOf(upload)) !== undefined) return upload;
  const id = await blobs.uploads.create();
  await onUpload?.(id);
  return id;
}

interface Rest {
  readonly upload: string;
  readonly from: number;
}

/** Appends what is missing. `restart` where the peer cannot send from the middle. */
async function fetchRest(
  remote: RemoteRegistry,
  download: Download,
  { upload, from }: Rest,
): Promise<"whole" | "absent" | "restart"> {
  const { repository, digest, blobs, signal, sizeBytes } = download;
  if (from > 0 && from === sizeBytes) return "whole";
  const answer = await remote.session.send({
    method: "GET",
    target: `/v2/${repository}/blobs/${digest}`,
    scopes: pullScope(repository),
    headers: from === 0 ? {} : { range: `bytes=${from}-` },
    signal,
  });
  if (answer.status === 404 || answer.status === 416 || (answer.status === 200 && from > 0)) {
    answer.discard();
    return answer.status === 404 ? "absent" : "restart";
  }
  if (answer.status !== 200 && answer.status !== 206)
    throw await refusedBy(remote.session, answer, `read the blob ${digest}`);
  if (answer.status === 206 && rangeStart(answer.headers["content-range"]) !== from) {
    answer.discard();
    return "restart";
  }
  const length = answer.headers["content-length"];
  const totalBytes = length === undefined ? sizeBytes : from + Number(length);
  if (sizeBytes !== undefined && totalBytes !== undefined && totalBytes > sizeBytes) {
    answer.discard();
    throw tooLong(remote, download);
  }
  const counted = countBytes(throttled(answer.body, download.throttle ?? unthrottled, signal), (added) =>
    download.onBytes?.(added, totalBytes),
  );
  try {
    await blobs.uploads.append(upload, counted, sizeBytes);
  } catch (error) {
    if (error instanceof Failure && error.code === "too_large") throw tooLong(remote, download);
    throw error;
  }
  return "whole";
}

function tooLong(remote: RemoteRegistry, { digest, sizeBytes }: Download): Failure {
  return new Failure(
    "digest_mismatch",
    `Cannot take the blob ${digest} of "${remote.session.url.host}": it has more than the ${sizeBytes} bytes that its manifest says`,
  );
}

function rangeStart(header: string | undefined): number | undefined {
  const start = /^bytes (\d{1,15})-/.exec(header ?? "")?.[1];
  return start === undefined ? undefined : Number(start);
}

async function* countBytes(
  source: AsyncIterable<Uint8Array>,
  onBytes: (addedBytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    yield chunk;
    onBytes(chunk.byteLength);
  }
}
