import { type Document, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import { Failure } from "../../base/errors.ts";
import { nearestName } from "../../config/nearest-name.ts";
import { nextInstant } from "../../jobs/jobs.ts";
import { readGlob } from "../../model/glob.ts";

/** One rule: what it keeps of the tags that it is about. Without a limit it keeps them all. */
export interface RetentionRule {
  readonly tagPattern: string;
  /** Every repository of the project where absent. */
  readonly repositoryPattern?: string;
  /** Keeps what was pushed in the last days. */
  readonly retainDays?: number;
  /** Keeps the images that were pushed last. */
  readonly retainCount?: number;
  /** Keeps what was pulled in the last days. */
  readonly retainPulledDays?: number;
  /** Keeps the images that were pulled last. */
  readonly retainPulledCount?: number;
  /** Among which images is counted. */
  readonly scope: "per_repository" | "per_project";
}

/** When and what retention drops in a project. */
export interface RetentionPolicy {
  /** Cron in UTC; undefined runs by hand alone. */
  readonly schedule: string | undefined;
  readonly rules: readonly RetentionRule[];
  /** Drops images without a tag that were pushed longer ago than so many days; undefined leaves them alone. */
  readonly untaggedDays: number | undefined;
}

/** Rules of one policy. */
const ruleCount = 100;

/** Characters of one policy. */
const textChars = 64 * 1024;

/**
 * Reads a retention policy in YAML, in the form of the keys `schedule` and `retention`.
 *
 * @throws Failure `usage` with the line, and with a hint where a key looks misspelt
 */
export function readRetentionPolicy(text: string): RetentionPolicy {
  if (text.length > textChars) throw refused(`it has more than ${textChars} characters`);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, stringKeys: true });
  const error = document.errors[0];
  if (error !== undefined) throw refused(`line ${lines.linePos(error.pos[0]).line} is not YAML: ${firstLine(error)}`);
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch (cause) {
    throw refused(firstLine(cause));
  }
  const lineOf = (path: readonly (string | number)[]): string => {
    const start = startOf(document, path);
    return start === undefined ? "" : `line ${lines.linePos(start).line}: `;
  };
  return readTop({ value, lineOf });
}

/** Where a value begins, for a value under a key its key. */
function startOf(document: Document, path: readonly (string | number)[]): number | undefined {
  const parent: unknown = path.length === 0 ? document.contents : document.getIn(path.slice(0, -1), true);
  const last = path.at(-1);
  const key = isMap(parent)
    ? parent.items.find((pair) => isScalar(pair.key) && pair.key.value === last)?.key
    : undefined;
  const item: unknown = isSeq(parent) ? parent.items[Number(last)] : undefined;
  const found = key ?? item;
  return isNode(found) ? found.range?.[0] : undefined;
}

interface Source {
  readonly value: unknown;
  readonly lineOf: (path: readonly (string | number)[]) => string;
}

function readTop(source: Source): RetentionPolicy {
  const top = mapping(source, [], ["schedule", "retention"]);
  const schedule = top["schedule"];
  if (schedule !== undefined && schedule !== null && typeof schedule !== "string")
    throw refused(`${source.lineOf(["schedule"])}"schedule" is not a text`, cronHint);
  if (typeof schedule === "string") nextInstant(schedule, 0);
  const retention = mapping(source, ["retention"], ["rules", "untagged"]);
  const rules = retention["rules"] ?? [];
  if (!Array.isArray(rules)) throw refused(`${source.lineOf(["retention", "rules"])}"rules" is not a list`);
  if (rules.length > ruleCount) throw refused(`it has ${rules.length} rules: ${ruleCount} is the most`);
  const untaggedDays =
    retention["untagged"] === undefined
      ? undefined
      : wholeNumber(
          source,
          ["retention", "untagged", "retain_days"],
          mapping(source, ["retention", "untagged"], ["retain_days"]),
        );
  if (rules.length === 0 && untaggedDays === undefined)
    throw refused("it has neither rules nor untagged", "Remove the policy to keep everything");
  return {
    schedule: schedule ?? undefined,
    rules: rules.map((_, index) => readRule(source, index)),
    untaggedDays,
  };
}

const cronHint = 'Write minute, hour, day, month and weekday in quotes, such as "0 4 * * 1" for Mondays at 04:00 UTC';

const ruleKeys = [
  "tag_pattern",
  "repository_pattern",
  "action",
  "retain_days",
  "retain_count",
  "retain_pushed_days",
  "retain_pushed_count",
  "retain_pulled_days",
  "retain_pulled_count",
  "scope",
] as const;

const scopes = ["per_repository", "per_project"] as const;

function readRule(source: Source, index: number): RetentionRule {
  const path = ["retention", "rules", index];
  const rule = mapping(source, path, ruleKeys);
  const at = (key: string): string => source.lineOf([...path, key]);
  if (rule["tag_pattern"] === undefined)
    throw refused(`${source.lineOf(path)}rule ${index + 1} has no tag_pattern`, 'Write tag_pattern: "*" for every tag');
  const action = rule["action"] ?? "retain";
  if (action !== "retain")
    throw refused(
      `${at("action")}rule ${index + 1} has the action ${JSON.stringify(action)}`,
      "The only action is retain: what no rule retains is dropped",
    );
  const scope = rule["scope"] ?? "per_repository";
  if (!scopes.some((name) => name === scope))
    throw refused(
      `${at("scope")}rule ${index + 1} has the scope ${JSON.stringify(scope)}`,
      `A scope is ${scopes.join(" or ")}`,
    );
  const days = numberOf(source, path, { rule, keys: ["retain_days", "retain_pushed_days"] });
  const count = numberOf(source, path, { rule, keys: ["retain_count", "retain_pushed_count"] });
  const pulledDays = numberOf(source, path, { rule, keys: ["retain_pulled_days"] });
  const pulledCount = numberOf(source, path, { rule, keys: ["retain_pulled_count"] });
  return {
    tagPattern: pattern(source, [...path, "tag_pattern"], rule),
    ...(rule["repository_pattern"] === undefined
      ? {}
      : { repositoryPattern: pattern(source, [...path, "repository_pattern"], rule) }),
    ...(days === undefined ? {} : { retainDays: days }),
    ...(count === undefined ? {} : { retainCount: count }),
    ...(pulledDays === undefined ? {} : { retainPulledDays: pulledDays }),
    ...(pulledCount === undefined ? {} : { retainPulledCount: pulledCount }),
    scope: scope as RetentionRule["scope"],
  };
}

interface NamedNumber {
  readonly rule: Readonly<Record<string, unknown>>;
  /** The same thing by its short and its long name. */
  readonly keys: readonly string[];
}

function numberOf(source: Source, path: readonly (string | number)[], { rule, keys }: NamedNumber): number | undefined {
  const given = keys.filter((key) => rule[key] !== undefined);
  if (given.length > 1)
    throw refused(
      `${source.lineOf([...path, given[1]!])}${given.join(" and ")} are the same thing`,
      "Keep one of them",
    );
  return given[0] === undefined ? undefined : wholeNumber(source, [...path, given[0]], rule);
}

function wholeNumber(
  source: Source,
  path: readonly (string | number)[],
  values: Readonly<Record<string, unknown>>,
): number {
  const key = String(path.at(-1));
  const value = values[key];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 1 || value > 1_000_000)
    throw refused(`${source.lineOf(path)}${key} is ${JSON.stringify(value)}, not a whole number from 1 to 1000000`);
  return value;
}

function pattern(
  source: Source,
  path: readonly (string | number)[],
  values: Readonly<Record<string, unknown>>,
): string {
  const key = String(path.at(-1));
  const value = values[key];
  if (typeof value !== "string")
    throw refused(`${source.lineOf(path)}${key} is ${JSON.stringify(value)}, not a text`, "Put the pattern in quotes");
  const glob = readGlob(value);
  if ("invalid" in glob) throw refused(`${source.lineOf(path)}${key} "${value}": ${glob.invalid}`);
  return value;
}

function mapping(
  { value, lineOf }: Source,
  path: readonly (string | number)[],
  known: readonly string[],
): Readonly<Record<string, unknown>> {
  let node: unknown = value;
  for (const step of path) node = (node as Record<string | number, unknown> | null | undefined)?.[step];
  const name = path.length === 0 ? "the policy" : `"${path.at(-1)}"`;
  if (node === null || typeof node !== "object" || Array.isArray(node))
    throw refused(`${lineOf(path)}${typeof path.at(-1) === "number" ? "a rule" : name} is not a mapping of keys`);
  for (const key of Object.keys(node)) {
    if (known.includes(key)) continue;
    const near = nearestName(key, known);
    throw refused(
      `${lineOf([...path, key])}the key "${key}" is unknown`,
      near === undefined ? `The keys here are ${known.join(", ")}` : `Did you mean ${near}?`,
    );
  }
  return node as Record<string, unknown>;
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
}

function refused(message: string, hint?: string): Failure {
  return new Failure(
    "usage",
    `Cannot read the retention policy: ${message}`,
    hint === undefined ? { hint: "docs/how-to/keep-and-drop-tags.md shows every key" } : { hint },
  );
}
