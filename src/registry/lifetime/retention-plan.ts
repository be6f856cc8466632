import { isoSeconds } from "../../base/clock.ts";
import { type Digest } from "../../model/digest.ts";
import { attachedTo, attachmentStem } from "../manifest-document.ts";
import { type Hold } from "./holds.ts";
import { type RetentionPolicy } from "./retention-policy.ts";
import { judgeTags, type TagVerdict } from "./retention-rules.ts";

/** A tag as a plan sees it. */
export interface PlannedTag {
  readonly name: string;
  readonly digest: Digest;
  /** When it was last moved or pushed again; milliseconds. */
  readonly pushedAt: number;
}

/** A manifest as a plan sees it; instants are milliseconds. */
export interface PlannedManifest {
  /** When it was last pushed. */
  readonly pushedAt: number;
  readonly pulledAt: number | undefined;
  readonly subject: Digest | undefined;
  /** The manifests that an index names. */
  readonly children: readonly Digest[];
}

/** All that is known of a repository when a plan is made. */
export interface RepositoryFacts {
  readonly repository: string;
  readonly tags: readonly PlannedTag[];
  readonly manifests: ReadonlyMap<Digest, PlannedManifest>;
  readonly holds: ReadonlyMap<Digest, Hold>;
}

/** What happens to one tag, or to one image without a tag. */
export interface Outcome {
  readonly repository: string;
  /** Undefined for an image that has none. */
  readonly tag: string | undefined;
  readonly digest: Digest;
  readonly decision: "kept" | "dropped";
  /** Which rule keeps it, with age or rank; or why none does. */
  readonly reason: string;
}

/** Manifests of one repository that go together or not at all. */
export interface DroppedUnit {
  readonly repository: string;
  readonly members: readonly Digest[];
  /** Positions of its outcomes in the plan; those of tags that attach something come last. */
  readonly outcomes: readonly number[];
}

/** What retention does: every tag has an outcome, and every manifest that goes is in one unit. */
export interface RetentionPlan {
  readonly outcomes: readonly Outcome[];
  readonly units: readonly DroppedUnit[];
}

/**
 * Decides what a policy keeps and drops of some repositories; pure, so that a dry run and the run are the same.
 *
 * Retention drops images, not names: while an image stays, all its tags stay. An image stays with everything that is
 * one unit with it, the children of an index, what is attached to it and what it is attached to, as soon as any of
 * them is kept, by a rule on one of its tags or by a hold.
 */
export function planRetention(
  policy: RetentionPolicy,
  repositories: readonly RepositoryFacts[],
  now: number,
): RetentionPlan {
  const verdicts = judgeTags(policy, repositories, now);
  const outcomes: Outcome[] = [];
  const units: DroppedUnit[] = [];
  for (const facts of repositories) {
    const judged = verdicts.get(facts.repository)!;
    const graph = openGraph(facts);
    const kept = keepUnits(graph, roots(facts, { graph, policy, verdicts: judged, now }));
    const first = outcomes.length;
    for (const tag of facts.tags) outcomes.push(tagOutcome(facts, tag, { graph, kept, verdict: judged.get(tag.name) }));
    outcomes.push(...untaggedOutcomes(facts, { graph, policy, kept }));
    units.push(...droppedUnits(facts, { graph, kept, outcomes, first }));
  }
  return { outcomes, units };
}

/** How the manifests of a repository hang together. */
interface Graph {
  readonly manifests: ReadonlyMap<Digest, PlannedManifest>;
  /** Which manifests stay when one stays. */
  readonly follows: ReadonlyMap<Digest, readonly Follower[]>;
  /** What has a tag of its own that is not an attachment's. */
  readonly tagged: ReadonlySet<Digest>;
  /** What is the child of an index, attached, or has an attachment's tag. */
  readonly leaning: ReadonlySet<Digest>;
  /** The image that an attachment's tag belongs to. */
  readonly subjectOfTag: ReadonlyMap<string, Digest>;
  /**
   * Tags of attachments whose image is not here. Signatures may be kept apart from their images, in a repository of
   * their own: they are nothing to count or to drop.
   */
  readonly orphans: ReadonlySet<string>;
}

interface Follower {
  readonly digest: Digest;
  readonly as: "part of" | "attached to" | "has attached";
}

function openGraph({ tags, manifests }: RepositoryFacts): Graph {
  const follows = new Map<Digest, Follower[]>();
  const leaning = new Set<Digest>();
  const add = (from: Digest, follower: Follower): void => {
    const list = follows.get(from);
    if (list === undefined) follows.set(from, [follower]);
    else list.push(follower);
  };
  const stems = new Map<string, Digest>();
  const attachments = new Map(tags.flatMap(({ name }) => attachmentOf(name)));
  for (const [digest, { subject, children }] of manifests) {
    if (attachments.size > 0) stems.set(attachmentStem(digest), digest);
    for (const child of children) {
      if (!manifests.has(child)) continue;
      add(digest, { digest: child, as: "part of" });
      leaning.add(child);
    }
    if (subject === undefined || !manifests.has(subject)) continue;
    add(subject, { digest, as: "attached to" });
    add(digest, { digest: subject, as: "has attached" });
    leaning.add(digest);
  }
  const tagged = new Set<Digest>();
  const subjectOfTag = new Map<string, Digest>();
  const orphans = new Set<string>();
  for (const { name, digest } of tags) {
    const stem = attachments.get(name);
    const subject = stem === undefined ? undefined : stems.get(stem);
    if (stem !== undefined && subject === undefined) orphans.add(name);
    if (subject === undefined) tagged.add(digest);
    else {
      subjectOfTag.set(name, subject);
      add(subject, { digest, as: "attached to" });
      leaning.add(digest);
    }
  }
  return { manifests, follows, tagged, leaning, subjectOfTag, orphans };
}

function attachmentOf(tag: string): [tag: string, stem: string][] {
  const stem = attachedTo(tag);
  return stem === undefined ? [] : [[tag, stem]];
}

interface Reading {
  readonly graph: Graph;
  readonly policy: RetentionPolicy;
  readonly verdicts: ReadonlyMap<string, TagVerdict>;
  readonly now: number;
}

const dayMs = 24 * 60 * 60_000;

/** What is kept for its own sake, with the reason in words. */
function roots(facts: RepositoryFacts, { graph, policy, verdicts, now }: Reading): Map<Digest, Root> {
  const kept = new Map<Digest, Root>();
  const keep = (digest: Digest, root: Root): void => {
    if (!kept.has(digest)) kept.set(digest, root);
  };
  for (const { name, digest } of facts.tags)
    if (verdicts.get(name)?.isKept === true || graph.orphans.has(name))
      keep(digest, { name, reason: `same image as "${name}"` });
  for (const [digest, { untilAt, author, reason }] of facts.holds)
    keep(digest, { name: digest, reason: `held until ${isoSeconds(untilAt)} by ${author}: ${reason}` });
  for (const [digest, { pushedAt }] of facts.manifests) {
    if (graph.tagged.has(digest) || graph.leaning.has(digest)) continue;
    const { untaggedDays } = policy;
    if (untaggedDays === undefined || now - pushedAt <= untaggedDays * dayMs)
      keep(digest, { name: digest, reason: "an image without a tag that is kept" });
  }
  return kept;
}

interface Root {
  /** How others that stay because of it call it. */
  readonly name: string;
  readonly reason: string;
}

/** Everything that stays, with why, in words. */
function keepUnits({ manifests, follows }: Graph, kept: Map<Digest, Root>): Map<Digest, Root> {
  // The map grows while it is walked.
  for (const [digest, { name }] of kept)
    for (const { digest: other, as } of follows.get(digest) ?? [])
      if (!kept.has(other) && manifests.has(other)) kept.set(other, { name, reason: `${followerWords[as]} "${name}"` });
  return kept;
}

const followerWords = {
  "part of": "part of",
  "attached to": "attached to",
  "has attached": "an image with something attached that is kept as",
} as const;

interface TagReading {
  readonly graph: Graph;
  readonly kept: ReadonlyMap<Digest, Root>;
  readonly verdict: TagVerdict | undefined;
}

function tagOutcome(facts: RepositoryFacts, tag: PlannedTag, { graph, kept, verdict }: TagReading): Outcome {
  const { name, digest } = tag;
  const base = { repository: facts.repository, tag: name, digest };
  const subject = graph.subjectOfTag.get(name);
  if (subject !== undefined) {
    const root = kept.get(subject);
    return root === undefined
      ? { ...base, decision: "dropped", reason: `goes with ${subject}, which it is attached to` }
      : { ...base, decision: "kept", reason: `attached to "${root.name}"` };
  }
  if (graph.orphans.has(name))
    return { ...base, decision: "kept", reason: "attached to an image that this repository does not have" };
  if (verdict?.isKept === true) return { ...base, decision: "kept", reason: verdict.reason };
  const root = kept.get(digest);
  return root === undefined
    ? { ...base, decision: "dropped", reason: verdict?.reason ?? "no rule keeps it" }
    : { ...base, decision: "kept", reason: root.reason };
}

interface UntaggedReading {
  readonly graph: Graph;
  readonly policy: RetentionPolicy;
  readonly kept: ReadonlyMap<Digest, Root>;
}

/** Images that never had a tag of their own and lean on nothing: they go for their age alone. */
function untaggedOutcomes(facts: RepositoryFacts, { graph, policy, kept }: UntaggedReading): Outcome[] {
  const { repository } = facts;
  return [...facts.manifests.keys()]
    .filter((digest) => !kept.has(digest) && !graph.tagged.has(digest) && !graph.leaning.has(digest))
    .toSorted()
    .map((digest) => ({
      repository,
      tag: undefined,
      digest,
      decision: "dropped" as const,
      reason: `no tag, and pushed more than ${policy.untaggedDays} days ago`,
    }));
}

interface UnitReading {
  readonly graph: Graph;
  readonly kept: ReadonlyMap<Digest, Root>;
  readonly outcomes: readonly Outcome[];
  /** Position of the repository's first outcome. */
  readonly first: number;
}

/** What goes, as sets that hang together and share nothing: each can go or stay by itself. */
function droppedUnits(facts: RepositoryFacts, { graph, kept, outcomes, first }: UnitReading): DroppedUnit[] {
  const unitOf = new Map<Digest, OpenUnit>();
  const neighbours = new Map<Digest, Digest[]>();
  const link = (from: Digest, to: Digest): void => {
    const list = neighbours.get(from);
    if (list === undefined) neighbours.set(from, [to]);
    else list.push(to);
  };
  for (const [digest, followers] of graph.follows)
    for (const { digest: other } of followers)
      if (!kept.has(digest) && !kept.has(other)) {
        link(digest, other);
        link(other, digest);
      }
  for (const start of facts.manifests.keys()) {
    if (kept.has(start) || unitOf.has(start)) continue;
    const unit: OpenUnit = { members: [start], outcomes: [], ownCount: 0 };
    unitOf.set(start, unit);
    for (const member of unit.members)
      for (const other of neighbours.get(member) ?? [])
        if (!unitOf.has(other)) {
          unitOf.set(other, unit);
          unit.members.push(other);
        }
  }
  for (let position = first; position < outcomes.length; position++) {
    const { decision, digest, tag } = outcomes[position]!;
    // The tag of a signature may go though what it points to stays under another tag: it goes with its subject.
    const owner = graph.subjectOfTag.get(tag ?? "") ?? digest;
    if (decision !== "dropped") continue;
    const unit = unitOf.get(owner)!;
    if (graph.subjectOfTag.has(tag ?? "")) unit.outcomes.push(position);
    else unit.outcomes.splice(unit.ownCount++, 0, position);
  }
  const { repository } = facts;
  return [...new Set(unitOf.values())].map(({ members, outcomes: own }) => ({ repository, members, outcomes: own }));
}

interface OpenUnit {
  readonly members: Digest[];
  readonly outcomes: number[];
  /** Outcomes of tags of its own; those of attachments' tags come after. */
  ownCount: number;
}
