import { stringify } from "yaml";
import { z } from "zod";
import type { Lifetime } from "../../registry/registry.ts";
import { badRequest, notOffered } from "./refusals.ts";
import { readCron, sixFields } from "./schedule-shapes.ts";
import { readSelectors, ruleSchema, type SentRule, shownSelectors, takesUntagged } from "./selectors.ts";

/** A policy as Harbor's clients send it. */
export const retentionBody = z.object({
  id: z.number().int().nullish(),
  algorithm: z.string().max(20).nullish(),
  rules: z.array(ruleSchema).max(15, "only 15 rules are allowed at most").nullish(),
  trigger: z
    .object({
      kind: z.string().max(50).nullish(),
      settings: z.looseObject({ cron: z.string().max(200).nullish() }).nullish(),
      references: z.looseObject({}).nullish(),
    })
    .nullish(),
  scope: z.object({ level: z.string().max(50).nullish(), ref: z.number().int().nullish() }).nullish(),
});

/** A policy as it was sent. */
export type SentRetention = z.output<typeof retentionBody>;

type StoredRetention = NonNullable<Awaited<ReturnType<Lifetime["retention"]["find"]>>>;
type Rule = StoredRetention["policy"]["rules"][number];

/** Our limits by the templates of Harbor; `always` has none. */
const templates = {
  latestPushedK: { yaml: "retain_count", key: "retainCount" },
  latestPulledN: { yaml: "retain_pulled_count", key: "retainPulledCount" },
  nDaysSinceLastPush: { yaml: "retain_days", key: "retainDays" },
  nDaysSinceLastPull: { yaml: "retain_pulled_days", key: "retainPulledDays" },
} as const;

/**
 * Writes a policy of Harbor's in our form.
 *
 * Images without a tag stay, unless every rule leaves them out: then they go after a day.
 *
 * @throws Failure `usage`, 501 for selectors that leave something out
 */
export function retentionText({ algorithm, rules, trigger }: SentRetention): string | undefined {
  if (!["or", "", null, undefined].includes(algorithm)) throw badRequest(`invalid algorithm ${algorithm}`);
  const cron = trigger?.settings?.cron ?? "";
  const standing = (rules ?? []).filter(({ disabled }) => disabled !== true);
  if (standing.length === 0) return undefined;
  return stringify({
    ...(cron === "" ? {} : { schedule: readCron(cron) }),
    retention: {
      rules: standing.map(ruleText),
      ...(standing.some(takesUntagged) ? {} : { untagged: { retain_days: 1 } }),
    },
  });
}

function ruleText(rule: SentRule): Readonly<Record<string, unknown>> {
  const { action, template, params } = rule;
  if (!["retain", "", null, undefined].includes(action)) throw badRequest(`invalid action ${action}`);
  const scope = readSelectors(rule);
  if (scope.excludesTags === true || scope.excludesRepositories === true)
    throw notOffered("rules of retention take tags and repositories that match: write a pattern for what is to stay");
  const name = template ?? "always";
  if (name !== "always" && !Object.hasOwn(templates, name)) throw badRequest(`invalid template ${name}`);
  const limit = name === "always" ? undefined : templates[name as keyof typeof templates];
  const given = params?.[name];
  const count = typeof given === "object" && given !== null ? Object.values(given)[0] : given;
  if (limit !== undefined && (typeof count !== "number" || !Number.isInteger(count) || count < 1))
    throw badRequest(`invalid parameter of ${name}`);
  return {
    tag_pattern: scope.tagPattern,
    ...(scope.repositoryPattern === undefined ? {} : { repository_pattern: scope.repositoryPattern }),
    action: "retain",
    ...(limit === undefined ? {} : { [limit.yaml]: count }),
  };
}

/** A policy in Harbor's shape: as it was sent while it is still so, otherwise as our rules read. */
export function shownRetention(project: number, { policy }: StoredRetention, echo: SentRetention | undefined): unknown {
  const rules = echo?.rules ?? policy.rules.flatMap(sentRules);
  const cron = policy.schedule === undefined ? "" : sixFields(policy.schedule);
  return {
    id: project,
    algorithm: "or",
    rules: rules.map((rule, index) => ({
      id: index + 1,
      priority: rule.priority ?? 0,
      disabled: rule.disabled ?? false,
      action: "retain",
      template: rule.template,
      params: rule.params ?? {},
      tag_selectors: rule.tag_selectors,
      scope_selectors: rule.scope_selectors,
    })),
    trigger: { kind: "Schedule", settings: { cron }, references: {} },
    scope: { level: "project", ref: project },
  };
}

/** A rule of ours with several limits keeps what any of them keeps: that is a rule for each. */
function sentRules(rule: Rule): SentRule[] {
  const { tagPattern, repositoryPattern } = rule;
  const scope = shownSelectors({ tagPattern, ...(repositoryPattern === undefined ? {} : { repositoryPattern }) });
  const limits = Object.entries(templates).flatMap(([template, { key }]) => {
    const count = rule[key];
    return count === undefined ? [] : [{ action: "retain", template, params: { [template]: count }, ...scope }];
  });
  return limits.length > 0 ? limits : [{ action: "retain", template: "always", params: {}, ...scope }];
}
