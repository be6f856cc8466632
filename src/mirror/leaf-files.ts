import type { Readable } from "node:stream";
import { ageMs, nowMs } from "../base/clock.ts";
import type { Failure } from "../base/errors.ts";
import { findMirrorEntry, type MirrorEntry } from "../store/mirror-entry-records.ts";
import { adoptDocument } from "./adopted-files.ts";
import { checkAllowed } from "./allowed.ts";
import { claimText } from "./claims.ts";
import {
  beginFile,
  type Fetching,
  type FileWish,
  forgetFile,
  isStored,
  type Place,
  type RunningFile,
  type StoredEntry,
} from "./file-download.ts";
import { type FlowHead } from "./file-flow.ts";
import { type FileAsk } from "./format.ts";
import { isDiskFull, placeOfLeaf } from "./kept-entries.ts";
import { patiently } from "./patience.ts";
import { type Leaf } from "./repositories.ts";
import { isOfUpstream, shared, type Site, tellStale } from "./site.ts";

/** A file of a leaf: it is here, or it comes. */
export type FoundFile =
  | {
      readonly state: "stored";
      readonly entry: StoredEntry;
      readonly outcome: "hit" | "fetched" | "stale";
      readonly reason?: string;
    }
  | {
      readonly state: "coming";
      readonly head: FlowHead;
      /** The entry when all is stored. */
      readonly done: Promise<StoredEntry>;
      read(): Readable;
    }
  /** Only looked at; HEAD of what is not here. */
  | {
      readonly state: "seen";
      readonly sizeBytes: number | undefined;
      readonly mediaType: string;
      readonly url: string;
    };

/**
 * Finds a file of a leaf and fetches what is missing: one download however many ask; undefined where there is none.
 *
 * @throws Failure of the upstream
 */
export async function findFile(site: Site, leaf: Leaf, wish: FileWish): Promise<FoundFile | undefined> {
  const { ask } = wish;
  const { settings } = leaf;
  const entry = await findMirrorEntry(site.store.db, { repository: settings.name, kind: "file", key: ask.key });
  if (settings.kind === "hosted") return hit(entry);
  const isHere = entry?.digest !== undefined;
  const isOffline = settings.isOffline || site.isOffline;
  if (isHere && ask.lifetime === "immutable") return hit(entry);
  const freshSeconds = isHere ? settings.metadataSeconds : settings.missingSeconds;
  const isFresh = entry !== undefined && ageMs(entry.checkedAt) < freshSeconds * 1000;
  // Without a claim nobody vouches for it, so that it is as good as any that changes.
  const isVouched = ask.lifetime === "vouched" && entry?.claim !== undefined;
  if (isOffline || (isFresh && !isVouched)) return hit(entry);
  if (!isHere) return isFresh ? undefined : await fetchFile(site, leaf, { ...wish, entry: undefined });
  return await renew(site, leaf, { ...wish, entry });
}

function hit(entry: MirrorEntry | undefined): FoundFile | undefined {
  return isStored(entry) ? { state: "stored", entry, outcome: "hit" } : undefined;
}

/** Looks whether what is here is still right; gives it out where the upstream fails. */
async function renew(site: Site, leaf: Leaf, wish: Fetching): Promise<FoundFile | undefined> {
  const entry = wish.entry as StoredEntry;
  const stale = (reason: Failure | string): FoundFile => {
    tellStale(site, entry, reason);
    return { state: "stored", entry, outcome: "stale", reason: typeof reason === "string" ? reason : reason.message };
  };
  // What its document does not say any more fits nothing that clients have: they would find it damaged.
  let isOutdated = false;
  try {
    const fetching = fetchFile(site, leaf, { ...wish, onOutdated: () => void (isOutdated = true) });
    const found = await patiently(fetching, site.patienceMs);
    if (found === "slow") return isOutdated ? await fetching : stale("the upstream is slow");
    return found;
  } catch (error) {
    const isTooOld = nowMs() - entry.checkedAt > leaf.settings.staleSeconds * 1000;
    const mayBeOld = isOfUpstream(error) || isDiskFull(error);
    if (!mayBeOld || isTooOld || isOutdated) throw error;
    return stale(error);
  }
}

async function fetchFile(site: Site, leaf: Leaf, wish: Fetching): Promise<FoundFile | undefined> {
  const { ask, entry } = wish;
  const key = `${placeOfLeaf(leaf)} ${ask.key}`;
  const running = site.flows.get(key);
  if (running !== undefined) return await follow({ ...wish, file: running });
  const { place, adopted } = await shared(site, `locate ${key}`, async () => {
    const found = await locate(site, leaf, ask);
    const mayAdopt = found !== undefined && ask.lifetime === "immutable";
    return {
      place: found,
      adopted: mayAdopt ? await adoptDocument(site, leaf, { ask, claim: found.claim }) : undefined,
    };
  });
  // Another request may have begun while this one looked for the place.
  const begun = site.flows.get(key);
  if (begun !== undefined) return await follow({ ...wish, file: begun });
  if (place === undefined) return undefined;
  if (adopted !== undefined) return hit(adopted);
  const isVouched = ask.lifetime === "vouched" && place.claim !== undefined && isStored(entry);
  if (isVouched && entry.claim === claimText(place.claim)) return hit(entry);
  if (isVouched && entry.claim !== undefined) wish.onOutdated?.();
  if (wish.isHead && !isStored(entry)) return await look(site, leaf, { ...wish, place });
  const file = beginFile(site, leaf, { wish, place });
  site.flows.set(key, file);
  const end = (): void => void site.flows.delete(key);
  file.flow.done.then(end, end);
  return await follow({ ...wish, file });
}

async function locate(site: Site, leaf: Leaf, ask: FileAsk): Promise<Place | undefined> {
  const sources = new Set<string>();
  const location = await leaf.format.locate(ask, site.readerOf(leaf, sources));
  if (location === undefined) return undefined;
  const upstream = site.upstreamOf(leaf);
  const pinned = checkAllowed(leaf.settings, upstream.resolve(location.url));
  return { location, claim: pinned ?? location.claim, upstream, sources };
}

async function follow({
  isHead,
  isWhole,
  file: { flow, entry },
}: FileWish & { readonly file: RunningFile }): Promise<FoundFile | undefined> {
  const head = await flow.ready;
  if (isHead || isWhole) await flow.done;
  if (head === undefined) return undefined;
  if (head === "unchanged") return { state: "stored", entry: await entry(), outcome: "hit" };
  if (flow.isStored) return { state: "stored", entry: await entry(), outcome: "fetched" };
  const done = entry();
  done.catch(() => undefined);
  return { state: "coming", head, done, read: () => flow.read() };
}

/** HEAD of what is not here asks for no body. */
async function look(
  site: Site,
  leaf: Leaf,
  wish: Fetching & { readonly place: Place },
): Promise<FoundFile | undefined> {
  const { location, upstream } = wish.place;
  const url = upstream.resolve(location.url);
  const { signal } = site;
  const answer = await upstream.fetch({ method: "HEAD", url, accept: location.accept, mayCompress: false, signal });
  answer.discard();
  if (answer.status === 404) return await forgetFile(site, leaf, wish);
  const length = answer.headers["content-length"];
  return {
    state: "seen",
    sizeBytes: length === undefined ? undefined : Number(length),
    mediaType: wish.ask.mediaType ?? answer.headers["content-type"] ?? "application/octet-stream",
    url: answer.url.href,
  };
}
