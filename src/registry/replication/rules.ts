import { Failure } from "../../base/errors.ts";
import { type Glob, readGlob } from "../../model/glob.ts";
import { isRepository } from "../../model/reference.ts";

/** What starts a rule. */
type RuleTrigger =
  | { readonly kind: "manual" }
  /** A cron expression in UTC. */
  | { readonly kind: "schedule"; readonly cron: string }
  /** Whatever changes here; only for rules that push. */
  | { readonly kind: "event" };

/** What travels, where to, and how. */
export interface RuleSettings {
  /** Patterns over the names of repositories at the source. */
  readonly repositories: readonly string[];
  /** Patterns over tags; empty for all. */
  readonly tags: readonly string[];
  /** Labels that an image must carry, all of them; only for rules that push, since other registries have their own. */
  readonly labels: readonly string[];
  /** `present` lets only images pass that have a signature, `key` only those that one of the keys signed. */
  readonly signed: "any" | "present" | "key";
  /** Public keys in PEM for `key`. */
  readonly keys: readonly string[];
  /** What stands before the name at the destination; undefined keeps the name. */
  readonly namespace: string | undefined;
  /** How many leading parts of the name the namespace replaces. */
  readonly replaceCount: number;
  readonly trigger: RuleTrigger;
  /** Whether tags that are gone at the source go at the destination too. */
  readonly deletion: boolean;
  /** Whether a tag moves at the destination where it points elsewhere. */
  readonly override: boolean;
  readonly bytesPerSecond: number | undefined;
}

/** Settings whose patterns are ready to be matched. */
export interface Selection {
  readonly settings: RuleSettings;
  covers(repository: string): boolean;
  fits(tag: string): boolean;
  /** The repositories where all patterns are plain names; undefined where one is not. */
  readonly names: readonly string[] | undefined;
}

/** Makes settings ready. @throws Failure `usage` for what cannot be meant */
export function readSettings(settings: RuleSettings): Selection {
  const wrong = (state: string): Failure => new Failure("usage", `Cannot use the replication rule: ${state}`);
  const read = (pattern: string): Glob => {
    const glob = readGlob(pattern);
    if ("invalid" in glob) throw wrong(`the pattern "${pattern}": ${glob.invalid}`);
    return glob;
  };
  if (settings.repositories.length === 0) throw wrong("it names no repository; ** stands for all");
  const repositories = settings.repositories.map(read);
  const tags = settings.tags.map(read);
  if (settings.signed === "key" && settings.keys.length === 0) throw wrong("it asks for a signature but has no key");
  if (settings.namespace !== undefined && !isRepository(settings.namespace))
    throw wrong(`"${settings.namespace}" is not a namespace`);
  return {
    settings,
    covers: (repository) => repositories.some((glob) => glob.matches(repository)),
    fits: (tag) => tags.length === 0 || tags.some((glob) => glob.matches(tag)),
    names: settings.repositories.every(isRepository) ? settings.repositories : undefined,
  };
}

/**
 * The name of a repository at the destination: the namespace in place of its first parts, of which the last one stays.
 *
 * @throws Failure `usage` where that is no name
 */
export function destinationOf({ namespace, replaceCount }: RuleSettings, repository: string): string {
  if (namespace === undefined) return repository;
  const parts = repository.split("/");
  const name = [namespace, ...parts.slice(Math.min(replaceCount, parts.length - 1))].join("/");
  if (isRepository(name)) return name;
  throw new Failure(
    "usage",
    `Cannot rename "${repository}" for its destination: "${name.slice(0, 300)}" is not a name`,
  );
}
