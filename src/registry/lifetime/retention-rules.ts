import { isoSeconds } from "../../base/clock.ts";
import { type Digest } from "../../model/digest.ts";
import { type ReadTagScope, readTagScope } from "../../model/tag-scope.ts";
import { attachedTo } from "../manifest-document.ts";
import { type PlannedTag, type RepositoryFacts } from "./retention-plan.ts";
import { type RetentionPolicy, type RetentionRule } from "./retention-policy.ts";

/** What the rules of a policy say of one tag. */
export interface TagVerdict {
  readonly isKept: boolean;
  /** The first rule that keeps it, with age or rank; else what each rule that is about it says. */
  readonly reason: string;
}

/**
 * Asks the rules in their order about every tag; by repository and tag. Tags that attach something are not asked about.
 *
 * A tag that any rule keeps is kept. Where a rule counts, it counts images, not tags, and only by tags that no rule
 * above it keeps already: so `latest` and what is kept for its days take no place among the newest builds, while the
 * image that `latest` points to has its place by its dated tag. A repository that no rule covers is left alone; in one
 * that a rule covers, what no rule keeps goes.
 */
export function judgeTags(
  policy: RetentionPolicy,
  repositories: readonly RepositoryFacts[],
  now: number,
): Map<string, Map<string, TagVerdict>> {
  const rules = policy.rules.map(openRule);
  const verdicts = new Map<string, Map<string, TagVerdict>>();
  const judged: JudgedTag[] = [];
  for (const facts of repositories) {
    const told = new Map<string, TagVerdict>();
    verdicts.set(facts.repository, told);
    const covering = rules.filter((rule) => rule.scope.covers(facts.repository));
    const { repository } = facts;
    for (const tag of facts.tags) {
      if (attachedTo(tag.name) !== undefined) continue;
      if (covering.length === 0) told.set(tag.name, { isKept: true, reason: "no rule covers its repository" });
      else judged.push({ repository, tag, pulledAt: lastPull(facts, tag.digest), keptBy: undefined, remarks: [] });
    }
  }
  for (const rule of rules) applyRule(rule, judged, now);
  for (const { repository, tag, keptBy, remarks } of judged)
    verdicts.get(repository)!.set(tag.name, {
      isKept: keptBy !== undefined,
      reason: keptBy ?? (remarks.length === 0 ? "no rule is about it" : `no rule keeps it: ${remarks.join("; ")}`),
    });
  return verdicts;
}

interface JudgedTag {
  readonly repository: string;
  readonly tag: PlannedTag;
  readonly pulledAt: number | undefined;
  /** Why it is kept, by the first rule that does. */
  keptBy: string | undefined;
  /** What the rules that do not keep it say. */
  readonly remarks: string[];
}

/** An index is pulled as one of its children, by clients that know its digest. */
function lastPull({ manifests }: RepositoryFacts, digest: Digest): number | undefined {
  const manifest = manifests.get(digest);
  let latest = manifest?.pulledAt;
  for (const child of manifest?.children ?? []) {
    const pulledAt = manifests.get(child)?.pulledAt;
    if (pulledAt !== undefined && pulledAt > (latest ?? 0)) latest = pulledAt;
  }
  return latest;
}

interface OpenRule {
  readonly rule: RetentionRule;
  readonly scope: ReadTagScope;
  /** `rule 3 "*"`. */
  readonly name: string;
}

function openRule(rule: RetentionRule, index: number): OpenRule {
  const { tagPattern, repositoryPattern } = rule;
  const scope = readTagScope({ tagPattern, ...(repositoryPattern === undefined ? {} : { repositoryPattern }) });
  // Patterns are read with the policy; a plan is never made of one that could not be.
  if ("invalid" in scope) throw new Error(`rule ${index + 1}: ${scope.invalid}`);
  return { rule, scope, name: `rule ${index + 1} "${tagPattern}"` };
}

const dayMs = 24 * 60 * 60_000;

function applyRule({ rule, scope, name }: OpenRule, all: readonly JudgedTag[], now: number): void {
  const { retainDays, retainCount, retainPulledDays, retainPulledCount } = rule;
  const matching = all.filter(({ repository, tag }) => scope.covers(repository) && scope.fits(tag.name));
  const isUnlimited = [retainDays, retainCount, retainPulledDays, retainPulledCount].every((one) => one === undefined);
  const open = matching.filter(({ keptBy }) => keptBy === undefined);
  const pushRanks = retainCount === undefined ? undefined : rankImages(open, rule, ({ tag }) => tag.pushedAt);
  const pullRanks = retainPulledCount === undefined ? undefined : rankImages(open, rule, ({ pulledAt }) => pulledAt);
  for (const one of open) {
    if (isUnlimited) {
      one.keptBy = `${name}: always`;
      continue;
    }
    const limits = [
      age("pushed", { at: one.tag.pushedAt, days: retainDays, now }),
      age("pulled", { at: one.pulledAt, days: retainPulledDays, now }),
      place("pushed", { rank: pushRanks?.get(imageKey(one)), count: retainCount }),
      place("pulled", { rank: pullRanks?.get(imageKey(one)), count: retainPulledCount }),
    ].filter((limit) => limit !== undefined);
    const keeping = limits.find(({ isKept }) => isKept);
    if (keeping === undefined) one.remarks.push(`${name}: ${limits.map(({ words }) => words).join(", ")}`);
    else one.keptBy = `${name}: ${keeping.words}`;
  }
}

interface Limit {
  readonly isKept: boolean;
  readonly words: string;
}

interface Age {
  readonly at: number | undefined;
  readonly days: number | undefined;
  readonly now: number;
}

function age(verb: "pushed" | "pulled", { at, days, now }: Age): Limit | undefined {
  if (days === undefined) return undefined;
  if (at === undefined) return { isKept: false, words: `never ${verb}` };
  const isKept = now - at <= days * dayMs;
  const ago = Math.max(0, Math.floor((now - at) / dayMs));
  return { isKept, words: `${verb} ${ago} days ago on ${isoSeconds(at).slice(0, 10)}, kept for ${days}` };
}

interface Place {
  readonly rank: number | undefined;
  readonly count: number | undefined;
}

function place(verb: "pushed" | "pulled", { rank, count }: Place): Limit | undefined {
  if (count === undefined) return undefined;
  if (rank === undefined) return { isKept: false, words: `never ${verb}` };
  return { isKept: rank <= count, words: `number ${rank} of the last ${verb}, ${count} are kept` };
}

function imageKey({ repository, tag }: JudgedTag): string {
  return `${repository}@${tag.digest}`;
}

/** The place of each image, 1 the latest, among those of its repository or of the project. */
function rankImages(
  tags: readonly JudgedTag[],
  { scope }: RetentionRule,
  instantOf: (tag: JudgedTag) => number | undefined,
): Map<string, number> {
  const latest = new Map<string, { readonly group: string; readonly at: number }>();
  for (const tag of tags) {
    const at = instantOf(tag);
    const key = imageKey(tag);
    if (at !== undefined && at > (latest.get(key)?.at ?? -1))
      latest.set(key, { group: scope === "per_project" ? "" : tag.repository, at });
  }
  // Ties are settled by name, so that a plan made twice is the same.
  const ordered = [...latest].toSorted(([a, one], [b, other]) => other.at - one.at || (a < b ? -1 : 1));
  const places = new Map<string, number>();
  const counts = new Map<string, number>();
  for (const [key, { group }] of ordered) {
    const count = (counts.get(group) ?? 0) + 1;
    counts.set(group, count);
    places.set(key, count);
  }
  return places;
}
