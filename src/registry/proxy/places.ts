import { nowMs } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import { type Glob, readGlob } from "../../model/glob.ts";
import { projectOf } from "../../model/permission.ts";
import { type ProxyProjectRecord } from "../../store/proxy-records.ts";
import { refuse, type Refusal } from "../refusal.ts";
import { type OpenPeer, type Peers } from "../remote/peers.ts";
import { type Upstreams } from "./upstreams.ts";

/** Where the content of a repository comes from. */
export interface Place {
  readonly proxy: ProxyProjectRecord;
  readonly peer: OpenPeer;
  /** The repository's name at the peer. */
  readonly remoteName: string;
}

/** The proxy projects of a site, in memory: requests of other projects pay one look into a map. */
export interface Places {
  /** Replaces what is known. */
  set(proxies: readonly ProxyProjectRecord[]): void;
  /** Takes away a project whose row is gone. */
  forget(project: string): void;
  project(name: string): ProxyProjectRecord | undefined;
  mirrorOf: Upstreams["mirrorOf"];
  /** Finds where a repository comes from, or why it does not. */
  find(repository: string): Promise<Place | Refusal>;
}

/** Opens the places; peers are asked in haste, since clients wait. */
export function openPlaces(peers: Peers): Places {
  let byProject = new Map<string, { readonly proxy: ProxyProjectRecord; readonly allowed: readonly Glob[] }>();
  return {
    set(proxies) {
      byProject = new Map(
        proxies.map((proxy) => [proxy.project, { proxy, allowed: proxy.allowed.flatMap((one) => globOf(one) ?? []) }]),
      );
    },
    forget: (project) => void byProject.delete(project),
    project: (name) => byProject.get(name)?.proxy,
    async mirrorOf(host, repository) {
      const proxies = [...byProject.values()].map(({ proxy }) => proxy);
      const chosen = proxies.filter((proxy) => proxy.mirroredHost === host);
      if (chosen.length > 0) return nearest(chosen, repository);
      // Who names the project in the path, as `override_path` of containerd does, means what stands there.
      if (byProject.has(projectOf(repository))) return undefined;
      const others = proxies.filter((proxy) => proxy.mirroredHost === undefined);
      const open = others.map(async (proxy) => ({ proxy, peer: await peers.open(proxy.peer, "hasty") }));
      const fitting = (await Promise.all(open)).filter(({ peer }) => isPeerOf(peer, host)).map(({ proxy }) => proxy);
      return nearest(fitting, repository);
    },
    async find(repository) {
      const found = byProject.get(projectOf(repository));
      if (found === undefined) return unknown(repository);
      const { proxy, allowed } = found;
      const rest = repository.slice(proxy.project.length + 1);
      if (rest === "") return unknown(repository);
      const peer = await peers.open(proxy.peer, "hasty");
      const name = proxy.namespace === "" ? rest : `${proxy.namespace}/${rest}`;
      const remoteName = peer.kind === "docker-hub" && !name.includes("/") ? `library/${name}` : name;
      if (proxy.allowed.length > 0 && !allowed.some((glob) => glob.matches(remoteName)))
        return refuse("DENIED", `Cannot fetch "${remoteName}": the project "${proxy.project}" does not let it through`);
      return { proxy, peer, remoteName };
    },
  };
}

/** Our name of a repository of a host: in the project whose namespace is the longest that the name begins with. */
function nearest(proxies: readonly ProxyProjectRecord[], repository: string): string | undefined {
  const prefixOf = ({ namespace }: ProxyProjectRecord): string => (namespace === "" ? "" : `${namespace}/`);
  const [first] = proxies
    .filter((proxy) => repository.startsWith(prefixOf(proxy)))
    .sort((one, other) => other.namespace.length - one.namespace.length);
  return first === undefined ? undefined : `${first.project}/${repository.slice(prefixOf(first).length)}`;
}

/** Docker Hub's registry stands below the name that its images are known by. */
function isPeerOf({ kind, url }: OpenPeer, host: string): boolean {
  const own = URL.parse(url)?.host ?? "";
  return own === host || (kind === "docker-hub" && host.includes(".") && own.endsWith(`.${host}`));
}

function unknown(repository: string): Refusal {
  return refuse("NAME_UNKNOWN", `Cannot find "${repository}": a proxy cache has no repository of that name`);
}

function globOf(pattern: string): Glob | undefined {
  const glob = readGlob(pattern);
  return "invalid" in glob ? undefined : glob;
}

/** Keeps requests away from a peer for a while after it failed: nobody waits for what others found to be down. */
export interface Breaker {
  /** Asks the peer unless it failed a moment ago. */
  ask<T>(peer: OpenPeer, work: () => Promise<T>): Promise<T>;
}

const restMs = 5000;
/** Peers that want a longer pause get it. */
const restMaxMs = 15 * 60_000;

/** Opens the breaker of a site. */
export function openBreaker(): Breaker {
  // By conversation: a peer whose address or account was changed is asked at once.
  const resting = new WeakMap<OpenPeer, { readonly until: number; readonly failure: Failure }>();
  return {
    async ask(peer, work) {
      const rest = resting.get(peer);
      if (rest !== undefined && rest.until > nowMs()) throw rest.failure;
      try {
        const result = await work();
        resting.delete(peer);
        return result;
      } catch (error) {
        if (error instanceof Failure && (error.code === "upstream_unreachable" || error.code === "rate_limited")) {
          const seconds = error.details["retryAfterSeconds"];
          const pauseMs = typeof seconds === "number" ? Math.min(seconds * 1000, restMaxMs) : restMs;
          resting.set(peer, { until: nowMs() + pauseMs, failure: error });
        }
        throw error;
      }
    },
  };
}

/** Why a peer's failure is told to a client that waits; 404 only where the peer itself says so or hides it. */
export function refuseFailed(error: unknown, what: string): Refusal {
  if (!(error instanceof Failure)) throw error;
  const seconds = error.details["retryAfterSeconds"];
  const headers = { "retry-after": String(typeof seconds === "number" ? seconds : 5) };
  switch (error.code) {
    case "rate_limited":
      return refuse("TOOMANYREQUESTS", `Cannot fetch ${what}: ${error.message}`, { headers });
    case "forbidden":
      return refuse("MANIFEST_UNKNOWN", `Cannot fetch ${what}: the upstream denies it or does not have it`);
    case "upstream_unreachable":
    case "digest_mismatch":
    case "too_large":
    case "conflict":
      return refuse("UNKNOWN", `Cannot fetch ${what}: ${error.message}`, { status: 502, headers });
    default:
      throw error;
  }
}
