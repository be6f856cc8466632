import { type Readable } from "node:stream";
import { type Digest } from "../model/digest.ts";
import type { BlobStore } from "../store/blobs.ts";
import { type MirrorRead } from "./contract.ts";

/** Stored bytes that can be sent as they are. */
export interface Representation {
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** The same, compressed. */
  readonly gzip?: { readonly digest: Digest; readonly sizeBytes: number } | undefined;
  /** The bytes themselves, and compressed, where they are not in the store. */
  readonly bytes?: { readonly identity: Uint8Array; readonly gzip: Uint8Array | undefined } | undefined;
  readonly mediaType: string;
  readonly cacheControl: string;
  /** Whether another `Accept` may get other bytes. */
  readonly variesByAccept: boolean;
  /** The upstream's `Last-Modified`: apt knows no other validator. */
  readonly modified?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** What is sent. */
export interface Served {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readable | Buffer | undefined;
}

/** Answers GET and HEAD, whole, in part or not changed. @throws Failure `not_found` where the blob is gone */
export async function serve(blobs: BlobStore, read: MirrorRead, what: Representation): Promise<Served> {
  const { headers: asked } = read;
  // A part of a compressed body helps nobody who asks for a part.
  const takesGzip = asked.range === undefined && acceptsGzip(asked["accept-encoding"]);
  const sent = what.gzip !== undefined && takesGzip ? what.gzip : what;
  const isGzip = sent !== what;
  const hex = what.digest.slice(what.digest.indexOf(":") + 1);
  const etag = `"${hex.slice(0, 32)}${isGzip ? "-gz" : ""}"`;
  const varied = [what.variesByAccept ? "accept" : "", what.gzip === undefined ? "" : "accept-encoding"];
  const vary = varied.filter((one) => one !== "").join(", ");
  const headers: Record<string, string> = {
    ...what.headers,
    "content-type": what.mediaType,
    "cache-control": what.cacheControl,
    etag,
    "accept-ranges": "bytes",
    ...(what.modified === undefined ? {} : { "last-modified": what.modified }),
    ...(vary === "" ? {} : { vary }),
  };
  if (isUnchanged(asked, { etag, modified: what.modified })) return { status: 304, headers, body: undefined };
  if (isGzip) headers["content-encoding"] = "gzip";
  const condition = asked["if-range"];
  const isSame = condition === undefined || condition === etag || condition === what.modified;
  const range = isSame ? parseRange(asked.range, sent.sizeBytes) : undefined;
  if (range === "unsatisfiable")
    return { status: 416, headers: { "content-range": `bytes */${sent.sizeBytes}` }, body: undefined };
  const sizeBytes = range === undefined ? sent.sizeBytes : range.end - range.start + 1;
  headers["content-length"] = String(sizeBytes);
  if (range !== undefined) headers["content-range"] = `bytes ${range.start}-${range.end}/${sent.sizeBytes}`;
  const status = range === undefined ? 200 : 206;
  if (read.method === "HEAD" || sizeBytes === 0) return { status, headers, body: undefined };
  const held = isGzip ? what.bytes?.gzip : what.bytes?.identity;
  if (held !== undefined) return { status, headers, body: inMemory(held, range) };
  return { status, headers, body: await blobs.open(sent.digest, range) };
}

function inMemory(bytes: Uint8Array, range: { readonly start: number; readonly end: number } | undefined): Buffer {
  const part = range === undefined ? bytes : bytes.subarray(range.start, range.end + 1);
  return Buffer.from(part.buffer, part.byteOffset, part.byteLength);
}

/** A date counts only where there is no tag, and only the very one that we told: upstreams go back in time too. */
function isUnchanged(
  asked: MirrorRead["headers"],
  { etag, modified }: { readonly etag: string; readonly modified: string | undefined },
): boolean {
  const tags = asked["if-none-match"];
  if (tags !== undefined) return matchesEtag(tags, etag);
  return modified !== undefined && asked["if-modified-since"] === modified;
}

/** Whether an `If-None-Match` names an entity tag. Source: RFC 9110 section 13.1.2. */
function matchesEtag(header: string, etag: string): boolean {
  return header.split(",").some((one) => one.trim() === "*" || one.trim().replace(/^W\//, "") === etag);
}

/** Source: RFC 9110 section 12.5.3; a weight of 0 refuses. */
function acceptsGzip(header: string | undefined): boolean {
  return (
    header !== undefined &&
    /(?:^|,)\s*(?:gzip|x-gzip|\*)\s*(?:;\s*q=(?!0(?:\.0*)?\s*(?:,|$))[\d.]+\s*)?(?:,|$)/i.test(header)
  );
}

/**
 * Reads a `Range` header against a size; undefined where the whole is to be served.
 *
 * Source: RFC 9110 section 14.2, which lets several ranges and nonsense be ignored.
 */
function parseRange(
  header: string | undefined,
  sizeBytes: number,
): { readonly start: number; readonly end: number } | "unsatisfiable" | undefined {
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/i.exec(header?.trim() ?? "") ?? [];
  if (first === undefined || last === undefined || (first === "" && last === "")) return undefined;
  if (first === "") {
    const count = Math.min(Number(last), sizeBytes);
    return count === 0 ? "unsatisfiable" : { start: sizeBytes - count, end: sizeBytes - 1 };
  }
  const start = Number(first);
  const end = last === "" ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1);
  return start < sizeBytes && start <= end ? { start, end } : "unsatisfiable";
}
