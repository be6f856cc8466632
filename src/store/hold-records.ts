import { newId, nowMs } from "../base/clock.ts";
import { type Digest } from "../model/digest.ts";
import { type Database } from "./database.ts";

/** That an image cannot be deleted until an instant; instants are milliseconds since 1970. */
export interface HoldRecord {
  readonly id: string;
  readonly repository: string;
  readonly digest: Digest;
  readonly untilAt: number;
  readonly author: string;
  readonly reason: string;
  readonly createdAt: number;
  readonly release: { readonly at: number; readonly by: string; readonly reason: string } | undefined;
}

/** A hold to make. */
export type NewHold = Pick<HoldRecord, "repository" | "digest" | "untilAt" | "author" | "reason">;

/** Names in one `IN (…)`; databases bound the parameters of a statement. */
const namesPerQuery = 300;

/** Keeps an image from being deleted until an instant, beside the holds that it has. Call it in a transaction. */
export async function insertHold(db: Database, { untilAt, ...hold }: NewHold): Promise<HoldRecord> {
  const id = newId();
  const now = nowMs();
  await db
    .insertInto("holds")
    .values({ id, ...hold, until_at: untilAt, created_at: now })
    .execute();
  return { id, ...hold, untilAt, createdAt: now, release: undefined };
}

/** The hold of an id. */
export async function findHold(db: Database, id: string): Promise<HoldRecord | undefined> {
  const row = await db.selectFrom("holds").selectAll().where("id", "=", id).executeTakeFirst();
  return row === undefined ? undefined : recordOf(row);
}

/** Ends a hold early; false where it is released already. Call it in a transaction. */
export async function releaseHold(
  db: Database,
  id: string,
  release: { readonly by: string; readonly reason: string },
): Promise<boolean> {
  const result = await db
    .updateTable("holds")
    .set({ released_at: nowMs(), released_by: release.by, release_reason: release.reason })
    .where("id", "=", id)
    .where("released_at", "is", null)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** The hold that lasts longest over any of some images of a repository; undefined where none is held now. */
export async function findHoldOver(
  db: Database,
  repository: string,
  digests: readonly Digest[],
): Promise<HoldRecord | undefined> {
  let longest: HoldRecord | undefined;
  for (let start = 0; start < digests.length; start += namesPerQuery) {
    const row = await db
      .selectFrom("holds")
      .selectAll()
      .where("repository", "=", repository)
      .where("digest", "in", digests.slice(start, start + namesPerQuery))
      .where("released_at", "is", null)
      .where("until_at", ">", nowMs())
      .orderBy("until_at", "desc")
      .limit(1)
      .executeTakeFirst();
    if (row !== undefined && (longest === undefined || row.until_at > longest.untilAt)) longest = recordOf(row);
  }
  return longest;
}

/** The holds over a repository that count now, the longest of each image. */
export async function listHoldsNow(db: Database, repository: string): Promise<Map<Digest, HoldRecord>> {
  const rows = await db
    .selectFrom("holds")
    .selectAll()
    .where("repository", "=", repository)
    .where("released_at", "is", null)
    .where("until_at", ">", nowMs())
    .orderBy("until_at")
    .execute();
  return new Map(rows.map((row) => [row.digest, recordOf(row)]));
}

/** The holds of a project's repositories, newest first, before the one with the id `before`; ended ones too. */
export async function listHolds(
  db: Database,
  project: string,
  page: { readonly before?: string; readonly limit: number },
): Promise<HoldRecord[]> {
  let query = db
    .selectFrom("holds")
    .selectAll()
    .where((where) =>
      where.or([
        where("repository", "=", project),
        where.and([where("repository", ">=", `${project}/`), where("repository", "<", `${project}0`)]),
      ]),
    );
  if (page.before !== undefined) query = query.where("id", "<", page.before);
  return (await query.orderBy("id", "desc").limit(page.limit).execute()).map(recordOf);
}

/** That a tag pointed to an image once; instants are milliseconds. */
export interface TaggedEver {
  readonly digest: Digest;
  readonly tag: string;
  /** When the image was last pushed. */
  readonly pushedAt: number;
}

/** Which tags ever pointed to some images that a repository has. */
export async function listTaggedEver(
  db: Database,
  repository: string,
  digests: readonly Digest[],
): Promise<TaggedEver[]> {
  const tagged: TaggedEver[] = [];
  for (let start = 0; start < digests.length; start += namesPerQuery) {
    const rows = await db
      .selectFrom("manifests")
      .innerJoin("tag_moves", (join) =>
        join
          .onRef("tag_moves.repository", "=", "manifests.repository")
          .onRef("tag_moves.to_digest", "=", "manifests.digest"),
      )
      .select(["manifests.digest", "tag_moves.tag", "manifests.pushed_at", "manifests.last_pushed_at"])
      .distinct()
      .where("manifests.repository", "=", repository)
      .where("manifests.digest", "in", digests.slice(start, start + namesPerQuery))
      .execute();
    for (const { digest, tag, pushed_at: first, last_pushed_at: last } of rows)
      tagged.push({ digest, tag, pushedAt: Math.max(first, last ?? 0) });
  }
  return tagged;
}

interface HoldRow {
  readonly id: string;
  readonly repository: string;
  readonly digest: Digest;
  readonly until_at: number;
  readonly author: string;
  readonly reason: string;
  readonly created_at: number;
  readonly released_at: number | null;
  readonly released_by: string | null;
  readonly release_reason: string | null;
}

function recordOf(row: HoldRow): HoldRecord {
  return {
    id: row.id,
    repository: row.repository,
    digest: row.digest,
    untilAt: row.until_at,
    author: row.author,
    reason: row.reason,
    createdAt: row.created_at,
    release:
      row.released_at === null
        ? undefined
        : { at: row.released_at, by: row.released_by ?? "", reason: row.release_reason ?? "" },
  };
}
