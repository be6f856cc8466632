import { createGunzip } from "node:zlib";
import { Readable } from "node:stream";
import { ageMs, nowMs } from "../base/clock.ts";
import { Failure, systemCodeOf } from "../base/errors.ts";
import { findMirrorEntry, type MirrorEntry, type MirrorEntryName } from "../store/mirror-entry-records.ts";
import { claimText, openClaimCheck } from "./claims.ts";
import { type DocumentAsk, type Location } from "./format.ts";
import { checkAllowed } from "./allowed.ts";
import { confirmEntry, isDiskFull, keepEntry, placeOfLeaf } from "./kept-entries.ts";
import { type Leaf } from "./repositories.ts";
import { isOfUpstream, recordMismatch, shared, type Site, tellStale } from "./site.ts";
import { type UpstreamResponse } from "./upstream.ts";
import { patiently } from "./patience.ts";

/** An upstream's or our own document as it is here. */
export interface HeldDocument {
  readonly entry: MirrorEntry & { readonly digest: NonNullable<MirrorEntry["digest"]> };
  readonly outcome: "hit" | "fetched" | "stale";
  /** Why it is stale. */
  readonly reason?: string;
}

/** Metadata is held in memory while it is worked on. */
const documentBytesMax = 256 * 1024 * 1024;

/**
 * Sees that a leaf's document is here and as fresh as it must be; undefined where there is none.
 *
 * @throws Failure of the upstream where nothing is here that could be given out instead
 */
export async function holdDocument(site: Site, leaf: Leaf, ask: DocumentAsk): Promise<HeldDocument | undefined> {
  const { settings } = leaf;
  const isHosted = settings.kind === "hosted";
  const key = isHosted ? (ask.hostedSource ?? ask.source) : ask.source;
  const entry = await findWhole(site, { repository: settings.name, kind: "document", key });
  if (isHosted) return held(entry, "hit");
  if (entry?.digest === undefined) {
    // A client may have asked for it before the format does; what never changes is not asked for again.
    const file = await findWhole(site, { repository: settings.name, kind: "file", key });
    if (file?.digest !== undefined && file.lifetime === "immutable") return held({ ...file, kind: "document" }, "hit");
  }
  const isOffline = settings.isOffline || site.isOffline;
  const freshSeconds = entry?.digest === undefined ? settings.missingSeconds : settings.metadataSeconds;
  if (isOffline || (entry !== undefined && ageMs(entry.checkedAt) < freshSeconds * 1000)) return held(entry, "hit");
  const work = shared(
    site,
    `document ${placeOfLeaf(leaf)} ${key}`,
    async () => await refresh(site, leaf, { ask, entry }),
  );
  if (entry?.digest === undefined) return await work;
  try {
    const fresh = await patiently(work, site.patienceMs);
    return fresh === "slow" ? stale(site, entry, "the upstream is slow") : fresh;
  } catch (error) {
    const isTooOld = nowMs() - entry.checkedAt > settings.staleSeconds * 1000;
    if (!(isOfUpstream(error) || isDiskFull(error)) || isTooOld) throw error;
    return stale(site, entry, error);
  }
}

/** An entry whose bytes are really there: what was put aside as damaged is fetched again. */
async function findWhole({ store, log }: Site, name: MirrorEntryName): Promise<MirrorEntry | undefined> {
  const entry = await findMirrorEntry(store.db, name);
  if (entry?.digest === undefined || (await store.blobs.stat(entry.digest)) !== undefined) return entry;
  log.error({ ...name, digest: entry.digest }, "a document of the mirror is missing from the blob store");
  return undefined;
}

function held(entry: MirrorEntry | undefined, outcome: HeldDocument["outcome"]): HeldDocument | undefined {
  const { digest } = entry ?? {};
  return entry === undefined || digest === undefined ? undefined : { entry: { ...entry, digest }, outcome };
}

function stale(site: Site, entry: MirrorEntry, reason: Failure | string): HeldDocument | undefined {
  tellStale(site, entry, reason);
  const old = held(entry, "stale");
  return old === undefined ? undefined : { ...old, reason: typeof reason === "string" ? reason : reason.message };
}

interface Known {
  readonly ask: DocumentAsk;
  readonly entry: MirrorEntry | undefined;
}

async function refresh(site: Site, leaf: Leaf, known: Known): Promise<HeldDocument | undefined> {
  const location = await leaf.format.locate(known.ask, site.readerOf(leaf));
  if (location === undefined) return await forget(site, leaf, known);
  try {
    const found = await fetchFrom(site, leaf, { ...known, location });
    if (found !== "absent") return found;
  } catch (error) {
    await recordMismatch(site, { repository: leaf.settings.name, key: known.ask.source, failure: error });
    const isWrong = error instanceof Failure && error.code === "digest_mismatch";
    if (!isWrong || location.otherwise === undefined) throw error;
  }
  if (location.otherwise === undefined) return await forget(site, leaf, known);
  const second = await fetchFrom(site, leaf, { ...known, location: { ...location, url: location.otherwise } });
  return second === "absent" ? await forget(site, leaf, known) : second;
}

interface Located extends Known {
  readonly location: Location;
}

async function fetchFrom(site: Site, leaf: Leaf, located: Located): Promise<HeldDocument | undefined | "absent"> {
  const { entry, location } = located;
  const upstream = site.upstreamOf(leaf);
  const url = upstream.resolve(location.url);
  checkAllowed(leaf.settings, url);
  const isHere = entry?.digest !== undefined;
  const { claim } = location;
  if (isHere && claim !== undefined && claimText(claim) === entry.claim) return held(entry, "hit");
  // What must have another digest now is not asked whether it is still the same.
  const isAsked = isHere && claim === undefined;
  const answer = await upstream.fetch({
    url,
    accept: location.accept,
    // What is claimed is the file, and some servers call a packed index packed for the way.
    mayCompress: claim === undefined,
    signal: site.signal,
    ...(isAsked ? { etag: entry.etag, modified: entry.modified } : {}),
  });
  if (answer.status === 404) return "absent";
  if (answer.status === 304 && isAsked) {
    answer.discard();
    const now = { checkedAt: nowMs(), etag: entry.etag, modified: entry.modified };
    await confirmEntry(site, leaf, { entry, now });
    return held({ ...entry, ...now }, "hit");
  }
  // Nothing was asked that "not changed", or a part, could answer: taken for the whole it would be an empty document.
  if (answer.status !== 200) {
    answer.discard();
    throw new Failure(
      "upstream_unreachable",
      `Cannot fetch "${answer.url.href}": it answered ${answer.status} unasked`,
      {
        details: { status: answer.status },
      },
    );
  }
  return await keep(site, leaf, { ...located, answer });
}

/** The upstream has it no more, or never had it. */
async function forget(site: Site, leaf: Leaf, { ask, entry }: Known): Promise<undefined> {
  await keepEntry(site, leaf, {
    repository: leaf.settings.name,
    kind: "document",
    key: ask.source,
    digest: undefined,
    sizeBytes: 0,
    mediaType: "",
    lifetime: "mutable",
    url: undefined,
    etag: undefined,
    modified: undefined,
    claim: undefined,
    subject: entry?.subject ?? ask.subject?.name,
    version: undefined,
    publishedAt: undefined,
    fetchedAt: nowMs(),
    checkedAt: nowMs(),
  });
}

interface Arrived extends Located {
  readonly answer: UpstreamResponse;
}

async function keep(site: Site, leaf: Leaf, arrived: Arrived): Promise<HeldDocument | undefined> {
  const { ask, entry, location, answer } = arrived;
  const { store } = site;
  const check = openClaimCheck(location.claim, leaf.format);
  const what = `"${answer.url.href}"`;
  let receivedBytes = 0;
  const decoded = location.claim === undefined ? decode(answer) : answer.body;
  const body = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of decoded) {
      check.update(chunk);
      receivedBytes += chunk.byteLength;
      yield chunk;
    }
  };
  const stored = await store.blobs.put(body(), { limitBytes: documentBytesMax });
  site.count.bytes(receivedBytes);
  await check.finish(async () => await store.blobs.localPath(stored.digest), what);
  const at = nowMs();
  const fresh: MirrorEntry = {
    repository: leaf.settings.name,
    kind: "document",
    key: ask.source,
    ...stored,
    mediaType: answer.headers["content-type"] ?? "application/octet-stream",
    lifetime: "mutable",
    url: answer.url.href,
    etag: answer.headers.etag,
    modified: answer.headers["last-modified"],
    claim: location.claim === undefined ? undefined : claimText(location.claim),
    subject: ask.subject?.name ?? entry?.subject,
    version: ask.subject?.version ?? entry?.version,
    publishedAt: location.publishedAt,
    fetchedAt: at,
    checkedAt: at,
  };
  await store.blobs.holding([stored.digest], async () => await keepEntry(site, leaf, fresh));
  return held(fresh, entry?.digest === stored.digest ? "hit" : "fetched");
}

/** A document is stored as what it means, not as it was packed for the way. */
function decode(answer: UpstreamResponse): AsyncIterable<Uint8Array> {
  const encoding = answer.headers["content-encoding"]?.toLowerCase() ?? "identity";
  if (encoding === "identity") return answer.body;
  if (encoding !== "gzip" && encoding !== "x-gzip") {
    answer.discard();
    throw new Failure("upstream_unreachable", `Cannot read "${answer.url.href}": it is encoded as "${encoding}"`, {
      details: { hasBegun: true },
    });
  }
  return inflated(answer);
}

async function* inflated(answer: UpstreamResponse): AsyncGenerator<Uint8Array> {
  const source = Readable.from(answer.body, { objectMode: false });
  const gunzip = source.pipe(createGunzip());
  source.once("error", (error) => gunzip.destroy(error));
  try {
    for await (const chunk of gunzip) yield chunk as Buffer;
  } catch (error) {
    if (systemCodeOf(error)?.startsWith("Z_") !== true) throw error;
    throw new Failure("upstream_unreachable", `Cannot read "${answer.url.href}": its gzip is damaged`, {
      details: { hasBegun: true },
      cause: error,
    });
  } finally {
    source.destroy();
  }
}
