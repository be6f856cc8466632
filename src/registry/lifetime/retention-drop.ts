import { isoSeconds } from "../../base/clock.ts";
import { type Digest } from "../../model/digest.ts";
import { trashManifests } from "../../store/collection-trash-records.ts";
import { addAuditEvent } from "../../store/event-records.ts";
import { findManifestFacts, findTagPushes, listNaming } from "../../store/retention-fact-records.ts";
import { type Store } from "../../store/store.ts";
import { moveTag } from "../../store/tag-records.ts";
import { attachmentTags } from "../manifest-document.ts";
import { findHoldNow } from "./holds.ts";
import { type PullCounts } from "./pull-counts.ts";
import { type DroppedUnit, type Outcome, type RepositoryFacts } from "./retention-plan.ts";

/** A unit that is to go, as it was when that was decided. */
export interface PlannedDrop {
  readonly unit: DroppedUnit;
  /** The unit's outcomes. */
  readonly outcomes: readonly Outcome[];
  readonly facts: RepositoryFacts;
  readonly plannedTags: ReadonlyMap<string, RepositoryFacts["tags"][number]>;
}

interface Dropping {
  readonly actor: string;
  readonly pulls: PullCounts;
}

/**
 * Drops a unit whole, unless something about it has changed since the plan was made; then says what.
 *
 * Call it in a transaction: between the look and the drop nothing can come. What goes can be taken from the trash.
 */
export async function dropUnit(db: Store["db"], drop: PlannedDrop, dropping: Dropping): Promise<string | undefined> {
  const change = await findChange(db, drop, dropping.pulls);
  if (change !== undefined) return change;
  const { unit, outcomes } = drop;
  const { repository, members } = unit;
  const { actor } = dropping;
  const tagsOf = new Map<Digest, string[]>(members.map((member) => [member, []]));
  for (const { tag, digest, reason } of outcomes) {
    if (tag === undefined) continue;
    await moveTag(db, { repository, tag, to: undefined, actor, cause: "retention", reason });
    tagsOf.get(digest)?.push(tag);
  }
  const first = outcomes[0]?.digest ?? members[0]!;
  const reason = outcomes[0]?.reason ?? "goes with its image";
  await trashManifests(db, { repository, unit: first, members: tagsOf, origin: "deleted", reason });
  const tags = outcomes.flatMap(({ tag }) => tag ?? []);
  await addAuditEvent(db, {
    actor,
    action: "image.deleted",
    subject: `${repository}@${first}`,
    details: {
      by: "retention",
      reason,
      deletedCount: members.length,
      deleted: members.slice(0, namedCount),
      tags: tags.slice(0, namedCount),
    },
  });
  return undefined;
}

/** Digests and tags that an event names. */
const namedCount = 100;

/** What has changed about a unit since it was looked at for the plan; undefined where nothing has. */
async function findChange(db: Store["db"], drop: PlannedDrop, pulls: PullCounts): Promise<string | undefined> {
  const { unit, facts, plannedTags } = drop;
  const { repository, members } = unit;
  const own = new Set(members);
  const now = new Map((await findManifestFacts(db, repository, members)).map((fact) => [fact.digest, fact]));
  for (const member of members) {
    const planned = facts.manifests.get(member)!;
    const fact = now.get(member);
    if (fact === undefined) return "part of it was deleted since the plan was made";
    if (fact.pushedAt > planned.pushedAt) return "it was pushed again since the plan was made";
    if ((fact.pulledAt ?? 0) > (planned.pulledAt ?? 0) || pulls.isPending(repository, member))
      return "it was pulled since the plan was made";
  }
  const names = [...members.flatMap(attachmentTags), ...drop.outcomes.flatMap(({ tag }) => tag ?? [])];
  const found = new Set<string>();
  for (const { name, digest, pushedAt } of await findTagPushes(db, repository, { digests: members, names })) {
    const planned = plannedTags.get(name);
    if (planned?.digest !== digest || pushedAt > planned.pushedAt)
      return `the tag "${name}" was set since the plan was made`;
    found.add(name);
  }
  const gone = drop.outcomes.find(({ tag }) => tag !== undefined && !found.has(tag));
  if (gone !== undefined) return `the tag "${gone.tag}" was removed since the plan was made`;
  const naming = (await listNaming(db, repository, members)).find(({ by }) => !own.has(by));
  if (naming !== undefined)
    return `${naming.by} ${naming.kind === "child" ? "names it" : "was attached to it"} since the plan was made`;
  const hold = await findHoldNow(db, repository, members);
  return hold === undefined
    ? undefined
    : `held until ${isoSeconds(hold.untilAt)} by ${hold.author} since the plan was made`;
}
