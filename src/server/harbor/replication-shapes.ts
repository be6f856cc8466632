import { z } from "zod";
import type { ReplicationRule } from "../../registry/registry.ts";
import { badRequest, notOffered } from "./refusals.ts";
import { readCron, sixFields } from "./schedule-shapes.ts";

const registryRef = z.looseObject({ id: z.number().int().nullish() }).nullish();

/** A replication policy as Harbor's clients send it. */
export const policyBody = z.object({
  id: z.number().int().nullish(),
  name: z.string().max(256).nullish(),
  description: z.string().max(1024).nullish(),
  src_registry: registryRef,
  dest_registry: registryRef,
  dest_namespace: z.string().max(255).nullish(),
  dest_namespace_replace_count: z.number().int().min(-1).max(100).nullish(),
  trigger: z
    .object({
      type: z.enum(["manual", "scheduled", "event_based", ""]).nullish(),
      trigger_settings: z.object({ cron: z.string().max(200).nullish() }).nullish(),
    })
    .nullish(),
  filters: z
    .array(z.object({ type: z.string().max(50), value: z.unknown(), decoration: z.string().max(50).nullish() }))
    .max(50)
    .nullish(),
  replicate_deletion: z.boolean().nullish(),
  deletion: z.boolean().nullish(),
  override: z.boolean().nullish(),
  enabled: z.boolean().nullish(),
  speed: z.number().int().min(-1).nullish(),
  copy_by_chunk: z.boolean().nullish(),
  single_active_replication: z.boolean().nullish(),
});

/** A replication policy as it was sent. */
export type SentPolicy = z.output<typeof policyBody>;

/** More parts than any name has: the namespace replaces all but the last. */
const allParts = 255;

/** Where images go in a policy: from here, or to here; the other side is a registry. */
export function directionOf({ src_registry: source, dest_registry: destination }: SentPolicy): {
  readonly direction: "push" | "pull";
  readonly registry: number;
} {
  const [from, to] = [source?.id ?? 0, destination?.id ?? 0];
  if (from !== 0 && to !== 0) throw badRequest("either src_registry or dest_registry is this registry, without an id");
  if (from === 0 && to === 0)
    throw badRequest("either src_registry or dest_registry should be empty, and the other one a registry");
  return from === 0 ? { direction: "push", registry: to } : { direction: "pull", registry: from };
}

/**
 * Reads a policy of Harbor's as a rule of ours.
 *
 * @throws Failure `usage`, 501 for filters that leave out
 */
export function readPolicy(sent: SentPolicy, peer: string): ReplicationRule {
  const repositories: string[] = [];
  const tags: string[] = [];
  const labels: string[] = [];
  for (const { type, value, decoration } of sent.filters ?? []) {
    if (type === "resource" && ["image", "artifact", ""].includes(String(value))) continue;
    if (type !== "name" && type !== "tag" && type !== "label")
      throw notOffered(`filters by ${type} are not applied here`);
    if (decoration === "excludes") throw notOffered("filters take what matches: write a pattern for what is to travel");
    if (type === "label") {
      labels.push(...readLabels(value));
      continue;
    }
    if (typeof value !== "string") throw badRequest(`the value of the filter ${type} is not a text`);
    if (value !== "") (type === "name" ? repositories : tags).push(value);
  }
  const count = sent.dest_namespace_replace_count ?? -1;
  const { speed, dest_namespace: namespace } = sent;
  return {
    name: sent.name ?? "",
    peer,
    direction: directionOf(sent).direction,
    isEnabled: sent.enabled ?? false,
    repositories: repositories.length === 0 ? ["**"] : repositories,
    tags,
    labels,
    signed: "any",
    keys: [],
    namespace: namespace === null || namespace === "" ? undefined : namespace,
    replaceCount: count < 0 ? allParts : count,
    trigger: readTrigger(sent.trigger),
    deletion: sent.replicate_deletion ?? sent.deletion ?? false,
    override: sent.override ?? false,
    bytesPerSecond: speed === null || speed === undefined || speed <= 0 ? undefined : speed * 1024,
  };
}

function readLabels(value: unknown): string[] {
  const names: unknown[] = Array.isArray(value) ? value : [value];
  return names.map((name) => {
    if (typeof name !== "string") throw badRequest("the value of the filter label is not a list of names");
    return name;
  });
}

function readTrigger(trigger: SentPolicy["trigger"]): ReplicationRule["trigger"] {
  if (trigger?.type === "event_based") return { kind: "event" };
  if (trigger?.type !== "scheduled") return { kind: "manual" };
  return { kind: "schedule", cron: readCron(trigger.trigger_settings?.cron ?? "") };
}

/** The parts of a rule that Harbor's shape has, beside its registries. */
export function shownPolicy(rule: ReplicationRule): Readonly<Record<string, unknown>> {
  const { repositories, tags, labels, trigger, namespace, replaceCount, bytesPerSecond } = rule;
  const names = repositories.length === 1 && repositories[0] === "**" ? [] : [joined(repositories)];
  return {
    name: rule.name,
    dest_namespace: namespace ?? "",
    dest_namespace_replace_count: replaceCount >= allParts ? -1 : replaceCount,
    trigger: shownTrigger(trigger),
    filters: [
      ...names.map((value) => ({ type: "name", value })),
      ...(tags.length === 0 ? [] : [{ type: "tag", value: joined(tags), decoration: "matches" }]),
      ...(labels.length === 0 ? [] : [{ type: "label", value: labels, decoration: "matches" }]),
    ],
    replicate_deletion: rule.deletion,
    deletion: rule.deletion,
    override: rule.override,
    enabled: rule.isEnabled,
    speed: bytesPerSecond === undefined ? -1 : Math.round(bytesPerSecond / 1024),
    copy_by_chunk: true,
    single_active_replication: false,
  };
}

/** Harbor has one pattern for each, in which braces stand for either. */
function joined(patterns: readonly string[]): string {
  return patterns.length === 1 ? patterns[0]! : `{${patterns.join(",")}}`;
}

function shownTrigger(trigger: ReplicationRule["trigger"]): unknown {
  if (trigger.kind === "schedule") return { type: "scheduled", trigger_settings: { cron: sixFields(trigger.cron) } };
  return { type: trigger.kind === "event" ? "event_based" : "manual", trigger_settings: { cron: "" } };
}
