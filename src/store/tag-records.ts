import { sql } from "kysely";
import { newId, nowMs } from "../base/clock.ts";
import { type Digest } from "../model/digest.ts";
import { type Database } from "./database.ts";
import { addAuditEvent } from "./event-records.ts";
import { type TagMoveCause } from "./registry-tables.ts";

/** Where a tag is to point, or undefined where it is to go, and who says so. */
export interface TagMove {
  readonly repository: string;
  readonly tag: string;
  readonly to: Digest | undefined;
  readonly actor: string;
  /** What moves it; a client's push or deletion where nothing is said. */
  readonly cause?: TagMoveCause;
  /** Why, in the words of who moves it. */
  readonly reason?: string;
}

/** One move of a tag in its history. */
export interface TagMoveRecord {
  /** Sorts by time. */
  readonly id: string;
  /** Undefined where the tag was new. */
  readonly from: Digest | undefined;
  /** Undefined where the tag was removed. */
  readonly to: Digest | undefined;
  readonly actor: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Undefined for moves before this was written down. */
  readonly cause: TagMoveCause | undefined;
  readonly reason: string | undefined;
}

/** Moves, makes or removes a tag, with its history and event; false where it stands so already. Call it in a transaction. */
export async function moveTag(db: Database, move: TagMove): Promise<boolean> {
  const { repository, tag, to, actor, cause = to === undefined ? "delete" : "push", reason } = move;
  const from = await findTag(db, repository, tag);
  if (from === to) return false;
  const now = nowMs();
  if (to === undefined)
    await db.deleteFrom("tags").where("repository", "=", repository).where("name", "=", tag).execute();
  else
    await db
      .insertInto("tags")
      .values({ repository, name: tag, digest: to, moved_at: now })
      .onConflict((conflict) =>
        conflict.columns(["repository", "name"]).doUpdateSet({ digest: to, moved_at: now, pushed_at: null }),
      )
      .execute();
  await db
    .insertInto("tag_moves")
    .values({
      id: newId(),
      repository,
      tag,
      from_digest: from ?? null,
      to_digest: to ?? null,
      actor,
      at: now,
      cause,
      reason: reason ?? null,
    })
    .execute();
  await addAuditEvent(db, {
    actor,
    action: to === undefined ? "tag.deleted" : "tag.moved",
    subject: `${repository}:${tag}`,
    details: { from, to, by: cause, reason },
  });
  return true;
}

/** Notes that a tag was pushed again as it stands. */
export async function touchTag(db: Database, repository: string, tag: string): Promise<void> {
  await db
    .updateTable("tags")
    .set({ pushed_at: nowMs() })
    .where("repository", "=", repository)
    .where("name", "=", tag)
    .execute();
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
  // One text instead of a row for each: a page may have ten thousand tags, and no tag has a comma.
  const { names } = await db
    .selectFrom((inner) =>
      inner
        .selectFrom("tags")
        .select("name")
        .where("repository", "=", repository)
        .where("name", ">", page.after)
        .orderBy("name")
        .limit(page.limit)
        .as("page"),
    )
    .select(sql<string | null>`string_agg(name, ',' order by name)`.as("names"))
    .executeTakeFirstOrThrow();
  return names === null ? [] : names.split(",");
}

/** A page of the moves of a tag: those before the one with the id `before`, newest first, at most `limit`. */
export interface TagMovesPage {
  readonly tag: string;
  readonly before?: string;
  readonly limit: number;
}

/** The moves of a tag, newest first. */
export async function listTagMoves(db: Database, repository: string, page: TagMovesPage): Promise<TagMoveRecord[]> {
  let query = db
    .selectFrom("tag_moves")
    .select(["id", "from_digest", "to_digest", "actor", "at", "cause", "reason"])
    .where("repository", "=", repository)
    .where("tag", "=", page.tag);
  if (page.before !== undefined) query = query.where("id", "<", page.before);
  const rows = await query.orderBy("id", "desc").limit(page.limit).execute();
  return rows.map((row) => ({
    id: row.id,
    from: row.from_digest ?? undefined,
    to: row.to_digest ?? undefined,
    actor: row.actor,
    at: row.at,
    cause: row.cause ?? undefined,
    reason: row.reason ?? undefined,
  }));
}

/** A tag with what is known of its use. Instants are milliseconds. */
export interface TagFacts {
  readonly name: string;
  readonly digest: Digest;
  readonly mediaType: string;
  /** When it was last moved or pushed again. */
  readonly pushedAt: number;
  /** When what it points to was last pulled, by this name or any other; undefined where it never was. */
  readonly pulledAt: number | undefined;
  /** Pulls of what it points to. */
  readonly pullCount: number;
}

/** Lists the tags of a repository with their facts, in ASCII order after `after` (exclusive), at most `limit`. */
export async function listTagFacts(
  db: Database,
  repository: string,
  page: { readonly after: string; readonly limit: number },
): Promise<TagFacts[]> {
  const rows = await db
    .selectFrom("tags")
    .innerJoin("manifests", (join) =>
      join.onRef("manifests.repository", "=", "tags.repository").onRef("manifests.digest", "=", "tags.digest"),
    )
    .select([
      "tags.name",
      "tags.digest",
      "manifests.media_type as mediaType",
      "tags.moved_at as movedAt",
      "tags.pushed_at as pushedAt",
      "manifests.pulled_at as pulledAt",
      "manifests.pull_count as pullCount",
    ])
    .where("tags.repository", "=", repository)
    .where("tags.name", ">", page.after)
    .orderBy("tags.name")
    .limit(page.limit)
    .execute();
  return rows.map(({ movedAt, pushedAt, pulledAt, ...row }) => ({
    ...row,
    pushedAt: Math.max(movedAt, pushedAt ?? 0),
    pulledAt: pulledAt ?? undefined,
  }));
}
