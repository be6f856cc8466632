import { type Digest } from "../../model/digest.ts";
import { projectOf } from "../../model/permission.ts";
import { describeTagScope, readTagScope } from "../../model/tag-scope.ts";
import { findLifetime, type ImmutableRule } from "../../store/lifetime-records.ts";
import { type Store } from "../../store/store.ts";
import { findTag, listTagMoves } from "../../store/tag-records.ts";
import { attachedTo } from "../manifest-document.ts";
import { refuse, type Refusal } from "../refusal.ts";
import { refuseOverQuota } from "./quota.ts";

type Database = Store["db"];

/** A manifest that is about to be stored, with the tags that are to point to it. */
export interface GuardedPush {
  readonly repository: string;
  readonly tags: readonly string[];
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly actor: string;
}

/**
 * Refuses a push that would move a tag that cannot move, or that the project's quota has no room for.
 *
 * Call it in the transaction of the push, right before anything is written; it costs one look-up where the project
 * has neither rules nor a quota.
 */
export async function refusePush(db: Database, push: GuardedPush): Promise<Refusal | undefined> {
  const { repository, tags, digest, sizeBytes, actor } = push;
  const { immutability, quotaBytes } = await findLifetime(db, projectOf(repository));
  if (immutability.length > 0)
    for (const tag of tags) {
      const refusal = await refuseMove(db, immutability, { repository, tag, to: digest });
      if (refusal !== undefined) return refusal;
    }
  if (quotaBytes === undefined) return undefined;
  return await refuseOverQuota(db, { repository, digest, sizeBytes, table: "manifests", actor });
}

/** A tag that is about to move, to undefined where it is about to be removed. */
export interface GuardedMove {
  readonly repository: string;
  readonly tag: string;
  readonly to: Digest | undefined;
}

/** Refuses to move or to remove a tag that a rule pins. Call it in the transaction of the move. */
export async function refuseTagMove(db: Database, move: GuardedMove): Promise<Refusal | undefined> {
  const { immutability } = await findLifetime(db, projectOf(move.repository));
  return immutability.length === 0 ? undefined : await refuseMove(db, immutability, move);
}

/**
 * Makes rules ready for one repository: gives the rule that pins a tag, undefined where none does.
 *
 * Tags that attach signatures and evidence to an image are never pinned: they name no image of their own, and they
 * move with every signature that is added.
 */
export function openPins(
  rules: readonly ImmutableRule[],
  repository: string,
): (tag: string) => ImmutableRule | undefined {
  const open = rules.flatMap((rule) => {
    const scope = readTagScope(rule);
    return "invalid" in scope || !scope.covers(repository) ? [] : [{ rule, fits: scope.fits }];
  });
  return (tag) => (attachedTo(tag) === undefined ? open.find(({ fits }) => fits(tag))?.rule : undefined);
}

async function refuseMove(
  db: Database,
  rules: readonly ImmutableRule[],
  move: GuardedMove,
): Promise<Refusal | undefined> {
  const { repository, tag, to } = move;
  const rule = openPins(rules, repository)(tag);
  if (rule === undefined) return undefined;
  const from = (await findTag(db, repository, tag)) ?? (await whereRetentionLeftIt(db, move));
  if (from === undefined || from === to) return undefined;
  const verb = to === undefined ? "remove" : "move";
  return refuse(
    "DENIED",
    `Cannot ${verb} the tag "${tag}" of "${repository}": it stands for ${from} as long as the rule on ${describeTagScope(rule)} stands`,
    { detail: { rule: rule.id, author: rule.author, tag, stands: from } },
  );
}

/**
 * What an absent tag last stood for, where retention dropped it: a name that cannot move must not come back as
 * another image. A person who removed it while it could be removed is free to use the name anew.
 */
async function whereRetentionLeftIt(db: Database, { repository, tag }: GuardedMove): Promise<Digest | undefined> {
  const last = (await listTagMoves(db, repository, { tag, limit: 1 }))[0];
  return last?.cause === "retention" && last.to === undefined ? last.from : undefined;
}
