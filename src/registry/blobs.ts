import { nowMs } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import { type Digest } from "../model/digest.ts";
import { findBlobLink, touchBlobLink, unlinkBlobRecord } from "../store/blob-link-records.ts";
import { addAuditEvent } from "../store/event-records.ts";
import { takeBackBlob } from "./collection/take-back.ts";
import { type Answer, type Exchange, readDigest } from "./exchange.ts";
import { parseRange } from "./ranges.ts";
import { isRefusal, refuse, type Refusal } from "./refusal.ts";

/**
 * A look at a blob is written down at most this often; garbage collection leaves blobs alone for longer than that.
 *
 * A client that sees a blob does not push it, and names it in a manifest soon after.
 */
const touchEveryMs = 10 * 60_000;

/** GET and HEAD of a blob, whole or one range. Source: OCI distribution spec, "Pulling blobs"; RFC 9110 section 14. */
export async function getBlob(exchange: Exchange, repository: string, digestText: string): Promise<Answer | Refusal> {
  const digest = readDigest(digestText);
  if (isRefusal(digest)) return digest;
  const { site, request, isHead } = exchange;
  const { db, blobs } = site.store;
  const link =
    (await findBlobLink(db, repository, digest)) ??
    (isHead ? await takeBackBlob(site.store, repository, digest) : undefined);
  if (link === undefined) return unknownBlob(repository, digest);
  if (nowMs() - link.touchedAt > touchEveryMs) await touchBlobLink(db, repository, digest);
  const etag = `"${digest}"`;
  const headers = {
    "content-type": "application/octet-stream",
    "docker-content-digest": digest,
    "accept-ranges": "bytes",
    "cache-control": "private, max-age=31536000, immutable",
    etag,
  };
  if (matchesEtag(request.headers["if-none-match"], etag)) return { status: 304, headers };
  const condition = request.headers["if-range"];
  const range =
    condition === undefined || condition === etag ? parseRange(request.headers.range, link.sizeBytes) : undefined;
  if (range === "unsatisfiable")
    return refuse("SIZE_INVALID", `Cannot read that range of ${digest}: the blob has ${link.sizeBytes} bytes`, {
      status: 416,
      headers: { "content-range": `bytes */${link.sizeBytes}` },
    });
  const sizeBytes = range === undefined ? link.sizeBytes : range.end - range.start + 1;
  const answer: Answer = {
    status: range === undefined ? 200 : 206,
    headers: {
      ...headers,
      "content-length": sizeBytes,
      ...(range === undefined ? {} : { "content-range": `bytes ${range.start}-${range.end}/${link.sizeBytes}` }),
    },
  };
  if (isHead || sizeBytes === 0) return answer;
  try {
    return { ...answer, body: await blobs.open(digest, range) };
  } catch (error) {
    if (!(error instanceof Failure && error.code === "not_found")) throw error;
    site.log.error({ repository, digest }, "a linked blob is missing from the blob store");
    return unknownBlob(repository, digest);
  }
}

/** Whether an `If-None-Match` names an entity tag. Source: RFC 9110 section 13.1.2. */
export function matchesEtag(header: string | undefined, etag: string): boolean {
  return header !== undefined && header.split(",").some((one) => one.trim().replace(/^W\//, "") === etag);
}

/** DELETE of a blob: it leaves the repository, unless a manifest there still needs it. */
export async function deleteBlob(
  exchange: Exchange,
  repository: string,
  digestText: string,
): Promise<Answer | Refusal> {
  const digest = readDigest(digestText);
  if (isRefusal(digest)) return digest;
  const actor = exchange.caller.name;
  const result = await exchange.site.store.transaction(async (db) => {
    const end = await unlinkBlobRecord(db, repository, digest);
    if (end === "unlinked")
      await addAuditEvent(db, { actor, action: "blob.deleted", subject: `${repository}@${digest}` });
    return end;
  });
  if (result === "absent") return unknownBlob(repository, digest);
  if (result === "in use")
    return refuse(
      "DENIED",
      `Cannot delete the blob ${digest} in "${repository}": a manifest names it; delete that first`,
      {
        status: 405,
        headers: { allow: "GET, HEAD" },
      },
    );
  return { status: 202, headers: {} };
}

function unknownBlob(repository: string, digest: Digest): Refusal {
  return refuse("BLOB_UNKNOWN", `Cannot find the blob ${digest}: the repository "${repository}" does not have it`);
}
