import { Failure } from "../../base/errors.ts";
import { isMap, isTrue, mapOf, textOf } from "./hcl/values.ts";
import type { Value } from "./hcl/syntax.ts";

/** A target as `docker buildx bake --print` shows it; absent where nothing is said. */
export interface BakeTarget {
  readonly description?: string;
  readonly annotations?: readonly string[];
  readonly attest?: readonly Entry[];
  readonly context?: string;
  readonly contexts?: Readonly<Record<string, string>>;
  readonly dockerfile?: string;
  readonly "dockerfile-inline"?: string;
  readonly args?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly tags?: readonly string[];
  readonly "cache-from"?: readonly Entry[];
  readonly "cache-to"?: readonly Entry[];
  readonly target?: string;
  readonly secret?: readonly Entry[];
  readonly ssh?: readonly Entry[];
  readonly platforms?: readonly string[];
  readonly output?: readonly Entry[];
  readonly pull?: boolean;
  readonly "no-cache"?: boolean;
  readonly network?: string;
  readonly "no-cache-filter"?: readonly string[];
  readonly "shm-size"?: string;
  readonly ulimits?: readonly string[];
  readonly call?: string;
  readonly entitlements?: readonly string[];
  readonly "extra-hosts"?: Readonly<Record<string, string>>;
}

/** `type=image,push=true` as a record. */
type Entry = Readonly<Record<string, string>>;

type Form = "text" | "flag" | "texts" | "entries" | "map";

/** Every attribute in the order in which it is printed, its form, and whether later ones go after or over earlier ones. */
const attributeForms: Readonly<Record<keyof BakeTarget, readonly [form: Form, adds: boolean]>> = {
  description: ["text", false],
  annotations: ["texts", true],
  attest: ["entries", true],
  context: ["text", false],
  contexts: ["map", true],
  dockerfile: ["text", false],
  "dockerfile-inline": ["text", false],
  args: ["map", true],
  labels: ["map", true],
  tags: ["texts", false],
  "cache-from": ["entries", true],
  "cache-to": ["entries", false],
  target: ["text", false],
  secret: ["entries", true],
  ssh: ["entries", true],
  platforms: ["texts", false],
  output: ["entries", false],
  pull: ["flag", false],
  "no-cache": ["flag", false],
  network: ["text", false],
  "no-cache-filter": ["texts", false],
  "shm-size": ["text", false],
  ulimits: ["texts", true],
  call: ["text", false],
  entitlements: ["texts", true],
  "extra-hosts": ["map", true],
};

/** Attributes that say how targets come about, not what they are. */
const structural = new Set(["inherits", "matrix", "name", "policy", "resources"]);

/**
 * The target that worked out attributes describe.
 *
 * @throws Failure `recipe_invalid` for an attribute that is not known or has another form
 */
export function targetOf(name: string, values: ReadonlyMap<string, Value>): BakeTarget {
  const target: Record<string, unknown> = {};
  for (const [key, value] of values) {
    if (structural.has(key)) continue;
    const form = attributeForms[key as keyof BakeTarget] as (typeof attributeForms)[keyof BakeTarget] | undefined;
    if (form === undefined)
      throw new Failure("recipe_invalid", `Cannot use the target "${name}": "${key}" is no attribute`);
    if (value === null) continue;
    try {
      target[key] = read(form[0], value, key);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      throw new Failure("recipe_invalid", `Cannot use "${key}" of the target "${name}": it has another form`, {
        cause: error,
      });
    }
  }
  return ordered(target);
}

function read(form: Form, value: Value, key: string): unknown {
  if (form === "text") return textOf(value);
  if (form === "flag") return isTrue(value);
  if (form === "map") return textMap(value);
  const items = Array.isArray(value) ? (value as readonly Value[]) : [value];
  const present = items.filter((item) => item !== null && item !== "");
  return form === "texts" ? present.map(textOf) : present.map((item) => entryOf(item, key));
}

/** A member that is null is not there: an argument then has the Containerfile's own default. */
function textMap(value: Value): Readonly<Record<string, string>> {
  if (!isMap(value)) return textMap(mapOf([[textOf(value), ""]]));
  const entries = Object.entries(value).filter(([, member]) => member !== null);
  const texts = entries.map(([name, member]): [string, string] => [name, textOf(member)]);
  return Object.fromEntries(texts.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** What a bare word means where an entry is expected. */
const bareEntries: Readonly<Record<string, (word: string) => Entry>> = {
  "cache-from": (ref) => ({ ref, type: "registry" }),
  "cache-to": (ref) => ({ ref, type: "registry" }),
  output: (dest) => (dest === "-" ? { dest, type: "tar" } : { dest, type: "local" }),
  ssh: (id) => ({ id }),
  secret: (id) => ({ id }),
  attest: (type) => ({ type }),
};

function entryOf(value: Value, key: string): Entry {
  if (isMap(value)) return textMap(value);
  const text = textOf(value);
  if (!text.includes("=")) return bareEntries[key]?.(text) ?? { type: text };
  const pairs = text.split(",").map((part) => {
    const at = part.indexOf("=");
    return at < 0 ? [part.trim(), "true"] : [part.slice(0, at).trim(), part.slice(at + 1).trim()];
  });
  return Object.fromEntries(pairs.sort(([a], [b]) => (a! < b! ? -1 : 1))) as Entry;
}

/** Lays one target on another: maps and some lists grow, everything else is replaced. */
export function mergeTargets(below: BakeTarget, above: BakeTarget): BakeTarget {
  const merged: Record<string, unknown> = { ...below };
  for (const [key, value] of Object.entries(above)) {
    const [form, adds] = attributeForms[key as keyof BakeTarget];
    const before = merged[key];
    if (!adds || before === undefined) merged[key] = value;
    else if (form === "map") merged[key] = textMap({ ...(before as Entry), ...(value as Entry) });
    else merged[key] = uniqueItems([...(before as readonly unknown[]), ...(value as readonly unknown[])]);
  }
  return ordered(merged);
}

function uniqueItems(items: readonly unknown[]): unknown[] {
  return [...new Map(items.map((item) => [JSON.stringify(item), item])).values()];
}

/** Keys in the order of the table; what is empty is left out. */
function ordered(target: Readonly<Record<string, unknown>>): BakeTarget {
  const entries = Object.keys(attributeForms).flatMap((key) => {
    const value = target[key];
    const isEmpty = typeof value === "object" && value !== null && Object.keys(value).length === 0;
    return value === undefined || isEmpty ? [] : [[key, value] as const];
  });
  return Object.fromEntries(entries);
}

/** What no target says itself. */
export function withDefaults(target: BakeTarget): BakeTarget {
  return ordered({ context: ".", dockerfile: "Dockerfile", ...target });
}

/** The attribute of a name; undefined where there is none. */
export function isAttribute(key: string): key is keyof BakeTarget {
  return Object.hasOwn(attributeForms, key);
}
