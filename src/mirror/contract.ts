import { type Readable } from "node:stream";
import { type Digest } from "../model/digest.ts";
import { type Claim, type FormatName, type PackageFacts, type Subject, type WriteRequest } from "./format.ts";

/** A repository of packages as it is chosen and shown. */
export interface MirrorRepository {
  /** `[a-z0-9][a-z0-9._-]*`, at most 64 characters. */
  readonly name: string;
  readonly format: FormatName;
  readonly kind: "proxy" | "hosted" | "group";
  /**
   * Where a proxy's content comes from. It may be given with `user:password@`, or `:token@` for a bearer token;
   * both are stored sealed and never shown.
   */
  readonly upstream?: string;
  /** The members of a group in order; hosted members always rank first. */
  readonly members?: readonly string[];
  /** Whether no upstream is asked: what is here is all there is. */
  readonly isOffline: boolean;
  /** How long mutable content is believed before the upstream is asked again. */
  readonly metadataSeconds: number;
  /** How long a "no" of the upstream is believed. */
  readonly missingSeconds: number;
  /** How long after it was last right content is given out while the upstream fails. */
  readonly staleSeconds: number;
  readonly quotaBytes?: number;
  /** Hosts that may be fetched from, of raw proxies; `path` is a pattern over the path of the address. */
  readonly allowed?: readonly { readonly host: string; readonly path: string; readonly sha256?: string }[];
  /** Whether everybody may read. */
  readonly isPublic: boolean;
  /** Whether the upstream may send us to private addresses. */
  readonly allowPrivate: boolean;
  /** Patterns over names that are never asked of an upstream, beside those that hosted neighbours have. */
  readonly reserved?: readonly string[];
  /** Go: the name of the checksum database behind the upstream, where that is not told by its address. */
  readonly checksumDatabase?: string;
  /** Names that hosted neighbours have and that upstreams are asked for all the same. */
  readonly shared?: readonly string[];
}

/** What a repository is made of; what is left out gets its default. */
export type NewMirrorRepository = Pick<MirrorRepository, "name" | "format" | "kind"> & Partial<MirrorRepository>;

/** What may be changed of a repository. */
export type MirrorRepositoryChange = Partial<Omit<MirrorRepository, "name" | "format" | "kind">>;

/** A request to read. */
export interface MirrorRead {
  readonly method: "GET" | "HEAD";
  readonly repository: string;
  /** What follows the repository's address, without a slash at its beginning, percent-encoding kept. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: {
    readonly accept?: string;
    readonly range?: string;
    readonly "if-range"?: string;
    readonly "if-none-match"?: string;
    readonly "if-modified-since"?: string;
    readonly "accept-encoding"?: string;
  };
  /** The repository's address as this client uses it, without a slash at its end. */
  readonly base: string;
  readonly actor: string;
}

/** A request to write. */
export interface MirrorWrite extends WriteRequest {
  readonly repository: string;
  /** The repository's address as this client uses it, without a slash at its end. */
  readonly base: string;
  readonly actor: string;
  /** False lets only questions through, which change nothing; default true. */
  readonly mayPublish?: boolean;
}

/** How a request was met. */
export type Outcome = "hit" | "fetched" | "stale" | "missing" | "denied" | "failed" | "fixed";

/** What was given out: what a sealed build records. */
export interface Exchange {
  /** As it was asked. */
  readonly repository: string;
  readonly format: FormatName;
  /** The key of a file; source, `#` and variant of a document; the path of anything else. */
  readonly key: string;
  readonly status: number;
  /** Of the whole body before any compression, also where a part of it was sent. */
  readonly digest?: Digest;
  readonly sizeBytes?: number;
  readonly mediaType?: string;
  /** Where it came from, redirects followed. */
  readonly url?: string;
  readonly outcome: Outcome;
  readonly claim?: Claim & { readonly state: "verified" };
  readonly subject?: Subject;
  readonly purl?: string;
  readonly reason?: string;
}

/** An answer before it is sent. */
export interface MirrorAnswer {
  readonly status: number;
  /** What stands after the status in the first line. */
  readonly statusText?: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** A stream breaks off with an error where the bytes turn out to be wrong. */
  readonly body: Readable | Buffer | undefined;
  /** Known when the body has been given out, or broke off; never rejects. */
  readonly exchange: Promise<Exchange>;
}

/** What policy says of a package. */
interface PolicyAnswer {
  /** Versions that are kept back, with the reason; `*` stands for all of them and for the name itself. */
  readonly withheld: ReadonlyMap<string, string>;
  /** When the answer may change by itself, in milliseconds since 1970. */
  readonly until: number | undefined;
  /** Changes whenever rules do. */
  readonly generation: string;
}

/** Keeps versions back. It is asked for documents and for files, also those that are here already. */
export interface MirrorPolicy {
  judge(question: {
    readonly repository: MirrorRepository;
    readonly name: string;
    readonly facts: PackageFacts | undefined;
    /** The version whose file is asked for; then only it need be judged, and being asked counts as a use. */
    readonly version?: string;
  }): Promise<PolicyAnswer>;
  /** Waits until {@link generation} knows of what others changed, where that was not looked at for a while. */
  refreshed?(): Promise<void>;
  /**
   * The generation that {@link judge} would answer now, from memory: what was made under it is given out unasked.
   *
   * Empty where no rule concerns the repository; then nothing is judged.
   */
  generation(repository: MirrorRepository): string;
}

/** Requests and bytes since the start. */
export interface MirrorCounts {
  readonly requests: Readonly<Record<Outcome, number>>;
  readonly upstreamRequests: number;
  readonly fetchedBytes: number;
  readonly renderings: number;
}
