import { nowMs } from "../base/clock.ts";
import { type Digest } from "../model/digest.ts";
import { type TrashedLink } from "./collection-purge-records.ts";
import { type TrashOrigin } from "./collection-tables.ts";
import { type Database } from "./database.ts";
import { ensureRepository } from "./repository-records.ts";
import { evenParts, padded } from "./statement-sizes.ts";
import { findTag, moveTag } from "./tag-records.ts";

/** Manifests that leave their repository together. */
export interface TrashedUnit {
  readonly repository: string;
  /** The digest whose going takes the others along. */
  readonly unit: Digest;
  /** All of them, `unit` too, with the tags that each had; the tags themselves are gone already. */
  readonly members: ReadonlyMap<Digest, readonly string[]>;
  readonly origin: TrashOrigin;
  readonly reason: string;
}

/** Names in one `IN (…)`; databases bound the parameters of a statement. */
const rowsPerQuery = 256;

/** Moves manifests without tags from their repository into the trash. Call it in a transaction. */
export async function trashManifests(db: Database, going: TrashedUnit): Promise<void> {
  const { repository, unit, members, origin, reason } = going;
  const now = nowMs();
  for (const digests of parts([...members.keys()])) {
    await db
      .deleteFrom("trashed_manifests")
      .where("repository", "=", repository)
      .where("digest", "in", digests)
      .execute();
    await db
      .insertInto("trashed_manifests")
      .columns([...manifestColumns, "tags", "unit", "origin", "reason", "trashed_at"])
      .expression((from) =>
        from
          .selectFrom("manifests")
          .select([...manifestColumns])
          .select((value) => [
            value.val("[]").as("tags"),
            value.val(unit).as("unit"),
            value.val(origin).as("origin"),
            value.val(reason).as("reason"),
            value.val(now).as("trashed_at"),
          ])
          .where("repository", "=", repository)
          .where("digest", "in", digests),
      )
      .execute();
    await db.deleteFrom("manifests").where("repository", "=", repository).where("digest", "in", digests).execute();
  }
  for (const [digest, tags] of members) {
    if (tags.length === 0) continue;
    await db
      .updateTable("trashed_manifests")
      .set({ tags: JSON.stringify(tags) })
      .where("repository", "=", repository)
      .where("digest", "=", digest)
      .execute();
  }
}

const manifestColumns = [
  "repository",
  "digest",
  "media_type",
  "artifact_type",
  "subject",
  "annotations",
  "pushed_at",
  "pushed_by",
  "pulled_at",
] as const;

const linkColumns = ["repository", "digest", "size_bytes", "linked_at"] as const;

/** Moves links of blobs from a repository into the trash. Call it in a transaction. */
export async function trashLinks(
  db: Database,
  going: Pick<TrashedUnit, "repository" | "origin" | "reason"> & { readonly digests: readonly Digest[] },
): Promise<void> {
  const { repository, origin, reason } = going;
  const now = nowMs();
  for (const digests of parts(going.digests)) {
    await db.deleteFrom("trashed_links").where("repository", "=", repository).where("digest", "in", digests).execute();
    await db
      .insertInto("trashed_links")
      .columns([...linkColumns, "origin", "reason", "trashed_at"])
      .expression((from) =>
        from
          .selectFrom("blob_links")
          .select([...linkColumns])
          .select((value) => [
            value.val(origin).as("origin"),
            value.val(reason).as("reason"),
            value.val(now).as("trashed_at"),
          ])
          .where("repository", "=", repository)
          .where("digest", "in", digests),
      )
      .execute();
    await db.deleteFrom("blob_links").where("repository", "=", repository).where("digest", "in", digests).execute();
  }
}

/**
 * Takes links of blobs back out of the trash; gives the digests of those that were there. Call it in a transaction.
 *
 * Those that a scrub found damaged never come back so: their bytes are not what they should be.
 */
export async function restoreLinks(
  db: Database,
  from: { readonly repository: string; readonly digests: readonly Digest[]; readonly origins: readonly TrashOrigin[] },
): Promise<Digest[]> {
  const restored: Digest[] = [];
  for (const digests of parts(from.digests)) {
    const rows = await db
      .deleteFrom("trashed_links")
      .where("repository", "=", from.repository)
      .where("digest", "in", digests)
      .where("origin", "in", from.origins)
      .returning(linkColumns)
      .execute();
    if (rows.length === 0) continue;
    await ensureRepository(db, from.repository);
    const now = nowMs();
    for (const some of evenParts(rows, 64))
      await db
        .insertInto("blob_links")
        .values(some.map((row) => ({ ...row, touched_at: now })))
        .onConflict((conflict) => conflict.columns(["repository", "digest"]).doUpdateSet({ touched_at: now }))
        .execute();
    for (const { digest } of rows) restored.push(digest);
  }
  return restored;
}

/** What came back of a unit. */
export interface RestoredUnit {
  readonly digests: readonly Digest[];
  readonly tags: readonly string[];
  /** Tags that point elsewhere by now and were let be. */
  readonly takenTags: readonly string[];
}

/**
 * Puts a trashed manifest back with its unit, its children, its blobs and its tags; undefined where it is not in the
 * trash. Call it in a transaction.
 */
export async function restoreUnit(
  db: Database,
  wish: { readonly repository: string; readonly digest: Digest; readonly actor: string },
): Promise<RestoredUnit | undefined> {
  const { repository, actor } = wish;
  const coming = await trashedUnitOf(db, repository, wish.digest);
  if (coming.size === 0) return undefined;
  await ensureRepository(db, repository);
  const blobs = new Set<Digest>();
  // The set grows by the children that are in the trash, in whatever unit they went.
  for (const digest of coming) {
    for (const { child, kind } of await edgesOf(db, digest)) {
      if (kind !== "subject") blobs.add(child);
      if (kind === "child") for (const one of await trashedUnitOf(db, repository, child)) coming.add(one);
    }
  }
  await restoreLinks(db, { repository, digests: [...blobs], origins: ["collected", "deleted"] });
  const tags: string[] = [];
  const takenTags: string[] = [];
  for (const digest of coming) {
    for (const tag of await restoreManifest(db, repository, digest)) {
      if ((await findTag(db, repository, tag)) !== undefined) takenTags.push(tag);
      else if (await moveTag(db, { repository, tag, to: digest, actor, cause: "restore" })) tags.push(tag);
    }
  }
  return { digests: [...coming], tags, takenTags };
}

/**
 * Those of some manifests that a collection took from a repository come back alone, without tags; gives their digests.
 * Call it in a transaction.
 */
export async function restoreCollected(
  db: Database,
  repository: string,
  digests: readonly Digest[],
): Promise<Digest[]> {
  const restored: Digest[] = [];
  for (const part of parts(digests)) {
    const rows = await db
      .selectFrom("trashed_manifests")
      .select("digest")
      .where("repository", "=", repository)
      .where("digest", "in", part)
      .where("origin", "=", "collected")
      .execute();
    for (const { digest } of rows) {
      const blobs = (await edgesOf(db, digest)).filter(({ kind }) => kind !== "subject").map(({ child }) => child);
      await restoreLinks(db, { repository, digests: blobs, origins: ["collected"] });
      await restoreManifest(db, repository, digest);
      restored.push(digest);
    }
  }
  return restored;
}

/** Whether a collection took a blob from a repository and could give it back. */
export async function isLinkInTrash(db: Database, repository: string, digest: Digest): Promise<boolean> {
  const row = await db
    .selectFrom("trashed_links")
    .select("origin")
    .where("repository", "=", repository)
    .where("digest", "=", digest)
    .executeTakeFirst();
  return row?.origin === "collected";
}

async function trashedUnitOf(db: Database, repository: string, digest: Digest): Promise<Set<Digest>> {
  const row = await db
    .selectFrom("trashed_manifests")
    .select("unit")
    .where("repository", "=", repository)
    .where("digest", "=", digest)
    .executeTakeFirst();
  if (row === undefined) return new Set();
  const rows = await db
    .selectFrom("trashed_manifests")
    .select("digest")
    .where("repository", "=", repository)
    .where("unit", "=", row.unit)
    .execute();
  return new Set(rows.map((one) => one.digest));
}

async function edgesOf(db: Database, parent: Digest): Promise<{ readonly child: Digest; readonly kind: string }[]> {
  return await db.selectFrom("manifest_edges").select(["child", "kind"]).where("parent", "=", parent).execute();
}

/** Gives the tags that it had. */
async function restoreManifest(db: Database, repository: string, digest: Digest): Promise<string[]> {
  const row = await db
    .deleteFrom("trashed_manifests")
    .where("repository", "=", repository)
    .where("digest", "=", digest)
    .returning([...manifestColumns, "tags"])
    .executeTakeFirst();
  if (row === undefined) return [];
  const { tags, ...manifest } = row;
  // Pushed now, in the sense that counts for a collection: it is not to go again tonight.
  await db
    .insertInto("manifests")
    .values({ ...manifest, last_pushed_at: nowMs() })
    .onConflict((conflict) => conflict.columns(["repository", "digest"]).doNothing())
    .execute();
  return JSON.parse(tags) as string[];
}

/** A manifest in the trash, as people see it. */
export interface TrashedManifest {
  readonly repository: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly tags: readonly string[];
  readonly unit: Digest;
  readonly origin: TrashOrigin;
  readonly reason: string;
  /** Milliseconds since 1970. */
  readonly trashedAt: number;
}

/** Manifests in the trash, newest first, at most `limit`; with a digest only that one, in every repository. */
export async function listTrashedManifests(
  db: Database,
  page: { readonly limit: number; readonly digest?: Digest | undefined },
): Promise<TrashedManifest[]> {
  let query = db
    .selectFrom("trashed_manifests as trashed")
    .innerJoin("manifest_contents as contents", "contents.digest", "trashed.digest")
    .select([
      "trashed.repository",
      "trashed.digest",
      "contents.size_bytes as sizeBytes",
      "trashed.tags",
      "trashed.unit",
      "trashed.origin",
      "trashed.reason",
      "trashed.trashed_at as trashedAt",
    ])
    // What was pushed again is no longer gone.
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom("manifests as live")
            .select("live.digest")
            .whereRef("live.repository", "=", "trashed.repository")
            .whereRef("live.digest", "=", "trashed.digest"),
        ),
      ),
    );
  if (page.digest !== undefined) query = query.where("trashed.digest", "=", page.digest);
  const rows = await query.orderBy("trashed.trashed_at", "desc").orderBy("trashed.digest").limit(page.limit).execute();
  return rows.map(({ tags, ...row }) => ({ ...row, tags: JSON.parse(tags) as string[] }));
}

/** A blob in the trash, as people see it. */
export interface TrashedBlob extends TrashedLink {
  readonly reason: string;
  /** Milliseconds since 1970. */
  readonly trashedAt: number;
}

/** Links of blobs in the trash, newest first, at most `limit`; with a digest only that one, in every repository. */
export async function listTrashedLinks(
  db: Database,
  page: { readonly limit: number; readonly digest?: Digest | undefined },
): Promise<TrashedBlob[]> {
  let query = db
    .selectFrom("trashed_links as trashed")
    .select([
      "trashed.repository",
      "trashed.digest",
      "trashed.size_bytes as sizeBytes",
      "trashed.origin",
      "trashed.reason",
      "trashed.trashed_at as trashedAt",
    ])
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom("blob_links as live")
            .select("live.digest")
            .whereRef("live.repository", "=", "trashed.repository")
            .whereRef("live.digest", "=", "trashed.digest"),
        ),
      ),
    );
  if (page.digest !== undefined) query = query.where("trashed.digest", "=", page.digest);
  return await query.orderBy("trashed.trashed_at", "desc").orderBy("trashed.digest").limit(page.limit).execute();
}

/** How much is in the trash, what was pushed again included. */
export async function sizeOfTrash(db: Database): Promise<{ readonly manifests: number; readonly blobs: number }> {
  const manifests = await db
    .selectFrom("trashed_manifests")
    .select(({ fn }) => fn.countAll<number>().as("count"))
    .executeTakeFirstOrThrow();
  const blobs = await db
    .selectFrom("trashed_links")
    .select(({ fn }) => fn.countAll<number>().as("count"))
    .executeTakeFirstOrThrow();
  return { manifests: Number(manifests.count), blobs: Number(blobs.count) };
}

/** Repositories that lost a damaged blob whose manifests still name it. */
export async function listQuarantined(db: Database, limit: number): Promise<TrashedLink[]> {
  return await db
    .selectFrom("trashed_links")
    .select(["repository", "digest", "size_bytes as sizeBytes", "origin"])
    .where("origin", "=", "quarantined")
    .orderBy("digest")
    .limit(limit)
    .execute();
}

function* parts<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += rowsPerQuery)
    yield padded(items.slice(start, start + rowsPerQuery));
}
