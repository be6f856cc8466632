import { sha256Hex } from "../../base/hash.ts";
import type { ContainerfileLock, LockedRequest } from "../../model/containerfile-lock.ts";

/** A read as a build asks it, and what names its answer. */
export interface RequestKey {
  readonly method: "GET" | "HEAD";
  /** Repository and path, with the query. */
  readonly address: string;
  readonly accept: string;
}

/** An answered read. */
export interface AnsweredRequest extends RequestKey {
  readonly status: number;
  readonly sha256?: string;
  readonly sizeBytes?: number;
  readonly mediaType?: string;
  readonly purl?: string;
  /** What the ecosystem publishes of the bytes, and whether it was checked. */
  readonly claim?: { readonly algorithm: string; readonly value: string; readonly state: "verified" | "absent" };
}

/** A read that was not let through. */
export interface RefusedRequest {
  readonly method: string;
  readonly address: string;
  /** `unlocked`: a replay was asked for what its lock does not name. */
  readonly kind: "denied" | "unlocked" | "broken";
  /** A sentence that names the rule. */
  readonly reason: string;
}

/** What a build asked, while it runs and afterwards. */
export interface Requests {
  /** The answer of an earlier read of the same, or of the lock. */
  find(key: RequestKey): AnsweredRequest | undefined;
  add(answered: AnsweredRequest): void;
  refuse(refused: RefusedRequest): void;
  /** Notes which repository stood for an upstream address. */
  addUpstream(address: string, path: string, repository: string): void;
  /** The repository that stood for an address, and the path below it, as noted. */
  upstreamOf(address: string): { readonly repository: string; readonly path: string } | undefined;
  readonly answered: readonly AnsweredRequest[];
  readonly refused: readonly RefusedRequest[];
  /** How many reads came, also of what was known. */
  readonly count: number;
  /** Sorted lines for a lock. */
  locked(): Pick<ContainerfileLock, "requests" | "upstreams">;
}

/** Opens the record of one build; a replay begins with what its lock holds. */
export function openRequests(lock?: Pick<ContainerfileLock, "requests" | "upstreams">): Requests {
  const answers = new Map<string, AnsweredRequest[]>();
  const refused: RefusedRequest[] = [];
  const upstreams = new Map(lock?.upstreams.map((upstream) => [upstream.sha256, upstream]));
  let count = 0;
  const add = (answered: AnsweredRequest): void => {
    const name = nameOf(answered);
    const others = (answers.get(name) ?? []).filter(({ accept }) => accept !== answered.accept);
    answers.set(name, [...others, answered]);
  };
  for (const request of lock?.requests ?? []) add({ ...(request as AnsweredRequest), accept: request.accept ?? "" });
  const isReplay = lock !== undefined;
  return {
    find(key) {
      count++;
      const known = answers.get(nameOf(key)) ?? [];
      const exact = known.find(({ accept }) => accept === key.accept);
      // A lock names the wish only where it made a difference; a live build knows nothing of wishes it has not seen.
      const found = exact ?? (isReplay && known.length === 1 ? known[0] : undefined);
      return found ?? (key.method === "HEAD" ? headOf(answers, key) : undefined);
    },
    add,
    refuse: (one) => void refused.push(one),
    addUpstream(address, path, repository) {
      const prefix = address.slice(0, address.length - path.length);
      const isRest = address.endsWith(`/${path}`) && prefix.split("/").length > 3;
      const sha256 = sha256Hex(isRest ? prefix : address);
      upstreams.set(sha256, isRest ? { sha256, repository } : { sha256, repository, path });
    },
    upstreamOf: (address) => knownUpstream(upstreams, address),
    get answered() {
      return [...answers.values()].flat();
    },
    refused,
    get count() {
      return count;
    },
    locked: () => ({
      requests: lockedRequests(answers),
      upstreams: [...upstreams.values()].sort(
        (a, b) => order(a.repository, b.repository) || order(a.path ?? "", b.path ?? "") || order(a.sha256, b.sha256),
      ),
    }),
  };
}

function nameOf({ method, address }: RequestKey): string {
  return `${method} ${address}`;
}

/** What a GET gave tells what a HEAD of the same gives. */
function headOf(
  answers: ReadonlyMap<string, readonly AnsweredRequest[]>,
  { address, accept }: RequestKey,
): AnsweredRequest | undefined {
  const known = answers.get(`GET ${address}`) ?? [];
  return known.find((one) => one.accept === accept) ?? (known.length === 1 ? known[0] : undefined);
}

type Upstreams = ReadonlyMap<string, ContainerfileLock["upstreams"][number]>;

function knownUpstream(
  upstreams: Upstreams,
  address: string,
): { readonly repository: string; readonly path: string } | undefined {
  const whole = upstreams.get(sha256Hex(address));
  if (whole?.path !== undefined) return { repository: whole.repository, path: whole.path };
  for (let end = address.lastIndexOf("/") + 1; end > "https://".length; end = address.lastIndexOf("/", end - 2) + 1) {
    const found = upstreams.get(sha256Hex(address.slice(0, end)));
    if (found !== undefined && found.path === undefined)
      return { repository: found.repository, path: address.slice(end) };
  }
  return undefined;
}

function lockedRequests(answers: ReadonlyMap<string, readonly AnsweredRequest[]>): LockedRequest[] {
  return [...answers.values()]
    .flatMap((same) => {
      const isOne = same.every(({ sha256, status }) => sha256 === same[0]!.sha256 && status === same[0]!.status);
      return isOne ? [lockedRequest(same[0]!, false)] : same.map((one) => lockedRequest(one, true));
    })
    .sort((a, b) => order(a.address, b.address) || order(a.method, b.method) || order(a.accept ?? "", b.accept ?? ""));
}

function lockedRequest(answered: AnsweredRequest, withAccept: boolean): LockedRequest {
  const { method, address, accept, status, sha256, sizeBytes, mediaType, purl } = answered;
  return {
    method,
    address,
    ...(withAccept ? { accept } : {}),
    status,
    ...(sha256 === undefined ? {} : { sha256 }),
    ...(sizeBytes === undefined ? {} : { sizeBytes }),
    ...(mediaType === undefined ? {} : { mediaType }),
    ...(purl === undefined ? {} : { purl }),
  };
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
