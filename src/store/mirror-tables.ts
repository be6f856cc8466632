import { type Digest } from "../model/digest.ts";

/** A repository of packages. */
interface MirrorRepositoriesTable {
  readonly name: string;
  readonly format: string;
  readonly kind: string;
  /** JSON of its settings, the credentials of the upstream aside. */
  settings: string;
  /** `user:password` of the upstream, sealed with the key file of secrets; null where it needs none. */
  secret: string | null;
  readonly created_at: number;
  changed_at: number;
}

/** A file or an upstream document that a repository has, or that its upstream is known not to have. */
interface MirrorEntriesTable {
  readonly repository: string;
  readonly kind: "file" | "document";
  readonly key: string;
  /** Null where the upstream has none. */
  digest: Digest | null;
  size_bytes: number;
  media_type: string;
  lifetime: string;
  /** Where it came from, redirects followed; null where it was published here. */
  url: string | null;
  /** The upstream's validators. */
  etag: string | null;
  modified: string | null;
  /** `sha512:…`: what its ecosystem says of the bytes, verified; null where it says nothing. */
  claim: string | null;
  subject: string | null;
  version: string | null;
  published_at: number | null;
  fetched_at: number;
  checked_at: number;
  used_at: number;
  use_count: number;
}

/** What clients get of a document: made once, given out until what it was made of changes. */
interface MirrorRenderingsTable {
  readonly repository: string;
  readonly source: string;
  readonly variant: string;
  readonly base: string;
  /** SHA-256 of what it was made of: the documents and what policy withheld. */
  made_of: string;
  digest: Digest;
  size_bytes: number;
  gzip_digest: Digest | null;
  gzip_bytes: number;
  media_type: string;
  /** JSON of further headers; null for none. */
  headers: string | null;
  subject: string | null;
  /** Of the upstream document that counts first; null where it was published here. */
  url: string | null;
  /** The state of the rules that it was made under. */
  generation: string;
  /** When the oldest of its documents was last known to be right. */
  checked_at: number;
  /** When rules change what it shows; null for never. */
  until: number | null;
  made_at: number;
}

/** What was worked out from a document once. */
interface MirrorDerivedTable {
  readonly repository: string;
  readonly source: string;
  readonly name: string;
  source_digest: Digest;
  digest: Digest;
  size_bytes: number;
}

/** The tables of the package mirror. */
export interface MirrorTables {
  mirror_repositories: MirrorRepositoriesTable;
  mirror_entries: MirrorEntriesTable;
  mirror_renderings: MirrorRenderingsTable;
  mirror_derived: MirrorDerivedTable;
}
