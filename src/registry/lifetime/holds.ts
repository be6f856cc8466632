import { isoSeconds, nowMs } from "../../base/clock.ts";
import { type Digest } from "../../model/digest.ts";
import { projectOf } from "../../model/permission.ts";
import { describeTagScope, readTagScope } from "../../model/tag-scope.ts";
import { findHoldOver, listTaggedEver, type TaggedEver } from "../../store/hold-records.ts";
import { findLifetime, type HoldRule } from "../../store/lifetime-records.ts";
import { type Store } from "../../store/store.ts";
import { refuse, type Refusal } from "../refusal.ts";
import { type ImageUnit } from "../image-unit.ts";
import { refuseTagMove } from "./guard.ts";

type Database = Store["db"];

/** Why an image cannot be deleted now. */
export interface Hold {
  readonly digest: Digest;
  /** Milliseconds since 1970. */
  readonly untilAt: number;
  readonly author: string;
  readonly reason: string;
}

/**
 * Refuses to delete an image by hand while something in its unit is held, or one of its tags is pinned by a rule.
 *
 * Call it in the transaction of the deletion.
 */
export async function refuseRemoval(db: Database, repository: string, unit: ImageUnit): Promise<Refusal | undefined> {
  const hold = await findHoldNow(db, repository, unit.members);
  if (hold !== undefined) {
    const what = hold.digest === unit.members[0] ? "it" : `${hold.digest}, which is attached to it,`;
    return refuse(
      "DENIED",
      `Cannot delete ${unit.members[0]} in "${repository}": ${what} is held until ${isoSeconds(hold.untilAt)} by ${hold.author}: ${hold.reason}`,
      { detail: { ...hold, untilAt: isoSeconds(hold.untilAt) } },
    );
  }
  for (const tag of unit.tags) {
    const refusal = await refuseTagMove(db, { repository, tag, to: undefined });
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

/** What holds any of some images of a repository longest, by name or by rule; undefined where nothing does. */
export async function findHoldNow(
  db: Database,
  repository: string,
  digests: readonly Digest[],
): Promise<Hold | undefined> {
  const own = await findHoldOver(db, repository, digests);
  const byRule = await findRuleHolds(db, repository, digests);
  return [...byRule.values(), ...(own === undefined ? [] : [own])].toSorted((a, b) => b.untilAt - a.untilAt)[0];
}

/** What the rules of its project hold of some images of a repository, the longest hold of each. */
export async function findRuleHolds(
  db: Database,
  repository: string,
  digests: readonly Digest[],
): Promise<Map<Digest, Hold>> {
  const { holdRules } = await findLifetime(db, projectOf(repository));
  const covering = openHoldRules(holdRules, repository);
  return covering === undefined ? new Map() : heldByRules(covering, await listTaggedEver(db, repository, digests));
}

/** The hold rules of a project that cover a repository, ready to be asked; undefined where none does. */
export function openHoldRules(rules: readonly HoldRule[], repository: string): OpenHoldRules | undefined {
  const open = rules.flatMap((rule) => {
    const scope = readTagScope(rule);
    return "invalid" in scope || !scope.covers(repository) ? [] : [{ rule, fits: scope.fits }];
  });
  return open.length === 0 ? undefined : { rules: open };
}

/** Hold rules that are ready to be asked about tags. */
export interface OpenHoldRules {
  readonly rules: readonly { readonly rule: HoldRule; readonly fits: (tag: string) => boolean }[];
}

const dayMs = 24 * 60 * 60_000;

/** What rules hold now, the longest hold of each image: whoever had a fitting tag once is held, whatever it has now. */
export function heldByRules({ rules }: OpenHoldRules, tagged: Iterable<TaggedEver>): Map<Digest, Hold> {
  const now = nowMs();
  const holds = new Map<Digest, Hold>();
  for (const { digest, tag, pushedAt } of tagged)
    for (const { rule, fits } of rules) {
      const untilAt = pushedAt + rule.days * dayMs;
      if (untilAt <= now || untilAt <= (holds.get(digest)?.untilAt ?? 0) || !fits(tag)) continue;
      const reason = `${rule.reason} (rule on ${describeTagScope(rule)}, ${rule.days} days from the push)`;
      holds.set(digest, { digest, untilAt, author: rule.author, reason });
    }
  return holds;
}
