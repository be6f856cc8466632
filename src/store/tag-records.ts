import { newId, nowMs } from "../base/clock.ts";
import { type Digest } from "../model/digest.ts";
import { type Database } from "./database.ts";

/** Where a tag is to point, or undefined where it is to go, and who says so. */
export interface TagMove {
  readonly repository: string;
  readonly tag: string;
  readonly to: Digest | undefined;
  readonly actor: string;
}

/** One move of a tag in its history. */
export interface TagMoveRecord {
  /** Undefined where the tag was new. */
  readonly from: Digest | undefined;
  /** Undefined where the tag was removed. */
  readonly to: Digest | undefined;
  readonly actor: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** Moves, makes or removes a tag and records the move; false where it stands so already. Call it in a transaction. */
export async function moveTag(db: Database, { repository, tag, to, actor }: TagMove): Promise<boolean> {
  const from = await findTag(db, repository, tag);
  if (from === to) return false;
  const now = nowMs();
  if (to === undefined)
    await db.deleteFrom("tags").where("repository", "=", repository).where("name", "=", tag).execute();
  else
    await db
      .insertInto("tags")
      .values({ repository, name: tag, digest: to, moved_at: now })
      .onConflict((conflict) => conflict.columns(["repository", "name"]).doUpdateSet({ digest: to, moved_at: now }))
      .execute();
  await db
    .insertInto("tag_moves")
    .values({ id: newId(), repository, tag, from_digest: from ?? null, to_digest: to ?? null, actor, at: now })
    .execute();
  return true;
}

/** The digest that a tag points to. */
export async function findTag(db: Database, repository: string, tag: string): Promise<Digest | undefined> {
  const row = await db
    .selectFrom("tags")
    .select("digest")
    .where("repository", "=", repository)
    .where("name", "=", tag)
    .executeTakeFirst();
  return row?.digest;
}

/** The tags that point to a manifest, in ASCII order. */
export async function listTagsOf(db: Database, repository: string, digest: Digest): Promise<string[]> {
  const rows = await db
    .selectFrom("tags")
    .select("name")
    .where("repository", "=", repository)
    .where("digest", "=", digest)
    .orderBy("name")
    .execute();
  return rows.map(({ name }) => name);
}

/** Lists the tags of a repository in ASCII order, after `after` (exclusive; it need not exist), at most `limit`. */
export async function listTags(
  db: Database,
  repository: string,
  page: { readonly after: string; readonly limit: number },
): Promise<string[]> {
  const rows = await db
    .selectFrom("tags")
    .select("name")
    .where("repository", "=", repository)
    .where("name", ">", page.after)
    .orderBy("name")
    .limit(page.limit)
    .execute();
  return rows.map(({ name }) => name);
}

/** The moves of a tag, newest first, at most `limit`. */
export async function listTagMoves(
  db: Database,
  repository: string,
  page: { readonly tag: string; readonly limit: number },
): Promise<TagMoveRecord[]> {
  const rows = await db
    .selectFrom("tag_moves")
    .select(["from_digest", "to_digest", "actor", "at"])
    .where("repository", "=", repository)
    .where("tag", "=", page.tag)
    .orderBy("id", "desc")
    .limit(page.limit)
    .execute();
  return rows.map(({ from_digest: from, to_digest: to, actor, at }) => ({
    from: from ?? undefined,
    to: to ?? undefined,
    actor,
    at,
  }));
}
