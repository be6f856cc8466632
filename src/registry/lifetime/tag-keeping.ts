import { Failure } from "../../base/errors.ts";
import { type Digest } from "../../model/digest.ts";
import { projectOf } from "../../model/permission.ts";
import { isTag } from "../../model/reference.ts";
import { restoreUnit } from "../../store/collection-trash-records.ts";
import { listHoldsNow } from "../../store/hold-records.ts";
import { findLifetime } from "../../store/lifetime-records.ts";
import { findManifest } from "../../store/manifest-records.ts";
import { type Store } from "../../store/store.ts";
import {
  findTag,
  listTagFacts,
  listTagMoves,
  moveTag,
  type TagFacts,
  type TagMoveRecord,
} from "../../store/tag-records.ts";
import { failureOf } from "../refusal-failure.ts";
import { openPins, refuseTagMove } from "./guard.ts";
import { findRuleHolds, type Hold } from "./holds.ts";

/** A tag with what is known of its use and what keeps it. */
interface TagState extends TagFacts {
  /** The id of the rule by which it cannot move. */
  readonly pinnedBy: string | undefined;
  /** What holds the image that it points to. */
  readonly hold: Hold | undefined;
}

/** A wish to move a tag by hand, with the reason for its history. */
interface TagWish {
  readonly repository: string;
  readonly tag: string;
  readonly actor: string;
  readonly reason: string;
}

/** A tag that was moved; undefined stands for no tag. */
interface MovedTag {
  readonly from: Digest | undefined;
  readonly to: Digest | undefined;
  /** Whether its image was taken from the trash. */
  readonly isFromTrash: boolean;
}

/** Tags as people look after them: what they are, where they were, and back again. */
export interface TagKeeping {
  /** The tags of a repository in ASCII order, after `after` (exclusive), at most `limit`. */
  list(repository: string, page: { readonly after: string; readonly limit: number }): Promise<TagState[]>;
  /** Where a tag was, the last move first. */
  history(
    repository: string,
    page: { readonly tag: string; readonly before?: string; readonly limit: number },
  ): Promise<TagMoveRecord[]>;
  /**
   * Sets a tag to where it was before its last move; a removed tag comes back, a new one goes.
   *
   * @throws Failure `not_found`, `forbidden` where a rule pins the tag
   */
  undo(wish: TagWish): Promise<MovedTag>;
  /**
   * Sets a tag to an image that the repository or the trash has; without one, a removed tag to what it stood for last.
   *
   * @throws Failure `not_found`, `conflict`, `forbidden` where a rule pins the tag
   */
  restore(wish: TagWish & { readonly to?: Digest }): Promise<MovedTag>;
}

/** Opens the keeping of the tags of a store. */
export function openTagKeeping(store: Store): TagKeeping {
  return {
    list: async (repository, page) => await listTagStates(store, repository, page),
    history: async (repository, page) => await listTagMoves(store.db, repository, page),
    undo: async (wish) => await store.transaction(async (db) => await setTag(db, wish, await beforeLastMove(db, wish))),
    restore: async (wish) =>
      await store.transaction(
        async (db) => await setTag(db, wish, { cause: "restore", to: wish.to ?? (await lastStood(db, wish)) }),
      ),
  };
}

type Database = Store["db"];

async function listTagStates(
  { db }: Store,
  repository: string,
  page: { readonly after: string; readonly limit: number },
): Promise<TagState[]> {
  const facts = await listTagFacts(db, repository, page);
  const { immutability } = await findLifetime(db, projectOf(repository));
  const pinOf = openPins(immutability, repository);
  const holds = new Map<Digest, Hold>(await listHoldsNow(db, repository));
  const byRule = await findRuleHolds(db, repository, [...new Set(facts.map(({ digest }) => digest))]);
  return facts.map((fact) => {
    const [own, ruled] = [holds.get(fact.digest), byRule.get(fact.digest)];
    const hold = (own?.untilAt ?? 0) >= (ruled?.untilAt ?? 0) ? own : ruled;
    return { ...fact, pinnedBy: pinOf(fact.name)?.id, hold };
  });
}

interface Target {
  readonly cause: "undo" | "restore";
  readonly to: Digest | undefined;
}

/** Moves that are looked through for the one that brought a tag to where it stands; several may share an instant. */
const lookedThrough = 20;

async function beforeLastMove(db: Database, { repository, tag }: TagWish): Promise<Target> {
  const now = isTag(tag) ? await findTag(db, repository, tag) : undefined;
  const moves = await listTagMoves(db, repository, { tag, limit: lookedThrough });
  const last = moves.find(({ to }) => to === now);
  if (last === undefined)
    throw new Failure("not_found", `Cannot undo: the tag "${tag}" of "${repository}" has never moved`);
  return { cause: "undo", to: last.from };
}

async function lastStood(db: Database, { repository, tag }: TagWish): Promise<Digest> {
  if (isTag(tag) && (await findTag(db, repository, tag)) !== undefined)
    throw new Failure("conflict", `Cannot restore the tag "${tag}" of "${repository}": it is there`, {
      hint: "Name the image that it is to point to, or undo its last move",
    });
  const moves = await listTagMoves(db, repository, { tag, limit: lookedThrough });
  const last = moves.find(({ to }) => to === undefined)?.from;
  if (last !== undefined) return last;
  throw new Failure("not_found", `Cannot restore the tag "${tag}" of "${repository}": there never was one`);
}

async function setTag(db: Database, wish: TagWish, { cause, to }: Target): Promise<MovedTag> {
  const { repository, tag, actor, reason } = wish;
  if (!isTag(tag)) throw new Failure("usage", `Cannot set the tag "${tag}": that is not a tag's name`);
  const from = await findTag(db, repository, tag);
  const refusal = await refuseTagMove(db, { repository, tag, to });
  if (refusal !== undefined) throw failureOf(refusal);
  const isThere = to === undefined || (await findManifest(db, repository, to)) !== undefined;
  if (!isThere && (await restoreUnit(db, { repository, digest: to, actor })) === undefined)
    throw new Failure("not_found", `Cannot set the tag "${tag}" of "${repository}": the image ${to} is gone`, {
      hint: "It is neither in the repository nor in the trash: push it again",
    });
  await moveTag(db, { repository, tag, to, actor, cause, reason });
  return { from, to, isFromTrash: !isThere };
}
