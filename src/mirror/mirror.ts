/**
 * The mirror is where packages of all ecosystems come from: proxies of other servers, repositories of our own, groups.
 *
 * It owns the formats, the cache of what upstreams gave, and everything that is published here. It promises that one
 * fetch serves however many ask, that bytes which are not what their ecosystem says never arrive whole and are never
 * kept, that a name which is ours is not told to an upstream, that a hit parses and compresses nothing, and that what
 * is here is given out while an upstream fails.
 */
import { nowMs } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { type Log } from "../base/log.ts";
import { type SecretBox } from "../base/secret-box.ts";
import { expireMissingEntries } from "../store/mirror-entry-records.ts";
import { type Store } from "../store/store.ts";
import { answerRead } from "./answers.ts";
import {
  type MirrorAnswer,
  type MirrorCounts,
  type MirrorPolicy,
  type MirrorRead,
  type MirrorRepository,
  type MirrorRepositoryChange,
  type MirrorWrite,
  type NewMirrorRepository,
  type Outcome,
} from "./contract.ts";
import { type Format, type FormatName, type PackageFacts, type Subject } from "./format.ts";
import { formats as allFormats } from "./formats.ts";
import { openKnownBases } from "./known-bases.ts";
import { openReader } from "./reader.ts";
import { openRenderingRoom } from "./rendering-room.ts";
import { type Leaf, openRepositories, type Repositories } from "./repositories.ts";
import { placeOf } from "./repository-places.ts";
import { type Site } from "./site.ts";
import { openUpstream, type Upstream } from "./upstream.ts";
import { openUses } from "./uses.ts";
import { factsOfSubject } from "./verdicts.ts";
import { takeWrite } from "./writes.ts";

export type {
  Exchange,
  MirrorAnswer,
  MirrorCounts,
  MirrorPolicy,
  MirrorRepository,
  MirrorRepositoryChange,
  NewMirrorRepository,
} from "./contract.ts";
export type { Format, FormatName } from "./format.ts";
export { formatNames } from "./format.ts";
export type { ClientSetup } from "./format.ts";
export { formats } from "./formats.ts";
export { cleanMirror, type CleanReport, type CleanRequest } from "./care/clean.ts";
export { openHealthWatch, type MirrorHealth } from "./care/health.ts";
export { readLockFile } from "./care/locks/lock-file.ts";
export { prefetch, type PrefetchReport } from "./care/prefetch.ts";
export { detect, type Detection } from "./detect/detect.ts";
export type { Proposal } from "./detect/proposals.ts";
export type { KnownAdvisory } from "./policy/judge.ts";
export { type AdvisorySource, openPolicy, type PolicyBook, type PolicyCheck } from "./policy/policy.ts";
export { readPurl } from "./policy/purl.ts";
export { mirrorRulesSchema, ownRulesSchema } from "./policy/rules.ts";

/** The package mirror of a store. */
export interface Mirror {
  list(): Promise<MirrorRepository[]>;
  get(name: string): Promise<MirrorRepository | undefined>;
  /** @throws Failure `usage`, `conflict` */
  create(repository: NewMirrorRepository, actor: string): Promise<MirrorRepository>;
  /** @throws Failure `usage`, `not_found` */
  change(name: string, change: MirrorRepositoryChange, actor: string): Promise<MirrorRepository>;
  /** Removes a repository with all that it names; false where there is none. @throws Failure `conflict` for a member */
  remove(name: string, actor: string): Promise<boolean>;
  /** The format of a repository, as its settings make it; undefined where there is no such repository. */
  formatOf(name: string): Format | undefined;
  /** What is known of a package, and asked of upstreams where it is not; undefined where nothing is. @throws Failure `not_found` */
  factsOf(repository: string, subject: Subject): Promise<PackageFacts | undefined>;
  /** Answers a read. @throws Failure `not_found` where there is no such repository */
  answer(read: MirrorRead): Promise<MirrorAnswer>;
  /** Takes a write. @throws Failure `not_found` where there is no such repository, and those of its body */
  write(write: MirrorWrite): Promise<MirrorAnswer>;
  /** Which repository stands for an address, and the path below it, with its query; the longest prefix wins. */
  repositoryFor(address: string): Promise<{ readonly repository: string; readonly path: string } | undefined>;
  counts(): MirrorCounts;
  /** Ends downloads and writes down what is in memory. */
  close(): Promise<void>;
}

/** What the mirror stands on. */
export interface MirrorOptions {
  readonly store: Store;
  readonly box: SecretBox;
  readonly log: Log;
  /** Whether no upstream is asked at all. */
  readonly isOffline?: boolean;
  readonly policy?: MirrorPolicy;
  /** Of the program: what another version rendered is rendered anew. */
  readonly version: string;
  /** By default all. */
  readonly formats?: ReadonlyMap<FormatName, Format>;
  /** No byte of an upstream for this long ends a request; default 30 s. */
  readonly idleMs?: number;
  /** No byte of what a client publishes for this long ends its request; default 60 s. */
  readonly bodyIdleMs?: number;
  /** How long clients wait for an upstream where something older is there; default 5 s. */
  readonly patienceMs?: number;
}

/** Opens the mirror of a store. */
export async function openMirror(options: MirrorOptions): Promise<Mirror> {
  const { store, log } = options;
  const closing = new AbortController();
  const tally = openTally();
  const upstreams = new Map<string, OpenedUpstream>();
  const forgetUpstream = (name: string): void => {
    // Requests that are under way keep their connections until they end.
    upstreams.delete(name);
    site.used.delete(name);
    site.epochs.set(name, (site.epochs.get(name) ?? 0) + 1);
  };
  const formats = options.formats ?? allFormats;
  const repositories = await openRepositories({ store, box: options.box, formats, onChanged: forgetUpstream });
  const site: Site = {
    store,
    log,
    repositories,
    uses: openUses(store, log),
    policy: options.policy,
    room: openRenderingRoom(),
    bases: openKnownBases(store),
    isOffline: options.isOffline ?? false,
    version: options.version,
    signal: closing.signal,
    upstreamOf: (leaf) => upstreamOf(leaf, { upstreams, repositories, options, onRequest: tally.request }),
    readerOf: (leaf, sources) => openReader(site, leaf, sources),
    flows: new Map(),
    underWay: new Map(),
    facts: new Map(),
    count: tally.count,
    used: new Map(),
    turns: new Map(),
    epochs: new Map(),
    bodyIdleMs: options.bodyIdleMs ?? limits.upstreamIdleMs,
    patienceMs: options.patienceMs ?? 5000,
  };
  const expiry = setInterval(() => void dropMissing(site), missingKeptMs).unref();
  return {
    list: async () => [...repositories.list()],
    get: async (name) => repositories.get(name)?.settings,
    create: repositories.create,
    change: repositories.change,
    remove: repositories.remove,
    formatOf: (name) => repositories.get(name)?.format,
    factsOf: async (name, subject) => await factsOfSubject(site, must(site, name), subject),
    answer: async (read) => await answerRead(site, must(site, read.repository), read),
    write: async (write) => await takeWrite(site, must(site, write.repository), write),
    repositoryFor: async (address) => placeOf(repositories, address),
    counts: tally.counts,
    async close() {
      clearInterval(expiry);
      closing.abort();
      await Promise.allSettled([...site.flows.values()].map(async ({ flow }) => await flow.done));
      await Promise.allSettled([...site.underWay.values(), ...site.turns.values()]);
      for (const { upstream } of upstreams.values()) upstream.close();
      await site.room.close();
      await site.uses.close();
    },
  };
}

/** @throws Failure `not_found` */
function must({ repositories }: Site, name: string): Leaf {
  const found = repositories.get(name);
  if (found === undefined) throw new Failure("not_found", `Cannot find the repository "${name}" of the mirror`);
  return found;
}

const upstreamIdleMs = 30_000;

interface OpenedUpstream {
  readonly upstream: Upstream;
  /** What it was opened with. */
  readonly by: string;
}

interface Opening {
  readonly upstreams: Map<string, OpenedUpstream>;
  readonly repositories: Repositories;
  readonly options: MirrorOptions;
  readonly onRequest: () => void;
}

function upstreamOf(leaf: Leaf, { upstreams, repositories, options, onRequest }: Opening): Upstream {
  const { name, upstream: address, allowPrivate } = leaf.settings;
  const { authorization } = leaf;
  const by = JSON.stringify([address, authorization, allowPrivate]);
  const known = upstreams.get(name);
  if (known?.by === by) return known.upstream;
  const idleMs = options.idleMs ?? upstreamIdleMs;
  const opened = openUpstream({ address, authorization, allowPrivate, idleMs, onRequest });
  // A request that began before a change must not bring back what was changed.
  if (repositories.get(name) === leaf) upstreams.set(name, { upstream: opened, by });
  return opened;
}

/** A "no" is kept no longer than a day, whatever the repository says. */
const missingKeptMs = 24 * 60 * 60_000;

async function dropMissing({ store, log }: Site): Promise<void> {
  await expireMissingEntries(store.db, nowMs() - missingKeptMs).catch((error: unknown) =>
    log.error({ err: error }, "old answers of upstreams could not be dropped"),
  );
}

function openTally() {
  const requests: Record<Outcome, number> = {
    hit: 0,
    fetched: 0,
    stale: 0,
    missing: 0,
    denied: 0,
    failed: 0,
    fixed: 0,
  };
  let [upstreamRequests, fetchedBytes, renderings] = [0, 0, 0];
  return {
    count: {
      outcome: (outcome: Outcome) => void (requests[outcome] += 1),
      bytes: (byteCount: number) => void (fetchedBytes += byteCount),
      rendering: () => void (renderings += 1),
    },
    request: () => void (upstreamRequests += 1),
    counts: (): MirrorCounts => ({ requests: { ...requests }, upstreamRequests, fetchedBytes, renderings }),
  };
}
