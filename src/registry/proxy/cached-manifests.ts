import { isoSeconds, nowMs } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import { type Log } from "../../base/log.ts";
import { type Digest, parseDigest } from "../../model/digest.ts";
import { isTag } from "../../model/reference.ts";
import { addAuditEvent } from "../../store/event-records.ts";
import { findManifest } from "../../store/manifest-records.ts";
import { findProxyAnswer, type ProxyAnswer, recordProxyAnswer } from "../../store/proxy-records.ts";
import { type Store } from "../../store/store.ts";
import { findTag, moveTag } from "../../store/tag-records.ts";
import { storeManifest } from "../manifest-writer.ts";
import { isRefusal, refuse, type Refusal } from "../refusal.ts";
import { type Breaker, type Place, refuseFailed } from "./places.ts";
import { type Freshness } from "./upstreams.ts";

/** What manifests are fetched with. */
export interface ManifestSite {
  readonly store: Store;
  readonly log: Log;
  readonly breaker: Breaker;
  /** Told how each request was met. */
  readonly count: (outcome: "fresh" | "fetched" | "stale" | "missing" | "failed") => void;
  /** Requests under way: who asks for the same waits for the first. */
  readonly underWay: Map<string, Promise<Freshness | Refusal>>;
}

/** A manifest that a client wants. */
export interface ManifestWish {
  readonly repository: string;
  readonly reference: string;
  readonly place: Place;
}

/** Who stands in the history of what a proxy cache fetched. */
export const proxyActor = "proxy";

const fresh: Freshness = { headers: {} };

/**
 * Sees that the store has the manifest: by digest it is fetched once for all times; a tag is believed for a while, then
 * looked up with HEAD, and only what is new is fetched. Where the peer fails, what is there is served as stale.
 */
export async function cacheManifest(site: ManifestSite, wish: ManifestWish): Promise<Freshness | Refusal> {
  const { repository, reference } = wish;
  const digest = parseDigest(reference);
  if (digest === undefined && !isTag(reference)) return fresh;
  const state = await localState(site.store, wish);
  if (state.isFresh) {
    site.count(state.local === undefined ? "missing" : "fresh");
    return state.local === undefined ? missing(wish) : fresh;
  }
  const key = `${repository} ${reference}`;
  const waiting = site.underWay.get(key);
  if (waiting !== undefined) return await waiting;
  const work = refresh(site, wish, state).finally(() => site.underWay.delete(key));
  site.underWay.set(key, work);
  return await work;
}

interface LocalState {
  /** What the store would serve. */
  readonly local: Digest | undefined;
  readonly answer: ProxyAnswer | undefined;
  /** Whether the peer need not be asked. */
  readonly isFresh: boolean;
}

async function localState({ db }: Store, { repository, reference, place }: ManifestWish): Promise<LocalState> {
  const digest = parseDigest(reference) ?? (await findTag(db, repository, reference));
  const local = digest === undefined ? undefined : (await findManifest(db, repository, digest))?.digest;
  // Bytes with the right digest do not age.
  if (local === reference) return { local, answer: undefined, isFresh: true };
  const answer = await findProxyAnswer(db, repository, reference);
  const { freshSeconds, missingSeconds } = place.proxy;
  const ageMs = answer === undefined ? Infinity : nowMs() - answer.checkedAt;
  const isFresh = answer?.digest === local && ageMs < (local === undefined ? missingSeconds : freshSeconds) * 1000;
  return { local, answer, isFresh };
}

async function refresh(site: ManifestSite, wish: ManifestWish, state: LocalState): Promise<Freshness | Refusal> {
  const { repository, reference, place } = wish;
  try {
    const { remote } = place.peer;
    const isDigest = parseDigest(reference) !== undefined;
    const head = isDigest
      ? { digest: reference as Digest }
      : await site.breaker.ask(place.peer, async () => await remote.headManifest(place.remoteName, reference));
    const isKnown = head !== undefined && (await findManifest(site.store.db, repository, head.digest)) !== undefined;
    const found =
      head === undefined || isKnown
        ? undefined
        : await site.breaker.ask(place.peer, async () => await remote.getManifest(place.remoteName, head.digest));
    if (head === undefined || (!isKnown && found === undefined)) return await forget(site, wish);
    if (found !== undefined) {
      const refused = await keep(site, wish, found);
      if (refused !== undefined)
        return state.local === undefined ? refused : stale(site, { ...wish, ...state, reason: refused.message });
    } else if (!isDigest)
      await site.store.transaction(
        async (db) => await moveTag(db, { repository, tag: reference, to: head.digest, actor: proxyActor }),
      );
    if (!isDigest) await recordProxyAnswer(site.store.db, { repository, reference }, head.digest);
    site.count(found === undefined ? "fresh" : "fetched");
    return fresh;
  } catch (error) {
    if (!(error instanceof Failure) || error.code === "disk_full" || error.code === "internal") throw error;
    if (state.local !== undefined) return stale(site, { ...wish, ...state, reason: error.message });
    if (error.code === "forbidden") await recordProxyAnswer(site.store.db, { repository, reference }, undefined);
    site.count("failed");
    site.log.warn({ repository, reference, code: error.code, reason: error.message }, "a proxy cache could not fetch");
    return refuseFailed(error, `"${repository}:${reference}"`);
  }
}

async function keep(
  { store }: ManifestSite,
  { repository, reference, place }: ManifestWish,
  found: { readonly digest: Digest; readonly mediaType: string; readonly bytes: Buffer },
): Promise<Refusal | undefined> {
  const { digest, mediaType, bytes } = found;
  const tags = reference === digest ? [] : [reference];
  const input = { repository, reference: digest, tags, mediaType, bytes, actor: proxyActor, isPartial: true };
  const stored = await storeManifest(store, input);
  if (isRefusal(stored))
    // A quota or a pinned tag is ours to tell; what is wrong with the document is the upstream's.
    return stored.refusal === "DENIED"
      ? stored
      : refuse("UNKNOWN", `Cannot take what "${place.peer.name}" gave: ${stored.message}`, { status: 502 });
  await addAuditEvent(store.db, {
    actor: proxyActor,
    action: "proxy.stored",
    subject: `${repository}@${digest}`,
    project: place.proxy.project,
    details: { peer: place.peer.name, from: place.remoteName, tags },
  });
  return undefined;
}

/** The peer does not have it any more: its tag goes here too, what it named stays for those who know the digest. */
async function forget({ store, count }: ManifestSite, wish: ManifestWish): Promise<Refusal> {
  const { repository, reference } = wish;
  await recordProxyAnswer(store.db, { repository, reference }, undefined);
  if (parseDigest(reference) === undefined)
    await store.transaction(
      async (db) => await moveTag(db, { repository, tag: reference, to: undefined, actor: proxyActor }),
    );
  count("missing");
  return missing(wish);
}

/** Source: RFC 9111 sections 5.1 and 5.5; clients that know neither header lose nothing. */
function stale(site: ManifestSite, old: ManifestWish & LocalState & { readonly reason: string }): Freshness {
  const { repository, reference, answer, reason } = old;
  site.count("stale");
  site.log.info({ repository, reference, reason }, "a proxy cache serves what it has: the upstream failed");
  const ageSeconds = answer === undefined ? undefined : Math.max(0, Math.floor((nowMs() - answer.checkedAt) / 1000));
  const since = answer === undefined ? "" : `; checked ${isoSeconds(answer.checkedAt)}`;
  return {
    headers: {
      warning: `110 - "Response is stale: the upstream failed${since}"`,
      ...(ageSeconds === undefined ? {} : { age: String(ageSeconds) }),
    },
  };
}

function missing({ repository, reference, place }: ManifestWish): Refusal {
  return refuse(
    "MANIFEST_UNKNOWN",
    `Cannot find the manifest "${reference}": "${place.peer.name}" has none in "${place.remoteName}", from where "${repository}" comes`,
  );
}
