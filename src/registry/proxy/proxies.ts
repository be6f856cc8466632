import { nowMs } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import { type Log } from "../../base/log.ts";
import { mapParallel } from "../../base/pool.ts";
import { type Digest } from "../../model/digest.ts";
import { readGlob } from "../../model/glob.ts";
import { isRepository } from "../../model/reference.ts";
import { addAuditEvent } from "../../store/event-records.ts";
import {
  deleteProxyProject,
  expireProxyAnswers,
  listProxyProjects,
  type ProxyProjectRecord,
  putProxyProject,
} from "../../store/proxy-records.ts";
import { type Store } from "../../store/store.ts";
import { storeManifest } from "../manifest-writer.ts";
import { failureOf } from "../refusal-failure.ts";
import { isRefusal } from "../refusal.ts";
import { type Peers } from "../remote/peers.ts";
import { remoteSource } from "../replication/sources.ts";
import { findUnit } from "../replication/unit.ts";
import { type BlobSite, cacheBlob, fetchBlob, isOfPeer } from "./cached-blobs.ts";
import { cacheManifest, type ManifestSite, proxyActor } from "./cached-manifests.ts";
import { type ClientFile, proxyClientFiles } from "./clients.ts";
import { openBreaker, openPlaces, type Place, refuseFailed } from "./places.ts";
import { type Upstreams } from "./upstreams.ts";

/** A proxy cache as it is chosen and shown. */
export interface ProxyProject extends Omit<ProxyProjectRecord, "peer"> {
  /** The name of the peer. */
  readonly peer: string;
}

/** How requests to proxy caches were met, since the start. */
type ProxyOutcome = "fresh" | "fetched" | "stale" | "missing" | "failed";

/** The projects whose content comes from other registries. */
export interface Proxies {
  readonly upstreams: Upstreams;
  list(): Promise<ProxyProject[]>;
  /** Makes a project a proxy cache, or changes how it is one. @throws Failure `not_found` for the peer, `usage` */
  set(proxy: ProxyProject, actor: string): Promise<ProxyProject>;
  /** Makes it an ordinary project again; what it holds stays. False where it was none. */
  remove(project: string, actor: string): Promise<boolean>;
  /**
   * What clients have to be told so that they look here for the images of the peer.
   *
   * @param url our address as the clients use it
   * @throws Failure `not_found` where the project is no proxy cache
   */
  clientFiles(project: string, url: string): Promise<readonly ClientFile[]>;
  /** Forgets a project that was removed, with all that stood in the database. */
  forgetProject(project: string): void;
  /**
   * Fetches everything of an image that came through a proxy cache, signatures too, so that it can be judged whole.
   *
   * Nothing happens for manifests of other projects. @throws Failure of the peer
   */
  fetchWhole(repository: string, digest: Digest): Promise<void>;
  /** Whether that was done in the life of this process. */
  isWhole(repository: string, digest: Digest): boolean;
  /** Requests and bytes since the start. */
  counts(): { readonly requests: Readonly<Record<ProxyOutcome, number>>; readonly fetchedBytes: number };
  /** Stops downloads and waits for them. */
  close(): Promise<void>;
}

/** What proxy caches stand on. */
export interface ProxiesOptions {
  readonly store: Store;
  readonly peers: Peers;
  readonly log: Log;
  /** Told of a manifest before it is given out: time to fetch it whole and to judge it. */
  readonly beforePull?: (repository: string, reference: string) => Promise<void>;
}

/** Opens the proxy caches of a store. */
export async function openProxies(options: ProxiesOptions): Promise<Proxies> {
  const { store, peers, log } = options;
  const places = openPlaces(peers);
  const reload = async (): Promise<void> => places.set(await listProxyProjects(store.db));
  await reload();
  const closing = new AbortController();
  const requests: Record<ProxyOutcome, number> = { fresh: 0, fetched: 0, stale: 0, missing: 0, failed: 0 };
  const whole = new Set<string>();
  let fetchedBytes = 0;
  const shared = {
    store,
    log,
    breaker: openBreaker(),
    count: (outcome: ProxyOutcome): void => void (requests[outcome] += 1),
  };
  const manifests: ManifestSite = { ...shared, underWay: new Map() };
  const blobs: BlobSite = {
    ...shared,
    flows: new Map(),
    signal: closing.signal,
    countBytes: (byteCount) => void (fetchedBytes += byteCount),
  };
  const expiry = setInterval(() => void dropOldAnswers(store, log), missingKeptMs).unref();
  return {
    upstreams: openUpstreams({ places, manifests, blobs, beforePull: options.beforePull }),
    list: async () =>
      await Promise.all((await listProxyProjects(store.db)).map(async (one) => await shown(peers, one))),
    ...choices({ store, peers, reload }),
    async clientFiles(project, url) {
      const proxy = places.project(project);
      if (proxy === undefined)
        throw new Failure("not_found", `Cannot tell clients of "${project}": it is no proxy cache`);
      const host = proxy.mirroredHost ?? new URL((await peers.open(proxy.peer, "hasty")).url).host;
      return proxyClientFiles({ url, project, host, namespace: proxy.namespace });
    },
    forgetProject(project) {
      places.forget(project);
      for (const image of whole) if (image.startsWith(`${project}/`)) whole.delete(image);
    },
    async fetchWhole(repository, digest) {
      const place = await placeOf(places, repository);
      if (place === undefined) return;
      await fetchUnit({ manifests, blobs }, { repository, digest, place });
      if (whole.size >= rememberedCount) whole.clear();
      whole.add(`${repository}@${digest}`);
    },
    isWhole: (repository, digest) => whole.has(`${repository}@${digest}`),
    counts: () => ({ requests: { ...requests }, fetchedBytes }),
    async close() {
      clearInterval(expiry);
      closing.abort();
      await Promise.allSettled([...blobs.flows.values()].map(async (flow) => await flow.done));
    },
  };
}

interface Choosing {
  readonly store: Store;
  readonly peers: Peers;
  /** Reads the projects anew: requests go by what is in memory. */
  readonly reload: () => Promise<void>;
}

function choices({ store, peers, reload }: Choosing): Pick<Proxies, "set" | "remove"> {
  return {
    async set(proxy, actor) {
      const record = await checked(peers, proxy);
      await store.transaction(async (db) => {
        await putProxyProject(db, record);
        const { project, ...details } = proxy;
        await addAuditEvent(db, { actor, action: "project.changed", subject: project, details: { proxy: details } });
      });
      await reload();
      return await shown(peers, record);
    },
    async remove(project, actor) {
      const isGone = await store.transaction(async (db) => {
        if (!(await deleteProxyProject(db, project))) return false;
        await addAuditEvent(db, { actor, action: "project.changed", subject: project, details: { proxy: null } });
        return true;
      });
      await reload();
      return isGone;
    },
  };
}

async function dropOldAnswers({ db }: Store, log: Log): Promise<void> {
  await expireProxyAnswers(db, nowMs() - missingKeptMs).catch((error: unknown) =>
    log.error({ err: error }, "old answers of upstreams could not be dropped"),
  );
}

/** A "no" is kept no longer than a day, whatever the project says. */
const missingKeptMs = 24 * 60 * 60_000;

interface Sites {
  readonly manifests: ManifestSite;
  readonly blobs: BlobSite;
}

async function fetchUnit(
  { manifests, blobs }: Sites,
  { repository, digest, place }: { readonly repository: string; readonly digest: Digest; readonly place: Place },
): Promise<void> {
  const { store } = manifests;
  const source = remoteSource(place.peer.remote, place.remoteName, blobs.signal);
  const root = await source.manifest(digest);
  if (root === undefined)
    throw new Failure("not_found", `Cannot fetch the image ${digest} whole: "${place.peer.name}" does not have it`);
  const unit = await findUnit(source, root);
  for (const manifest of unit.manifests) {
    const tags = manifest.tag === undefined ? [] : [manifest.tag];
    const { mediaType, bytes } = manifest;
    const input = {
      repository,
      reference: manifest.digest,
      tags,
      mediaType,
      bytes,
      actor: proxyActor,
      isPartial: true,
    };
    const stored = await storeManifest(store, input);
    if (isRefusal(stored)) throw failureOf(stored);
  }
  const parts = new Set(unit.manifests.flatMap((manifest) => manifest.blobs.map((blob) => blob.digest)));
  await mapParallel([...parts], fetchCount, async (part) => {
    if (!(await fetchBlob(blobs, { repository, digest: part, place })))
      throw new Failure("not_found", `Cannot fetch the image ${digest} whole: "${place.peer.name}" lacks ${part}`);
  });
}

/** Downloads at the same time for one image. */
const fetchCount = 4;

async function placeOf(places: ReturnType<typeof openPlaces>, repository: string): Promise<Place | undefined> {
  if (places.project(repository.split("/", 1)[0]!) === undefined) return undefined;
  const place = await places.find(repository);
  return isRefusal(place) ? undefined : place;
}

/** Lists of a peer, and images that were fetched whole, that are remembered. */
const rememberedCount = 1000;

interface UpstreamsOptions extends Sites {
  readonly places: ReturnType<typeof openPlaces>;
  readonly beforePull: ProxiesOptions["beforePull"];
}

function openUpstreams({ places, manifests, blobs, beforePull }: UpstreamsOptions): Upstreams {
  const remembered = new Map<string, { readonly until: number; readonly value: Promise<unknown> }>();
  /** Asks once in the time that tags are believed; undefined where the peer fails. */
  const ask = async <T>(key: string, place: Place, work: () => Promise<T>): Promise<T | undefined> => {
    const kept = remembered.get(key);
    if (kept !== undefined && kept.until > nowMs()) return (await kept.value) as T | undefined;
    const value = blobs.breaker.ask(place.peer, work).catch((error: unknown) => {
      remembered.delete(key);
      if (!isOfPeer(error)) throw error;
      return undefined;
    });
    remembered.delete(key);
    remembered.set(key, { until: nowMs() + place.proxy.freshSeconds * 1000, value });
    const oldest = remembered.keys().next();
    if (remembered.size > rememberedCount && oldest.done !== true) remembered.delete(oldest.value);
    return await value;
  };
  return {
    serves: (repository) => places.project(repository.split("/", 1)[0]!) !== undefined,
    mirrorOf: async (host, repository) => await places.mirrorOf(host, repository),
    async manifest(repository, reference) {
      const place = await places.find(repository);
      if (isRefusal(place)) return place;
      const ready = await cacheManifest(manifests, { repository, reference, place });
      if (isRefusal(ready) || beforePull === undefined) return ready;
      try {
        await beforePull(repository, reference);
        return ready;
      } catch (error) {
        return refuseFailed(error, `"${repository}:${reference}" to judge it`);
      }
    },
    async blob(repository, digest, wish) {
      const place = await places.find(repository);
      return isRefusal(place) ? place : await cacheBlob(blobs, { ...wish, repository, digest, place });
    },
    async tags(repository) {
      const place = await places.find(repository);
      if (isRefusal(place)) return undefined;
      return await ask(`tags ${repository}`, place, async () => await place.peer.remote.tags(place.remoteName));
    },
    async referrers(repository, subject) {
      const place = await places.find(repository);
      if (isRefusal(place)) return undefined;
      const found = await ask(
        `referrers ${repository} ${subject}`,
        place,
        async () => await place.peer.remote.referrers(place.remoteName, subject),
      );
      return found?.descriptors;
    },
  };
}

async function checked(peers: Peers, { peer, ...proxy }: ProxyProject): Promise<ProxyProjectRecord> {
  const { id } = await peers.open(peer, "hasty");
  const wrong = (state: string): Failure =>
    new Failure("usage", `Cannot make "${proxy.project}" a proxy cache: ${state}`);
  if (!isRepository(proxy.project) || proxy.project.includes("/")) throw wrong("it is not the name of a project");
  if (proxy.namespace !== "" && !isRepository(proxy.namespace)) throw wrong(`"${proxy.namespace}" is not a namespace`);
  for (const pattern of proxy.allowed) {
    const glob = readGlob(pattern);
    if ("invalid" in glob) throw wrong(`the pattern "${pattern}": ${glob.invalid}`);
  }
  return { ...proxy, peer: id };
}

async function shown(peers: Peers, { peer, ...proxy }: ProxyProjectRecord): Promise<ProxyProject> {
  return { ...proxy, peer: (await peers.open(peer, "hasty")).name };
}
