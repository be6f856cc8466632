import { nowMs } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import { type Log } from "../../base/log.ts";
import { type Digest } from "../../model/digest.ts";
import { findProxyAnswer, isNamedInRepository, recordProxyAnswer } from "../../store/proxy-records.ts";
import { type Store } from "../../store/store.ts";
import { type Answer } from "../exchange.ts";
import { linkBlobWithin } from "../lifetime/quota.ts";
import { refuse, type Refusal } from "../refusal.ts";
import { BlobFlow } from "./blob-flow.ts";
import { proxyActor } from "./cached-manifests.ts";
import { type Breaker, type Place, refuseFailed } from "./places.ts";
import { type BlobWish } from "./upstreams.ts";

/** What blobs are fetched with. */
export interface BlobSite {
  readonly store: Store;
  readonly log: Log;
  readonly breaker: Breaker;
  readonly signal: AbortSignal;
  readonly count: (outcome: "fresh" | "fetched" | "missing" | "failed") => void;
  readonly countBytes: (byteCount: number) => void;
  /** Downloads under way, by repository and digest. */
  readonly flows: Map<string, BlobFlow>;
}

/** A blob that a client wants. */
export interface CachedBlobWish extends BlobWish {
  readonly repository: string;
  readonly digest: Digest;
  readonly place: Place;
}

/**
 * Sees to a blob that the repository does not have yet: one download however many ask, given out while it comes.
 *
 * What the store has for another repository is linked only if a manifest that came from this peer names it and the peer
 * says that it has it too: neither a digest nor a manifest that anybody may have written opens anything.
 */
export async function cacheBlob(site: BlobSite, wish: CachedBlobWish): Promise<Answer | "stored" | Refusal> {
  const { repository, digest, place } = wish;
  const { store } = site;
  const answer = await findProxyAnswer(store.db, repository, digest);
  const isMissing = answer !== undefined && nowMs() - answer.checkedAt < place.proxy.missingSeconds * 1000;
  if (isMissing) {
    site.count("missing");
    return missing(wish);
  }
  try {
    if (await linkPresent(site, wish)) {
      site.count("fresh");
      return "stored";
    }
    return wish.isHead && !site.flows.has(keyOf(wish)) ? await look(site, wish) : await flow(site, wish);
  } catch (error) {
    site.count("failed");
    const refusal = refuseFailed(error, `the blob ${digest}`);
    site.log.warn({ repository, digest, reason: refusal.message }, "a proxy cache could not fetch a blob");
    return refusal.refusal === "MANIFEST_UNKNOWN" ? missing(wish) : refusal;
  }
}

/** Fetches a blob that the repository lacks, for whoever needs it here. False where the peer does not have it. */
export async function fetchBlob(site: BlobSite, wish: Omit<CachedBlobWish, keyof BlobWish>): Promise<boolean> {
  if (await linkPresent(site, wish)) return true;
  const { blob } = await flowOf(site, wish);
  return (await blob.done) !== undefined;
}

/** @throws Failure of the peer, which is asked whether it has the same: its word counts, not that of a manifest */
async function linkPresent(
  { store, breaker, signal }: BlobSite,
  { repository, digest, place }: Pick<CachedBlobWish, "repository" | "digest" | "place">,
): Promise<boolean> {
  if ((await store.blobs.stat(digest)) === undefined) return false;
  if (!(await isNamedInRepository(store.db, repository, digest))) return false;
  const farBytes = await breaker.ask(
    place.peer,
    async () => await place.peer.remote.headBlob(place.remoteName, digest, signal),
  );
  return await store.blobs.holding([digest], async () => {
    const stored = await store.blobs.stat(digest);
    if (stored === undefined || stored.sizeBytes !== farBytes) return false;
    const claim = { repository, digest, sizeBytes: stored.sizeBytes, actor: proxyActor };
    return (await store.transaction(async (db) => await linkBlobWithin(db, claim))) === undefined;
  });
}

async function look(site: BlobSite, wish: CachedBlobWish): Promise<Answer | Refusal> {
  const { digest, place } = wish;
  const sizeBytes = await site.breaker.ask(
    place.peer,
    async () => await place.peer.remote.headBlob(place.remoteName, digest),
  );
  if (sizeBytes === undefined) return await forget(site, wish);
  site.count("fresh");
  return { status: 200, headers: { ...blobHeaders(digest), "content-length": sizeBytes } };
}

async function flow(site: BlobSite, wish: CachedBlobWish): Promise<Answer | "stored" | Refusal> {
  const { blob, isNew } = await flowOf(site, wish);
  const sizeBytes = await blob.begun;
  if (sizeBytes === undefined && (await blob.done) === undefined) return await forget(site, wish);
  if (isNew) site.count("fetched");
  // A part is read from the whole.
  if (wish.hasRange || wish.isHead) {
    await blob.done;
    return "stored";
  }
  return {
    status: 200,
    headers: { ...blobHeaders(wish.digest), ...(sizeBytes === undefined ? {} : { "content-length": sizeBytes }) },
    body: blob.read(),
  };
}

async function flowOf(
  site: BlobSite,
  wish: Omit<CachedBlobWish, keyof BlobWish>,
): Promise<{ readonly blob: BlobFlow; readonly isNew: boolean }> {
  const key = keyOf(wish);
  const running = site.flows.get(key);
  if (running !== undefined) return { blob: running, isNew: false };
  const { repository, digest, place } = wish;
  const { store } = site;
  const blob = new BlobFlow({
    remote: place.peer.remote,
    repository: place.remoteName,
    digest,
    blobs: store.blobs,
    signal: site.signal,
    async onStored({ sizeBytes }) {
      site.countBytes(sizeBytes);
      const claim = { repository, digest, sizeBytes, actor: proxyActor };
      const refusal = await store.transaction(async (db) => await linkBlobWithin(db, claim));
      // The client gets its bytes all the same; they are only not kept.
      if (refusal !== undefined) site.log.warn({ repository, digest, reason: refusal.message }, "a blob is not kept");
    },
  });
  site.flows.set(key, blob);
  const end = (): void => void site.flows.delete(key);
  // The breaker learns from it, though nobody waits for the end here.
  site.breaker.ask(place.peer, async () => await blob.done).then(end, end);
  return { blob, isNew: true };
}

async function forget(site: BlobSite, wish: CachedBlobWish): Promise<Refusal> {
  await recordProxyAnswer(site.store.db, { repository: wish.repository, reference: wish.digest }, undefined);
  site.count("missing");
  return missing(wish);
}

function keyOf({ repository, digest }: Pick<CachedBlobWish, "repository" | "digest">): string {
  return `${repository} ${digest}`;
}

function blobHeaders(digest: Digest): Record<string, string> {
  return {
    "content-type": "application/octet-stream",
    "docker-content-digest": digest,
    "accept-ranges": "bytes",
    "cache-control": "private, max-age=31536000, immutable",
    etag: `"${digest}"`,
  };
}

function missing({ digest, place }: Pick<CachedBlobWish, "digest" | "place">): Refusal {
  return refuse(
    "BLOB_UNKNOWN",
    `Cannot find the blob ${digest}: "${place.peer.name}" has none in "${place.remoteName}"`,
  );
}

/** Whether a failure is the peer's and not ours. */
export function isOfPeer(error: unknown): boolean {
  return error instanceof Failure && error.code !== "internal" && error.code !== "disk_full";
}
