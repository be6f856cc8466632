import { sleep } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import { type WireResponse } from "../../base/wire.ts";
import { type Digest } from "../../model/digest.ts";
import type { BlobStore } from "../../store/blobs.ts";
import { pushScope, type RemoteRegistry } from "./remote.ts";
import { type PeerRequest, refusedBy } from "./session.ts";
import { type Throttle, throttled, unthrottled } from "./throttle.ts";

/** A blob of the blob store to bring to a peer. */
export interface Upload {
  readonly repository: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly blobs: BlobStore;
  /** A repository of the peer that may have the blob. */
  readonly mountFrom?: string | undefined;
  /** Where an earlier try was told to go on. */
  readonly location?: string | undefined;
  /** Told where the upload goes on, so that a later try can. */
  readonly onLocation?: (location: string) => Promise<void> | void;
  readonly onBytes?: (addedBytes: number) => void;
  readonly throttle?: Throttle | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The first wait after a break, in milliseconds; it doubles. Default 500. */
  readonly retryMs?: number;
  /** Bytes of one request; default 10 MiB. */
  readonly chunkBytes?: number;
}

/** How a blob came to be at the peer. */
export type Uploaded = "present" | "mounted" | "sent";

const defaultChunkBytes = 10 * 1024 * 1024;
/** Breaks in a row that bring no byte forward. */
const breaksMax = 5;

/**
 * Brings a blob to a peer: asks first, mounts where it can, else sends it in chunks and goes on after a break.
 *
 * Source: OCI distribution spec, "Pushing a blob in chunks" and "Mounting a blob from another repository".
 *
 * @throws Failure of the peer; `not_found` where the blob store does not have the blob
 */
export async function uploadBlob(remote: RemoteRegistry, upload: Upload): Promise<Uploaded> {
  if ((await remote.headBlob(upload.repository, upload.digest, upload.signal)) !== undefined) return "present";
  let place = upload.location === undefined ? undefined : await resumePlace(remote, upload, upload.location);
  let breaks = 0;
  for (;;) {
    if (place === undefined) {
      const begun = await begin(remote, upload);
      if (begun === "mounted") return "mounted";
      place = begun;
    }
    const before: number = place.offset;
    try {
      await sendRest(remote, upload, place);
      return "sent";
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== "upstream_unreachable") throw error;
      breaks = place.offset > before ? 0 : breaks + 1;
      if (breaks >= breaksMax) throw error;
      await sleep((upload.retryMs ?? 500) * 2 ** breaks, upload.signal);
      if (upload.signal?.aborted === true) throw error;
      place = await resumePlace(remote, upload, place.location);
    }
  }
}

/** Where an upload stands; moves with it. */
interface Place {
  location: string;
  /** Bytes that the peer has. */
  offset: number;
  /** The least that the peer takes in one chunk. */
  leastBytes: number;
}

async function begin(remote: RemoteRegistry, upload: Upload): Promise<Place | "mounted"> {
  const { repository, digest, mountFrom, signal } = upload;
  const mount = mountFrom === undefined ? "" : `?${new URLSearchParams({ mount: digest, from: mountFrom }).toString()}`;
  const answer = await remote.session.send({
    method: "POST",
    target: `/v2/${repository}/blobs/uploads/${mount}`,
    scopes: [...pushScope(repository), ...(mountFrom === undefined ? [] : [`repository:${mountFrom}:pull`])],
    headers: { "content-length": "0" },
    isRepeatable: true,
    signal,
  });
  if (answer.status === 201) {
    answer.discard();
    return "mounted";
  }
  const location = locationOf(answer);
  if (answer.status !== 202 || location === undefined)
    throw await refusedBy(remote.session, answer, `begin the upload of ${digest}`);
  answer.discard();
  await upload.onLocation?.(location);
  return { location, offset: 0, leastBytes: Number(answer.headers["oci-chunk-min-length"] ?? 0) || 0 };
}

/** Asks how far an upload is; undefined where the peer has forgotten it. */
async function resumePlace(remote: RemoteRegistry, upload: Upload, location: string): Promise<Place | undefined> {
  const answer = await send(remote, upload, { method: "GET", target: location });
  answer.discard();
  if (answer.status !== 204 && answer.status !== 202) return undefined;
  const place: Place = { location: locationOf(answer) ?? location, offset: offsetOf(answer), leastBytes: 0 };
  return place.offset > upload.sizeBytes ? undefined : place;
}

async function sendRest(remote: RemoteRegistry, upload: Upload, place: Place): Promise<void> {
  const { sizeBytes, digest } = upload;
  const chunkBytes = Math.max(upload.chunkBytes ?? defaultChunkBytes, place.leastBytes);
  // What fits into one request goes with the closing one: two round trips for most blobs.
  while (sizeBytes - place.offset > chunkBytes) {
    const answer = await sendRange(remote, upload, { place, endByte: place.offset + chunkBytes });
    if (answer.status === 416) throw lostTrack(remote, digest);
    if (answer.status !== 202) {
      if (place.offset > 0 || ![400, 404, 405, 501].includes(answer.status))
        throw await refusedBy(remote.session, answer, `send a chunk of ${digest}`);
      // A peer that takes no chunks may take the whole.
      answer.discard();
      break;
    }
    answer.discard();
    place.location = locationOf(answer) ?? place.location;
    place.offset += chunkBytes;
    await upload.onLocation?.(place.location);
  }
  const answer = await sendRange(remote, upload, { place, endByte: sizeBytes, closing: digest });
  if (answer.status === 416) throw lostTrack(remote, digest);
  if (answer.status !== 201 && answer.status !== 204)
    throw await refusedBy(remote.session, answer, `end the upload of ${digest}`);
  answer.discard();
}

interface Range {
  readonly place: Place;
  /** Exclusive. */
  readonly endByte: number;
  readonly closing?: Digest;
}

async function sendRange(
  remote: RemoteRegistry,
  upload: Upload,
  { place, endByte, closing }: Range,
): Promise<WireResponse> {
  const { digest, blobs, throttle, signal } = upload;
  const start = place.offset;
  const target = closing === undefined ? place.location : withDigest(place.location, closing);
  const length = endByte - start;
  const range =
    length === 0 || (closing !== undefined && start === 0) ? {} : { "content-range": `${start}-${endByte - 1}` };
  const answer = await send(remote, upload, {
    method: closing === undefined ? "PATCH" : "PUT",
    target,
    headers: { "content-type": "application/octet-stream", "content-length": String(length), ...range },
    ...(length === 0
      ? {}
      : {
          body: async () =>
            throttled(await blobs.open(digest, { start, end: endByte - 1 }), throttle ?? unthrottled, signal),
        }),
  });
  if (answer.status < 300) upload.onBytes?.(length);
  return answer;
}

/** Parts of an upload are not simply sent again: how far the peer came has to be asked first. */
async function send(
  remote: RemoteRegistry,
  { repository, signal }: Upload,
  request: Pick<PeerRequest, "method" | "target" | "headers" | "body">,
): Promise<WireResponse> {
  const isRepeatable = request.method === "GET";
  return await remote.session.send({ ...request, scopes: pushScope(repository), isRepeatable, signal });
}

function lostTrack(remote: RemoteRegistry, digest: Digest): Failure {
  return new Failure(
    "upstream_unreachable",
    `Cannot go on with ${digest} at "${remote.session.url.host}": it has other bytes`,
  );
}

function locationOf(answer: WireResponse): string | undefined {
  return answer.headers.location;
}

/** `Range: 0-N` names the last byte; some peers write `bytes=0-N`. An upload without a byte says `0-0`, as one byte does. */
function offsetOf(answer: WireResponse): number {
  const last = /^(?:bytes[= ])?0-(\d{1,15})$/.exec(String(answer.headers.range ?? "").trim())?.[1];
  return last === undefined || last === "0" ? 0 : Number(last) + 1;
}

/** Keeps what the peer put into the query: it may be its state or a signature. */
function withDigest(location: string, digest: Digest): string {
  return `${location}${location.includes("?") ? "&" : "?"}digest=${encodeURIComponent(digest)}`;
}
