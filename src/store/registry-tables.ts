import type { Generated } from "kysely";
import { type Digest } from "../model/digest.ts";

/** A repository; made by its first blob or manifest. */
interface RepositoriesTable {
  readonly name: string;
  readonly created_at: number;
}

/** That a blob may be read through a repository. */
interface BlobLinksTable {
  readonly repository: string;
  readonly digest: Digest;
  readonly size_bytes: number;
  readonly linked_at: number;
  /** When a client last asked for it or pushed it; garbage collection leaves fresh ones alone. */
  touched_at: number;
}

/** The bytes of a manifest, once for all repositories. */
interface ManifestContentsTable {
  readonly digest: Digest;
  readonly size_bytes: number;
  readonly bytes: Uint8Array;
  readonly created_at: number;
}

/** A manifest of a repository, with what referrers listings show of it. */
interface ManifestsTable {
  readonly repository: string;
  readonly digest: Digest;
  media_type: string;
  readonly artifact_type: string | null;
  readonly subject: Digest | null;
  /** JSON object. */
  readonly annotations: string | null;
  readonly pushed_at: number;
  readonly pushed_by: string;
  /** When it was last pushed again; null where it never was. */
  last_pushed_at: number | null;
  /** When its bytes were last sent; null where they never were. */
  pulled_at: number | null;
  pull_count: Generated<number>;
}

/** What a manifest names. Follows from its bytes, so it is kept once for all repositories. */
interface ManifestEdgesTable {
  readonly parent: Digest;
  readonly child: Digest;
  readonly kind: "config" | "layer" | "child" | "subject";
}

/** A name that moves. */
interface TagsTable {
  readonly repository: string;
  readonly name: string;
  digest: Digest;
  moved_at: number;
  /** When it was last pushed again as it stands; null where it never was. */
  pushed_at: number | null;
  /** When it was last pulled by name, wherever it pointed; null where it never was. */
  pulled_at: number | null;
  pull_count: Generated<number>;
}

/** One move of a tag. Rows are only ever added; they go with their project. */
interface TagMovesTable {
  readonly id: string;
  readonly repository: string;
  readonly tag: string;
  /** Null where the tag was new. */
  readonly from_digest: Digest | null;
  /** Null where the tag was removed. */
  readonly to_digest: Digest | null;
  readonly actor: string;
  readonly at: number;
  /** What moved it; null for moves before this was written down. */
  readonly cause: TagMoveCause | null;
  readonly reason: string | null;
}

/** What moves a tag: a push or a deletion by a client, the undoing of a move, a policy, a copy. */
export type TagMoveCause = "push" | "delete" | "undo" | "restore" | "retention" | "replication";

/** Who pushes into which upload; its bytes are the blob store's. */
interface UploadsTable {
  readonly id: string;
  readonly repository: string;
  readonly account: string;
  readonly created_at: number;
  touched_at: number;
}

/** The tables of the registry. */
export interface RegistryTables {
  repositories: RepositoriesTable;
  blob_links: BlobLinksTable;
  manifest_contents: ManifestContentsTable;
  manifests: ManifestsTable;
  manifest_edges: ManifestEdgesTable;
  tags: TagsTable;
  tag_moves: TagMovesTable;
  uploads: UploadsTable;
}
