import { Failure } from "../base/errors.ts";
import { type Log } from "../base/log.ts";
import { addAuditEvent } from "../store/event-records.ts";
import { type MirrorEntryName } from "../store/mirror-entry-records.ts";
import { type Store } from "../store/store.ts";
import { type MirrorPolicy, type Outcome } from "./contract.ts";
import { type PackageFacts, type UpstreamReader } from "./format.ts";
import { type RunningFile } from "./file-download.ts";
import { type KnownBases } from "./known-bases.ts";
import { type Leaf, type Repositories } from "./repositories.ts";
import { type RenderingRoom } from "./rendering-room.ts";
import { type Upstream } from "./upstream.ts";
import { type Uses } from "./uses.ts";

/** What the parts of the mirror share. */
export interface Site {
  readonly store: Store;
  readonly log: Log;
  readonly repositories: Repositories;
  readonly uses: Uses;
  readonly policy: MirrorPolicy | undefined;
  readonly room: RenderingRoom;
  /** The addresses that renderings are stored for. */
  readonly bases: KnownBases;
  /** Whether no upstream is asked at all. */
  readonly isOffline: boolean;
  /** What renderings of another version of the program are not taken for. */
  readonly version: string;
  /** Ends downloads. */
  readonly signal: AbortSignal;
  /** The upstream of a proxy. */
  readonly upstreamOf: (leaf: Leaf) => Upstream;
  /** Opens the documents of a leaf to its format; what it reads is added to `sources`. */
  readonly readerOf: (leaf: Leaf, sources?: Set<string>) => UpstreamReader;
  /** Downloads under way, by repository and key. */
  readonly flows: Map<string, RunningFile>;
  /** Other work under way, by what it is for: who asks for the same waits for the first. */
  readonly underWay: Map<string, Promise<unknown>>;
  /** Facts by format and digest of their document, those used last. */
  readonly facts: Map<string, PackageFacts | undefined>;
  readonly count: { outcome(outcome: Outcome): void; bytes(byteCount: number): void; rendering(): void };
  /** Bytes of repositories that have a quota, and when they were counted. */
  readonly used: Map<string, { bytes: number; readonly countedAt: number }>;
  /** The last write to each repository that is not done. */
  readonly turns: Map<string, Promise<void>>;
  /** How often what is hosted has changed around a repository: what was read before may be old. */
  readonly epochs: Map<string, number>;
  /** No byte of what a client publishes for this long ends its request. */
  readonly bodyIdleMs: number;
  /** How long clients wait for an upstream where something older is there to be given out. */
  readonly patienceMs: number;
}

/** Logs and audits bytes that are not what their ecosystem says; they are dropped. */
export async function recordMismatch(
  { store, log }: Site,
  { repository, key, failure }: { readonly repository: string; readonly key: string; readonly failure: unknown },
): Promise<void> {
  if (!(failure instanceof Failure) || failure.code !== "digest_mismatch") return;
  const { message, details } = failure;
  log.error({ repository, key, ...details }, "an upstream gave bytes that are not what was promised");
  const subject = `${repository} ${key}`;
  await addAuditEvent(store.db, {
    actor: "mirror",
    action: "mirror.mismatch",
    subject,
    details: { ...details, message },
  });
}

/** Tells that something old is given out; an upstream that rests has been told of already. */
export function tellStale({ log }: Site, { repository, key }: MirrorEntryName, reason: Failure | string): void {
  const isResting = typeof reason !== "string" && reason.details["isResting"] === true;
  const text = typeof reason === "string" ? reason : reason.message;
  log[isResting ? "debug" : "warn"]({ repository, key, reason: text }, "the mirror gives out what it has");
}

/** Runs `work` once for all who ask for the same at the same time. */
export async function shared<T>(site: Site, key: string, work: () => Promise<T>): Promise<T> {
  const running = site.underWay.get(key) as Promise<T> | undefined;
  if (running !== undefined) return await running;
  const turn = work().finally(() => site.underWay.delete(key));
  site.underWay.set(key, turn);
  return await turn;
}

/** Whether a failure is the upstream's and not ours: then what is here may be given out instead. */
export function isOfUpstream(error: unknown): error is Failure {
  return (
    error instanceof Failure &&
    ["upstream_unreachable", "rate_limited", "forbidden", "digest_mismatch", "too_large"].includes(error.code)
  );
}
