import { type Digest } from "../model/digest.ts";

/** How something came into the trash: taken by a collection, deleted by somebody, or found damaged by a scrub. */
export type TrashOrigin = "collected" | "deleted" | "quarantined";

/** What a dry run would do with something: move it to the trash, drop it from the trash, remove its bytes. */
export type MarkKind = "manifest" | "link" | "purge" | "blob";

/** A manifest that has left its repository and can come back; its bytes and edges stay for as long. */
interface TrashedManifestsTable {
  readonly repository: string;
  readonly digest: Digest;
  readonly media_type: string;
  readonly artifact_type: string | null;
  readonly subject: Digest | null;
  readonly annotations: string | null;
  readonly pushed_at: number;
  readonly pushed_by: string;
  readonly pulled_at: number | null;
  /** JSON list of the tags that went with it. */
  readonly tags: string;
  /** The digest whose going took this one along: both come back together. */
  readonly unit: Digest;
  readonly origin: TrashOrigin;
  readonly reason: string;
  readonly trashed_at: number;
}

/** A blob's link that has left its repository and can come back. */
interface TrashedLinksTable {
  readonly repository: string;
  readonly digest: Digest;
  readonly size_bytes: number;
  readonly linked_at: number;
  readonly origin: TrashOrigin;
  readonly reason: string;
  readonly trashed_at: number;
}

/** What the dry run that is under way would take; the same questions are asked as if it were gone. */
interface CollectionMarksTable {
  readonly kind: MarkKind;
  /** Empty for blobs, which belong to none. */
  readonly repository: string;
  readonly digest: Digest;
  readonly size_bytes: number;
  readonly reason: string;
}

/** One collection or scrub: how it was asked for, how far it is, and how it ended. */
interface CollectionRunsTable {
  /** The id of its job. */
  readonly id: string;
  readonly kind: "collect" | "scrub";
  readonly actor: string;
  /** JSON of the settings, with the instants that follow from them. */
  readonly settings: string;
  phase: string;
  /** Where its phase goes on; empty at the beginning. */
  cursor: string;
  /** JSON of what was done so far. */
  report: string;
  readonly started_at: number;
  updated_at: number;
  ended_at: number | null;
  /** Null until it ended; a failed one may go on. */
  outcome: "succeeded" | "failed" | null;
}

/** The tables of collection. */
export interface CollectionTables {
  trashed_manifests: TrashedManifestsTable;
  trashed_links: TrashedLinksTable;
  collection_marks: CollectionMarksTable;
  collection_runs: CollectionRunsTable;
}
