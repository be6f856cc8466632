import { type Digest } from "../model/digest.ts";
import { digestsNamedIn } from "./collection-records.ts";
import { type TrashOrigin } from "./collection-tables.ts";
import { type Database } from "./database.ts";
import { padded } from "./statement-sizes.ts";

/** Names in one `IN (…)`; databases bound the parameters of a statement. */
const rowsPerQuery = 256;

/** A page of what is older in the trash than an instant. */
export interface PurgePage {
  /** Trashed at this instant or before, in milliseconds. */
  readonly until: number;
  readonly limit: number;
}

/** Drops manifests from the trash for good, and bytes that no repository has any more; returns how many. Call it in a transaction. */
export async function purgeManifests(db: Database, page: PurgePage): Promise<number> {
  const rows = await db
    .selectFrom("trashed_manifests")
    .select(["repository", "digest"])
    .where("trashed_at", "<=", page.until)
    .limit(page.limit)
    .execute();
  for (const { repository, digest } of rows)
    await db
      .deleteFrom("trashed_manifests")
      .where("repository", "=", repository)
      .where("digest", "=", digest)
      .execute();
  await dropUnheldContents(db, [...new Set(rows.map(({ digest }) => digest))]);
  return rows.length;
}

/** Drops those of some manifests' bytes that neither a repository nor the trash has. Call it in a transaction. */
export async function dropUnheldContents(db: Database, digests: readonly Digest[]): Promise<void> {
  for (const part of parts(digests))
    await db
      .deleteFrom("manifest_contents")
      .where("digest", "in", part)
      .where(({ not, exists, selectFrom }) =>
        not(exists(selectFrom("manifests").select("digest").whereRef("digest", "=", "manifest_contents.digest"))),
      )
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(selectFrom("trashed_manifests").select("digest").whereRef("digest", "=", "manifest_contents.digest")),
        ),
      )
      .execute();
}

/** A link of the trash. */
export interface TrashedLink {
  readonly repository: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly origin: TrashOrigin;
}

/** Links that have been in the trash since an instant, in the order of repository and digest, after another. */
export async function listDueLinks(
  db: Database,
  page: PurgePage & { readonly after: readonly [repository: string, digest: string] },
): Promise<TrashedLink[]> {
  return await db
    .selectFrom("trashed_links")
    .select(["repository", "digest", "size_bytes as sizeBytes", "origin"])
    .where("trashed_at", "<=", page.until)
    .where(({ eb, refTuple, tuple }) =>
      eb(refTuple("repository", "digest"), ">", tuple(page.after[0], page.after[1] as Digest)),
    )
    .orderBy("repository")
    .orderBy("digest")
    .limit(page.limit)
    .execute();
}

/**
 * Those of some trashed links that nothing can ask for any more: no manifest that stays in the trash needs them, and
 * of a damaged blob no manifest at all.
 *
 * @param until manifests that came into the trash at this instant or before go too
 */
export async function withoutNeededLinks(
  db: Database,
  links: readonly TrashedLink[],
  until: number,
): Promise<TrashedLink[]> {
  const free: TrashedLink[] = [];
  for (const [repository, group] of Map.groupBy(links, (link) => link.repository)) {
    const digests = group.map(({ digest }) => digest);
    const inTrash = await digestsNamedIn(db, {
      table: "trashed_manifests",
      repository,
      digests,
      trashedAfter: until,
    });
    const alive = await digestsNamedIn(db, { table: "manifests", repository, digests });
    for (const link of group)
      if (!inTrash.has(link.digest) && !(link.origin === "quarantined" && alive.has(link.digest))) free.push(link);
  }
  return free;
}

/** Drops links from the trash for good. Call it in a transaction. */
export async function purgeLinks(db: Database, links: readonly TrashedLink[]): Promise<void> {
  for (const [repository, group] of Map.groupBy(links, (link) => link.repository))
    for (const digests of parts(group.map(({ digest }) => digest)))
      await db
        .deleteFrom("trashed_links")
        .where("repository", "=", repository)
        .where("digest", "in", digests)
        .execute();
}

/** Manifests that have been in the trash since an instant, in the order of repository and digest. */
export async function listDueManifests(
  db: Database,
  page: PurgePage & { readonly after: readonly [repository: string, digest: string] },
): Promise<{ readonly repository: string; readonly digest: Digest }[]> {
  return await db
    .selectFrom("trashed_manifests")
    .select(["repository", "digest"])
    .where("trashed_at", "<=", page.until)
    .where(({ eb, refTuple, tuple }) =>
      eb(refTuple("repository", "digest"), ">", tuple(page.after[0], page.after[1] as Digest)),
    )
    .orderBy("repository")
    .orderBy("digest")
    .limit(page.limit)
    .execute();
}

function* parts<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += rowsPerQuery)
    yield padded(items.slice(start, start + rowsPerQuery));
}
