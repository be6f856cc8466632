import { z } from "zod";
import type { TagScope } from "../../model/tag-scope.ts";
import { badRequest, notOffered } from "./refusals.ts";

const selectorSchema = z.object({
  kind: z.string().max(50).nullish(),
  decoration: z.string().max(50).nullish(),
  pattern: z.string().max(255),
  extras: z.string().max(500).nullish(),
});

/** A rule of retention or immutability in Harbor's shape. */
export const ruleSchema = z.object({
  id: z.number().int().nullish(),
  priority: z.number().int().nullish(),
  disabled: z.boolean().nullish(),
  action: z.string().max(50).nullish(),
  template: z.string().max(50).nullish(),
  params: z.record(z.string().max(50), z.unknown()).nullish(),
  tag_selectors: z.array(selectorSchema).max(20).nullish(),
  scope_selectors: z.record(z.string().max(50), z.array(selectorSchema).max(20)).nullish(),
});

/** A rule as Harbor's clients send it. */
export type SentRule = z.output<typeof ruleSchema>;
type Selector = z.output<typeof selectorSchema>;

/**
 * Reads the selectors of a rule as the tags that it is about.
 *
 * @throws Failure `usage` for what is no selector, 501 for several of one kind, which would have to hold together
 */
export function readSelectors({ tag_selectors: tags, scope_selectors: scopes }: SentRule): TagScope {
  const repositories = scopes?.["repository"] ?? [];
  if ((tags ?? []).length > 1 || repositories.length > 1)
    throw notOffered("a rule has one selector for tags and one for repositories: write {a,b} for either");
  const tag = read(tags?.[0], ["matches", "excludes"]);
  const repository = read(repositories[0], ["repoMatches", "repoExcludes"]);
  const isEvery = repository === undefined || (repository.pattern === "**" && !repository.isExcluded);
  return {
    tagPattern: tag?.pattern ?? "**",
    ...(tag?.isExcluded === true ? { excludesTags: true } : {}),
    ...(isEvery ? {} : { repositoryPattern: repository.pattern }),
    ...(!isEvery && repository.isExcluded ? { excludesRepositories: true } : {}),
  };
}

function read(
  selector: Selector | undefined,
  [takes, leaves]: readonly [takes: string, leaves: string],
): { readonly pattern: string; readonly isExcluded: boolean } | undefined {
  if (selector === undefined) return undefined;
  const { kind, decoration, pattern } = selector;
  if (kind !== null && kind !== undefined && kind !== "doublestar")
    throw badRequest(`invalid kind of selector ${kind}`);
  if (decoration !== takes && decoration !== leaves) throw badRequest(`invalid decoration ${decoration ?? ""}`);
  return { pattern: pattern === "" ? "**" : pattern, isExcluded: decoration === leaves };
}

/** The selectors of a rule in Harbor's shape. */
export function shownSelectors(scope: TagScope): Pick<SentRule, "tag_selectors" | "scope_selectors"> {
  return {
    tag_selectors: [
      {
        kind: "doublestar",
        decoration: scope.excludesTags === true ? "excludes" : "matches",
        pattern: scope.tagPattern,
        extras: JSON.stringify({ untagged: true }),
      },
    ],
    scope_selectors: {
      repository: [
        {
          kind: "doublestar",
          decoration: scope.excludesRepositories === true ? "repoExcludes" : "repoMatches",
          pattern: scope.repositoryPattern ?? "**",
        },
      ],
    },
  };
}

/** Whether a rule is about images without a tag as well; so it is where nothing is said. */
export function takesUntagged({ tag_selectors: tags }: SentRule): boolean {
  const extras = tags?.[0]?.extras;
  if (extras === null || extras === undefined || extras === "") return true;
  try {
    return (JSON.parse(extras) as { readonly untagged?: unknown } | null)?.untagged !== false;
  } catch {
    throw badRequest("the extras of a selector are not JSON");
  }
}
