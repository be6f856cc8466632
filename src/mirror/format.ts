import type { Digest } from "../model/digest.ts";

/** The package formats that the mirror speaks; one folder beside this file for each. */
export const formatNames = ["apt", "npm", "pypi", "maven", "go", "cargo", "nuget", "raw"] as const;

/** One of {@link formatNames}. */
export type FormatName = (typeof formatNames)[number];

/** A read from a repository as it came: the path is what follows the repository's own address. */
export interface MirrorRequest {
  /** Without a slash at its beginning, percent-encoding kept; neither `.` nor `..` nor an empty segment but the last. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** The `Accept` header; empty where there is none. */
  readonly accept: string;
}

/** What an artifact or a document belongs to, as its ecosystem names it: what policy judges and locks name. */
export interface Subject {
  /** In the ecosystem's normal form: `@scope/name`, `group:artifact`, a module path. */
  readonly name: string;
  readonly version?: string;
}

/**
 * How long a stored answer is right.
 *
 * - `immutable`: for ever; a hit never asks the upstream.
 * - `vouched`: as long as the document that {@link Format.locate} read says the same digest.
 * - `mutable`: for the repository's metadata time; then the upstream is asked with the validators that it gave.
 */
type Lifetime = "immutable" | "vouched" | "mutable";

/** Bytes that clients get as the upstream gave them. */
export interface FileAsk {
  readonly kind: "file";
  /** Names the answer in its repository: two requests of one key get the same bytes. */
  readonly key: string;
  readonly lifetime: Lifetime;
  readonly subject?: Subject;
  /** Given where the upstream's own type cannot be relied on. */
  readonly mediaType?: string;
}

/** Metadata that is made from what the upstreams gave: see {@link Format.render}. */
export interface DocumentAsk {
  readonly kind: "document";
  /** Names the upstream document in its repository. Several renderings share one. */
  readonly source: string;
  /** Which rendering: `full`, `html`, `json` …; a word of the format's own. */
  readonly variant: string;
  readonly subject?: Subject;
  /**
   * What a hosted repository has in the stead of `source`: where an upstream answers a question, it has the list that
   * {@link Format.render} picks the answer from. `source` is then `<hostedSource>?<question>`, so that a change of the
   * list has the answers looked at anew.
   */
  readonly hostedSource?: string;
  /** Further names that the upstream would learn by being asked, as in a search: where one is reserved, it is not asked. */
  readonly mentions?: readonly string[];
}

/** What needs no upstream: a format's configuration file, a ping, "this index is supported". */
export interface FixedAsk {
  readonly kind: "fixed";
  readonly status: number;
  readonly mediaType: string;
  /** The body, given the address of the repository and who asks. */
  readonly body: (base: string, actor?: string) => string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A path that means nothing in the format, or something that is not offered. Nobody upstream is asked. */
export interface RefusedAsk {
  readonly kind: "refused";
  readonly status: 400 | 403 | 404 | 405 | 501;
  readonly reason: string;
}

/** What a request means. */
export type Ask = FileAsk | DocumentAsk | FixedAsk | RefusedAsk;

/** What an ecosystem publishes of a file's bytes. */
export interface Claim {
  /** `h1` is Go's hash of the listing of a zip (golang.org/x/mod/sumdb/dirhash). */
  readonly algorithm: "sha512" | "sha256" | "sha1" | "md5" | "h1";
  /** Lower-case hex; base64 for `h1`. */
  readonly value: string;
}

/** Where an upstream keeps something, and what is known of it before it is fetched. */
export interface Location {
  /** Absolute, or relative to the upstream's address. */
  readonly url: string;
  readonly accept?: string;
  readonly claim?: Claim;
  /** Milliseconds since 1970. */
  readonly publishedAt?: number;
  /** Asked instead where the first address answers 404, or gives other bytes than are claimed. */
  readonly otherwise?: string;
  /** Where the metadata tells more than the path did, such as the whole version. */
  readonly subject?: Subject;
}

/** What is known of one version of a package. */
export interface VersionFacts {
  readonly version: string;
  /** When it was published, in milliseconds since 1970; undefined where the ecosystem does not say. */
  readonly publishedAt?: number;
  readonly isPrerelease?: boolean;
  readonly files: readonly FileFacts[];
}

/** What is known of one file of a version. */
export interface FileFacts {
  /** As {@link FileAsk.key} ends with it. */
  readonly name: string;
  /** Where the upstream keeps it: absolute, or relative to the upstream's address. */
  readonly url: string;
  readonly claim?: Claim;
  readonly sizeBytes?: number;
}

/** What a metadata document says of its package. */
export interface PackageFacts {
  readonly name: string;
  readonly versions: readonly VersionFacts[];
}

/** How a format reads other documents of the same upstream while it looks for something: all through the cache. */
export interface UpstreamReader {
  /** The upstream's address, with a slash at its end. */
  readonly address: string;
  /** Go: the name of the checksum database that stands behind the upstream, where the repository says it. */
  readonly checksumDatabase?: string;
  /** An upstream document as it came; undefined where the upstream does not have it. */
  read(source: string): Promise<Buffer | undefined>;
  /** The facts of a document, worked out once for each version of it. */
  facts(source: string): Promise<PackageFacts | undefined>;
  /**
   * Something that is worked out from a document once and stored: an index to look things up in.
   *
   * @returns a file that may be read in parts; undefined where the upstream does not have the document
   */
  derived(
    source: string,
    name: string,
    derive: (document: Buffer) => Uint8Array | Promise<Uint8Array>,
  ): Promise<DerivedFile | undefined>;
  /** The sources of documents and the keys of files of this upstream that are held and begin with a prefix, sorted. */
  held?(prefix: string): Promise<readonly string[]>;
}

/** A stored blob to be read in parts. */
export interface DerivedFile {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly path: string;
}

/** One upstream's or our own document that a rendering is made of. */
export interface SourceDocument {
  readonly bytes: Buffer;
  /** The `Content-Type` that it came with. */
  readonly mediaType: string;
  /** The address that it came from, for links that are relative to it. */
  readonly url: string;
  /** Whether it tells of what was published here. */
  readonly isHosted: boolean;
  /** The `Last-Modified` that it came with, in milliseconds since 1970: all that Maven knows of the age of a version. */
  readonly lastModified?: number;
}

/** What a rendering is made from. */
export interface RenderInput {
  readonly variant: string;
  readonly source: string;
  /** Those that have the document; of the same version in two, the first one counts. Never empty. */
  readonly documents: readonly SourceDocument[];
  /** The repository's address as its clients use it, without a slash at its end. */
  readonly base: string;
  /** Versions that policy keeps back, with the reason: as if they did not exist. */
  readonly withheld: ReadonlyMap<string, string>;
}

/** What clients get. */
export interface Rendered {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A denial in a format's own words, so that its client prints the reason. */
export interface DenialAnswer {
  readonly status: number;
  readonly mediaType: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** What stands after the status in the first line of the answer: all that pip shows of it. Printable ASCII. */
  readonly statusText?: string;
}

/** A write to a hosted repository. */
export interface WriteRequest {
  readonly method: "PUT" | "POST" | "DELETE" | "PATCH";
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: AsyncIterable<Uint8Array>;
}

/** What a format may look at, and where it puts bytes, while it takes a write. Writes to a repository take turns. */
export interface Shelf {
  /** The repository's address as its clients use it, without a slash at its end. */
  readonly base: string;
  /** A document as published here so far; undefined where there is none. */
  read(source: string): Promise<Buffer | undefined>;
  /** The digest of a file that is here already. */
  fileDigest(key: string): Promise<Digest | undefined>;
  /** Stores bytes; nothing shows them until a {@link Publication} names them. @throws Failure `too_large` */
  put(
    bytes: AsyncIterable<Uint8Array> | Uint8Array,
    limitBytes?: number,
  ): Promise<{ readonly digest: Digest; readonly sizeBytes: number; readonly path: string }>;
  /** The keys of the files and documents here that begin with a prefix, sorted. */
  list(prefix: string): Promise<readonly string[]>;
}

/** What a write changes; all of it is stored at once, or nothing. */
export interface Publication {
  readonly subject: Subject;
  readonly files: readonly {
    readonly key: string;
    readonly digest: Digest;
    readonly sizeBytes: number;
    readonly mediaType: string;
    readonly subject: Subject;
  }[];
  /** Documents in the form that an upstream of the format would give. */
  readonly documents: readonly { readonly source: string; readonly bytes: Uint8Array; readonly mediaType: string }[];
  /** Keys of files and documents that go. */
  readonly removed: readonly string[];
  /** What the client is told. */
  readonly answer: { readonly status: number; readonly mediaType: string; readonly body: string };
}

/** A write that is not taken, in the format's own words. */
export interface WriteRefusal {
  readonly refused: true;
  readonly status: number;
  readonly mediaType: string;
  readonly body: string;
  /** As {@link DenialAnswer.statusText}: mvn shows nothing else. */
  readonly statusText?: string;
}

/** A question that a client asks by POST, and that changes nothing: npm's audit. It is passed on, never kept. */
export interface Relay {
  /** Below the upstream's address. */
  readonly path: string;
  readonly mediaType: string;
  /** The packages that the question names. */
  readonly names: readonly string[];
  /** The question without some names, which must not leave the house; undefined where nothing is left to ask. */
  body(hidden: ReadonlySet<string>): Uint8Array | undefined;
  /** The answer where nothing is left to ask, or there is no upstream. */
  readonly nothing: { readonly mediaType: string; readonly body: string };
}

/** How a client is pointed at the mirror. */
export interface ClientSetup {
  /** The client program: `npm`, `pip`, `mvn`, `gradle` … */
  readonly client: string;
  /** Files to write; a path that begins with `~/` is below the user's home. */
  readonly files: readonly { readonly path: string; readonly content: string }[];
  /** Environment variables that do the same. */
  readonly environment: Readonly<Record<string, string>>;
}

/** What a format may know of the repository that it works for. */
export interface RepositorySettings {
  readonly kind: "proxy" | "hosted" | "group";
  /** Raw: what may be fetched; `path` is a glob, `sha256` lower-case hex. */
  readonly allowed?: readonly { readonly host: string; readonly path: string; readonly sha256?: string }[];
}

/**
 * One package format: everything that the mirror's engine does not know of it.
 *
 * `classify`, `facts` and `render` are pure. The engine caches, fetches, verifies, stores, filters, records and serves;
 * a format never touches the network, the disk or the clock.
 */
export interface Format {
  readonly name: FormatName;
  /** The format as the settings of one repository make it; where there is none, all repositories get the same. */
  configured?(settings: RepositorySettings): Format;
  /** What a path means. */
  classify(request: MirrorRequest): Ask;
  /** Where an upstream keeps it, and what its ecosystem says of the bytes; undefined where it does not have it. */
  locate(ask: FileAsk | DocumentAsk, reader: UpstreamReader): Promise<Location | undefined>;
  /** The document that tells of a package, where the format has one: what policy and claims are read from. */
  documentOf?(subject: Subject): string;
  /** What such a document says. @throws Failure `upstream_unreachable` where it is not what it should be */
  facts?(document: SourceDocument): PackageFacts;
  /** What an upstream says of a package, where that takes more than the one document of {@link Format.documentOf}. */
  factsOf?(subject: Subject, reader: UpstreamReader): Promise<PackageFacts | undefined>;
  /**
   * Makes what clients get; where the format has none, documents are given out as they came.
   *
   * @throws Failure `not_found` where the documents do not have what the variant names, `upstream_unreachable` where one is
   *   not what it should be
   */
  render?(input: RenderInput): Rendered;
  /** The document without which its clients cannot begin, for a health check of an upstream. */
  readonly probe: string;
  /**
   * Whether its clients show why a file is refused, but not why a document is.
   *
   * Then the document of a name that is kept back whole is given out all the same, and its files are refused.
   */
  readonly tellsByFiles?: boolean;
  /** A denial as its clients show it. */
  deny(denial: { readonly status: number; readonly message: string }): DenialAnswer;
  /**
   * The form in which a name counts when it is compared with reserved names and with those of hosted neighbours, where that
   * is more than lower case. It changes no character but letters and separators, so that patterns have it too.
   */
  comparedName?(name: string): string;
  /** Takes what its own client publishes. */
  write?(request: WriteRequest, shelf: Shelf): Promise<Publication | WriteRefusal>;
  /** The question that a POST asks, in a repository of any kind; undefined where it is a write. */
  relay?(request: WriteRequest): Promise<Relay | WriteRefusal | undefined>;
  /** How its clients are pointed at a repository. `isSealed` in a build: over plain http, by files and variables only. */
  clients(options: { readonly base: string; readonly isSealed: boolean }): readonly ClientSetup[];
  /** The package URL of a subject. Source: the package-url specification, types. */
  purl(subject: Required<Subject>): string;
  /** Computes a claim that is no plain hash of the bytes, from the whole file; `h1` in base64, as {@link Claim.value}. */
  digestOf?(path: string, algorithm: Claim["algorithm"]): Promise<string>;
  /**
   * What {@link UpstreamReader.derived} may work out of a document in another thread, by name; pure.
   *
   * For a name that stands here the function that is handed to `derived` is not called.
   */
  readonly derivations?: Readonly<Record<string, (document: Buffer) => Uint8Array>>;
  /** The path below the repository's address that stands for an address of the upstream; by default what follows it. */
  pathOf?(address: URL): string | undefined;
}
