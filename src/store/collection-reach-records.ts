import { nowMs } from "../base/clock.ts";
import { type Digest } from "../model/digest.ts";
import { type Database } from "./database.ts";
import { padded } from "./statement-sizes.ts";

/** A question about some manifests of one repository; databases bound the names of a statement, so ask for a few hundred. */
export interface Asked {
  readonly repository: string;
  readonly digests: readonly Digest[];
}

/** A manifest as a walk over what keeps what sees it. */
export interface ReachManifest {
  readonly digest: Digest;
  readonly subject: Digest | null;
  readonly sizeBytes: number;
  /** When it was last pushed or pulled, or lost a tag; milliseconds since 1970. */
  readonly touchedAt: number;
}

/** Those of some digests that are manifests of the repository. */
export async function manifestsAmong(db: Database, { repository, digests }: Asked): Promise<ReachManifest[]> {
  const rows = await db
    .selectFrom("manifests")
    .innerJoin("manifest_contents as contents", "contents.digest", "manifests.digest")
    .select(({ selectFrom }) => [
      "manifests.digest",
      "manifests.subject",
      "contents.size_bytes",
      "manifests.pushed_at",
      "manifests.last_pushed_at",
      "manifests.pulled_at",
      selectFrom("tag_moves")
        .select(({ fn }) => fn.max("tag_moves.at").as("at"))
        .whereRef("tag_moves.repository", "=", "manifests.repository")
        .whereRef("tag_moves.from_digest", "=", "manifests.digest")
        .as("left_at"),
    ])
    .where("manifests.repository", "=", repository)
    .where("manifests.digest", "in", padded(digests))
    .execute();
  return rows.map((row) => ({
    digest: row.digest,
    subject: row.subject,
    sizeBytes: row.size_bytes,
    touchedAt: Math.max(row.pushed_at, row.last_pushed_at ?? 0, row.pulled_at ?? 0, row.left_at ?? 0),
  }));
}

/** A tag and what it points to. */
export interface ReachTag {
  readonly name: string;
  readonly digest: Digest;
}

/** The tags that point to any of some manifests. */
export async function tagsTo(db: Database, { repository, digests }: Asked): Promise<ReachTag[]> {
  return await db
    .selectFrom("tags")
    .select(["name", "digest"])
    .where("repository", "=", repository)
    .where("digest", "in", padded(digests))
    .execute();
}

/** Those of some tags that a repository has. */
export async function tagsNamed(db: Database, repository: string, names: readonly string[]): Promise<ReachTag[]> {
  return await db
    .selectFrom("tags")
    .select(["name", "digest"])
    .where("repository", "=", repository)
    .where("name", "in", padded(names))
    .execute();
}

/** The manifests of a repository whose digests begin so, at most two. */
export async function manifestsBeginning(db: Database, repository: string, beginning: string): Promise<Digest[]> {
  const rows = await db
    .selectFrom("manifests")
    .select("digest")
    .where("repository", "=", repository)
    .where("digest", ">=", beginning as Digest)
    .where("digest", "<", `${beginning}g` as Digest)
    .limit(2)
    .execute();
  return rows.map(({ digest }) => digest);
}

/** That one manifest keeps another. */
export interface ReachEdge {
  readonly from: Digest;
  readonly to: Digest;
}

/** The indexes of the repository that name any of some manifests as a child. */
export async function indexesOver(db: Database, { repository, digests }: Asked): Promise<ReachEdge[]> {
  return await db
    .selectFrom("manifest_edges")
    .innerJoin("manifests", "manifests.digest", "manifest_edges.parent")
    .select(["manifest_edges.parent as from", "manifest_edges.child as to"])
    .where("manifest_edges.child", "in", padded(digests))
    .where("manifest_edges.kind", "=", "child")
    .where("manifests.repository", "=", repository)
    .execute();
}

/** What is attached to any of some manifests by its subject. */
export async function referrersOf(db: Database, { repository, digests }: Asked): Promise<ReachEdge[]> {
  const rows = await db
    .selectFrom("manifests")
    .select(["digest", "subject"])
    .where("repository", "=", repository)
    .where("subject", "in", padded(digests))
    .execute();
  return rows.map(({ digest, subject }) => ({ from: digest, to: subject! }));
}

/** The children of some manifests that are manifests of the repository too. */
export async function childrenOf(db: Database, { repository, digests }: Asked): Promise<Digest[]> {
  const rows = await db
    .selectFrom("manifest_edges")
    .innerJoin("manifests", "manifests.digest", "manifest_edges.child")
    .select("manifests.digest")
    .distinct()
    .where("manifest_edges.parent", "in", padded(digests))
    .where("manifest_edges.kind", "=", "child")
    .where("manifests.repository", "=", repository)
    .execute();
  return rows.map(({ digest }) => digest);
}

/** The manifests of the repository that name any of some digests as config, layer or child. */
export async function manifestsNaming(
  db: Database,
  { repository, digests }: Asked,
  limit: number,
): Promise<ReachEdge[]> {
  return await db
    .selectFrom("manifest_edges")
    .innerJoin("manifests", "manifests.digest", "manifest_edges.parent")
    .select(["manifest_edges.parent as from", "manifest_edges.child as to"])
    .where("manifest_edges.child", "in", padded(digests))
    .where("manifest_edges.kind", "in", ["config", "layer", "child"])
    .where("manifests.repository", "=", repository)
    .limit(limit)
    .execute();
}

/** Those of some manifests that a hold keeps, or the record of an image that was minted here, with the reason. */
export async function heldAmong(db: Database, { repository, digests }: Asked): Promise<Map<Digest, string>> {
  const held = new Map<Digest, string>();
  const images = await db
    .selectFrom("images")
    .select("digest")
    .where("repository", "=", repository)
    .where("digest", "in", padded(digests))
    .execute();
  for (const { digest } of images) held.set(digest as Digest, "it was minted here and is on record");
  const holds = await db
    .selectFrom("holds")
    .select(["digest", "author", "reason"])
    .where("repository", "=", repository)
    .where("digest", "in", padded(digests))
    .where("released_at", "is", null)
    .where("until_at", ">", nowMs())
    .execute();
  for (const { digest, author, reason } of holds) held.set(digest, `it is held by ${author}: ${reason}`);
  return held;
}

/** Repositories that have a manifest. */
export async function listRepositoriesOfManifest(db: Database, digest: Digest): Promise<string[]> {
  const rows = await db.selectFrom("manifests").select("repository").where("digest", "=", digest).execute();
  return rows.map(({ repository }) => repository);
}
