import { nowMs } from "../base/clock.ts";
import { type Digest } from "../model/digest.ts";
import { digestsNamedIn } from "./collection-records.ts";
import { trashLinks } from "./collection-trash-records.ts";
import { type Database } from "./database.ts";
import { ensureRepository } from "./repository-records.ts";

/** That a blob may be read through a repository. */
export interface BlobLink {
  readonly repository: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** A link as it is found. */
export interface FoundBlobLink {
  readonly sizeBytes: number;
  /** Milliseconds since 1970. */
  readonly touchedAt: number;
}

/** Names in one `IN (…)`; databases bound the parameters of a statement. */
const namesPerQuery = 500;

/** Links a blob into a repository, which is made where it is new; linked before, it is touched. Call it in a transaction. */
export async function linkBlobRecord(db: Database, link: BlobLink): Promise<void> {
  const now = nowMs();
  await ensureRepository(db, link.repository);
  await db
    .insertInto("blob_links")
    .values({
      repository: link.repository,
      digest: link.digest,
      size_bytes: link.sizeBytes,
      linked_at: now,
      touched_at: now,
    })
    .onConflict((conflict) => conflict.columns(["repository", "digest"]).doUpdateSet({ touched_at: now }))
    .execute();
}

/** The link of a blob into a repository. */
export async function findBlobLink(
  db: Database,
  repository: string,
  digest: Digest,
): Promise<FoundBlobLink | undefined> {
  const row = await db
    .selectFrom("blob_links")
    .select(["size_bytes", "touched_at"])
    .where("repository", "=", repository)
    .where("digest", "=", digest)
    .executeTakeFirst();
  return row === undefined ? undefined : { sizeBytes: row.size_bytes, touchedAt: row.touched_at };
}

/** The sizes in bytes of those of some blobs that a repository has. */
export async function sizesOfLinkedBlobs(
  db: Database,
  repository: string,
  digests: readonly Digest[],
): Promise<Map<Digest, number>> {
  const sizes = new Map<Digest, number>();
  for (let start = 0; start < digests.length; start += namesPerQuery) {
    const rows = await db
      .selectFrom("blob_links")
      .select(["digest", "size_bytes"])
      .where("repository", "=", repository)
      .where("digest", "in", digests.slice(start, start + namesPerQuery))
      .execute();
    for (const row of rows) sizes.set(row.digest, row.size_bytes);
  }
  return sizes;
}

/** Notes that a client asked for a blob. */
export async function touchBlobLink(db: Database, repository: string, digest: Digest): Promise<void> {
  await db
    .updateTable("blob_links")
    .set({ touched_at: nowMs() })
    .where("repository", "=", repository)
    .where("digest", "=", digest)
    .execute();
}

/** Repositories that have a blob, in ASCII order, after `after` (exclusive), at most `limit`. */
export async function listRepositoriesOfBlob(
  db: Database,
  digest: Digest,
  page: { readonly after: string; readonly limit: number },
): Promise<string[]> {
  const rows = await db
    .selectFrom("blob_links")
    .select("repository")
    .where("digest", "=", digest)
    .where("repository", ">", page.after)
    .orderBy("repository")
    .limit(page.limit)
    .execute();
  return rows.map(({ repository }) => repository);
}

/** Whether any repository has both a manifest and a blob. */
export async function isBlobBesideManifest(
  db: Database,
  pair: { readonly manifest: Digest; readonly blob: Digest },
): Promise<boolean> {
  const row = await db
    .selectFrom("manifests")
    .innerJoin("blob_links", "blob_links.repository", "manifests.repository")
    .select("blob_links.digest")
    .where("manifests.digest", "=", pair.manifest)
    .where("blob_links.digest", "=", pair.blob)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Takes a blob out of a repository unless one of its manifests names it. Call it in a transaction. */
export async function unlinkBlobRecord(
  db: Database,
  repository: string,
  digest: Digest,
): Promise<"unlinked" | "absent" | "in use"> {
  if ((await findBlobLink(db, repository, digest)) === undefined) return "absent";
  const use = await db
    .selectFrom("manifest_edges")
    .innerJoin("manifests", "manifests.digest", "manifest_edges.parent")
    .select("manifests.digest")
    .where("manifest_edges.child", "=", digest)
    .where("manifest_edges.kind", "in", ["config", "layer", "child"])
    .where("manifests.repository", "=", repository)
    .limit(1)
    .executeTakeFirst();
  if (use !== undefined) return "in use";
  // An image in the trash comes back whole or not at all.
  const isInTrash = await digestsNamedIn(db, { table: "trashed_manifests", repository, digests: [digest] });
  if (isInTrash.has(digest)) {
    const reason = "a client deleted it, but an image in the trash needs it";
    await trashLinks(db, { repository, digests: [digest], origin: "deleted", reason });
    return "unlinked";
  }
  for (const table of ["blob_links", "trashed_links"] as const)
    await db.deleteFrom(table).where("repository", "=", repository).where("digest", "=", digest).execute();
  return "unlinked";
}
