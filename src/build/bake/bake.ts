import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { closestWord } from "../../base/closest.ts";
import { Failure, systemCodeOf } from "../../base/errors.ts";
import { readDefinition, type Attributes, type Definition, type DefinitionFile } from "./definition.ts";
import { evaluate, inner, type Scope } from "./hcl/evaluate.ts";
import { isMap, textOf } from "./hcl/values.ts";
import type { Value } from "./hcl/syntax.ts";
import { definitionScope } from "./scope.ts";
import { isAttribute, mergeTargets, targetOf, withDefaults, type BakeTarget } from "./target.ts";

/** What is to be built: the shape of `docker buildx bake --print`. */
export interface BakePlan {
  readonly group: Readonly<Record<string, { readonly targets: readonly string[] }>>;
  readonly target: Readonly<Record<string, BakeTarget>>;
}

/** What a plan is made for. */
export interface BakeWish {
  /** Targets and groups; `default` where there are none. */
  readonly targets: readonly string[];
  /** The environment, which sets variables. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `PATTERN.KEY[.NAME]=VALUE`, as `--set` takes them. */
  readonly changes: readonly string[];
}

/**
 * Works a build definition out: targets, groups, inherits, matrix, variables, functions.
 *
 * Targets that another takes a context from are part of the plan. Source: buildx, bake/bake.go.
 *
 * @throws Failure `recipe_invalid`; `not_found` for a target that there is not
 */
export function bakePlan(files: readonly DefinitionFile[], wish: BakeWish): BakePlan {
  const definition = readDefinition(files);
  const book = openBook(definition, definitionScope(definition, wish));
  const names = wish.targets.length > 0 ? wish.targets : ["default"];
  const groups = new Map<string, readonly string[]>();
  const targets = new Map<string, BakeTarget>();
  const changes = wish.changes.map(readChange);
  for (const name of names) collectGroups(book, name, groups);
  if (!groups.has("default") || wish.targets.length > 0) groups.set("default", names);
  const todo = names.flatMap((name) => expand(book, name, new Set()));
  const asked = new Set(todo);
  for (const name of todo) {
    if (targets.has(name)) continue;
    const target = changed(name, withDefaults(book.target(name, [])), changes);
    targets.set(name, asked.has(name) ? target : { ...target, output: linkedOutput });
    todo.push(...linkedTargets(target));
  }
  return {
    group: Object.fromEntries(
      [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, all]) => [name, { targets: all }]),
    ),
    target: Object.fromEntries([...targets].sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

/** A target that only another one needs goes nowhere. Source: buildx, bake/bake.go, loadLinks. */
const linkedOutput: NonNullable<BakeTarget["output"]> = [{ type: "cacheonly" }];

/** The targets that another builds on: contexts of the form `target:NAME`. */
function linkedTargets({ contexts = {} }: BakeTarget): string[] {
  return Object.values(contexts).flatMap((context) => (context.startsWith("target:") ? [context.slice(7)] : []));
}

/**
 * The plan's targets in waves: each builds on those of earlier waves only.
 *
 * @throws Failure `recipe_invalid` where targets build on each other in a circle
 */
export function bakeOrder({ target }: BakePlan): string[][] {
  const waves: string[][] = [];
  const done = new Set<string>();
  const todo = new Set(Object.keys(target));
  while (todo.size > 0) {
    const wave = [...todo].filter((name) => linkedTargets(target[name]!).every((linked) => done.has(linked)));
    if (wave.length === 0) throw invalid(`the targets ${[...todo].join(", ")} build on each other in a circle`);
    waves.push(wave);
    for (const name of wave) {
      todo.delete(name);
      done.add(name);
    }
  }
  return waves;
}

const defaultNames = ["docker-bake.json", "docker-bake.hcl", "docker-bake.override.json", "docker-bake.override.hcl"];

/**
 * Reads the files of a definition: those that are named, or else those that bake looks for, or else `build.hcl`.
 *
 * @throws Failure `not_found`
 */
export async function readBakeFiles(folder: string, names: readonly string[]): Promise<DefinitionFile[]> {
  const found = await readAll(folder, names.length > 0 ? names : defaultNames);
  const files = found.length === 0 && names.length === 0 ? await readAll(folder, ["build.hcl"]) : found;
  if (files.length === 0 || files.length < names.length)
    throw new Failure("not_found", `Cannot find a build definition in "${folder}"`, {
      hint: `Name one with --file, or write ${[...defaultNames.slice(0, 2), "build.hcl"].join(" or ")}`,
    });
  return files;
}

async function readAll(folder: string, names: readonly string[]): Promise<DefinitionFile[]> {
  const files: DefinitionFile[] = [];
  for (const name of names) {
    const text = await readFile(join(folder, name), "utf8").catch((error: unknown) => {
      if (systemCodeOf(error) === "ENOENT") return undefined;
      throw error;
    });
    if (text !== undefined) files.push({ path: name, text });
  }
  return files;
}

function invalid(state: string): Failure {
  return new Failure("recipe_invalid", `Cannot use the build definition: ${state}`);
}

/** Targets and groups by name, worked out when asked for. */
interface Book {
  readonly groups: ReadonlyMap<string, readonly string[]>;
  readonly names: ReadonlySet<string>;
  /** @param way the targets that inherit from it, to see circles */
  target(name: string, way: readonly string[]): BakeTarget;
}

/** One target after the matrix: the blocks that describe it, and what names mean in them. */
interface Described {
  readonly blocks: readonly Attributes[];
  readonly scope: Scope;
}

function openBook(definition: Definition, plain: Scope): Book {
  const described = new Map<string, Described>();
  const groups = new Map<string, readonly string[]>();
  const scope: Scope = {
    call: (name, args) => plain.call(name, args),
    // `target.base.tags`: what another block says, as far as it is asked for.
    value: (name) => (name === "target" ? blockValues(definition, scope) : plain.value(name)),
  };
  for (const [name, attributes] of definition.groups) groups.set(name, texts(attributes.get("targets"), scope));
  for (const [name, blocks] of definition.targets) {
    const matrix = blocks.findLast((block) => block.has("matrix"))?.get("matrix");
    if (matrix === undefined) described.set(name, { blocks, scope });
    else {
      const members = matrixMembers(name, blocks, { scope, matrix: evaluate(matrix, scope) });
      for (const [member, one] of members) described.set(member, one);
      groups.set(name, [...members.keys()]);
    }
  }
  const book: Book = {
    groups,
    names: new Set(described.keys()),
    target(name, way) {
      const found = described.get(name);
      if (found === undefined) throw unknownTarget(name, [...groups.keys(), ...described.keys()]);
      if (way.includes(name)) throw invalid(`the target "${name}" inherits from itself`);
      return found.blocks.reduce<BakeTarget>((below, block) => {
        const parents = texts(block.get("inherits"), found.scope).map((parent) => book.target(parent, [...way, name]));
        const own = targetOf(name, valuesOf(block, found.scope));
        return mergeTargets(below, [...parents, own].reduce(mergeTargets, {}));
      }, {});
    },
  };
  return book;
}

function unknownTarget(name: string, known: readonly string[]): Failure {
  if (known.length === 0) return new Failure("not_found", `Cannot find the target "${name}": the definition has none`);
  const meant = closestWord(name, known);
  const shown = known.filter((one) => !one.startsWith("_"));
  const all = `There are ${shown.slice(0, 20).join(", ")}${shown.length > 20 ? ` and ${shown.length - 20} more` : ""}`;
  return new Failure("not_found", `Cannot find the target "${name}"`, {
    hint: meant === undefined ? all : `Did you mean "${meant}"? ${all}`,
  });
}

function valuesOf(block: Attributes, scope: Scope): Map<string, Value> {
  const plain = [...block].filter(([key]) => key !== "matrix" && key !== "name" && key !== "inherits");
  return new Map(plain.map(([key, expression]) => [key, evaluate(expression, scope)]));
}

function texts(expression: Parameters<typeof evaluate>[0] | undefined, scope: Scope): string[] {
  const value = expression === undefined ? [] : evaluate(expression, scope);
  return (Array.isArray(value) ? (value as readonly Value[]) : [value]).map(textOf);
}

/** Attributes of blocks by target and name; each is worked out only when it is read. */
function blockValues(definition: Definition, scope: Scope): Value {
  const targets: Record<string, Value> = {};
  for (const [name, blocks] of definition.targets) {
    const values: Record<string, Value> = {};
    for (const block of blocks)
      for (const [key, expression] of block)
        Object.defineProperty(values, key, {
          get: () => evaluate(expression, scope),
          enumerable: true,
          configurable: true,
        });
    targets[name] = values;
  }
  return targets;
}

interface Matrix {
  readonly scope: Scope;
  readonly matrix: Value;
}

const membersMax = 1000;

/** One target for each combination of values, named by the block's `name`. */
function matrixMembers(name: string, blocks: readonly Attributes[], { scope, matrix }: Matrix): Map<string, Described> {
  const naming = blocks.findLast((block) => block.has("name"))?.get("name");
  if (!isMap(matrix) || naming === undefined) throw invalid(`the target "${name}" has a matrix, but no name or no map`);
  let combinations: Record<string, Value>[] = [{}];
  for (const key of Object.keys(matrix).sort()) {
    const values = matrix[key]!;
    if (!Array.isArray(values)) throw invalid(`the matrix of the target "${name}" has no list for "${key}"`);
    combinations = combinations.flatMap((one) =>
      (values as readonly Value[]).map((value) => ({ ...one, [key]: value })),
    );
    if (combinations.length > membersMax)
      throw invalid(`the matrix of the target "${name}" has over ${membersMax} members`);
  }
  return new Map(
    combinations.map((one) => {
      const own = inner(scope, one);
      const member = textOf(evaluate(naming, own));
      if (!/^[a-zA-Z0-9_-]+$/.test(member)) throw invalid(`"${member}" is no name of a target`);
      return [member, { blocks, scope: own }];
    }),
  );
}

/** The groups that a name leads through. */
function collectGroups(book: Book, name: string, into: Map<string, readonly string[]>): void {
  const members = book.groups.get(name);
  if (members === undefined || into.has(name)) return;
  into.set(name, members);
  for (const member of members) collectGroups(book, member, into);
}

/** The targets that a name stands for. */
function expand(book: Book, name: string, seen: Set<string>): string[] {
  const members = book.groups.get(name);
  if (members === undefined || (book.names.has(name) && seen.has(name))) return [name];
  if (seen.has(name)) throw invalid(`the group "${name}" is part of itself`);
  return members.flatMap((member) => expand(book, member, new Set([...seen, name])));
}

interface Change {
  readonly pattern: RegExp;
  readonly key: keyof BakeTarget;
  readonly name: string | undefined;
  readonly value: string;
}

function readChange(text: string): Change {
  const [, pattern = "", key = "", name, value = ""] = /^([^.=]+)\.([a-z-]+)(?:\.([^=]+))?=([\s\S]*)$/.exec(text) ?? [];
  const attribute = key === "platform" ? "platforms" : key === "tag" ? "tags" : key;
  if (!isAttribute(attribute)) throw new Failure("usage", `Cannot set "${text}": it is not TARGET.KEY[.NAME]=VALUE`);
  const form = new RegExp(`^${pattern.replaceAll(/[^\w*]/g, "\\$&").replaceAll("*", ".*")}$`);
  return { pattern: form, key: attribute, name, value };
}

function changed(name: string, target: BakeTarget, changes: readonly Change[]): BakeTarget {
  return changes
    .filter(({ pattern }) => pattern.test(name))
    .reduce<BakeTarget>((below, { key, name: part, value }) => {
      const isMapKey = key === "args" || key === "labels" || key === "contexts" || key === "extra-hosts";
      if (isMapKey !== (part !== undefined))
        throw new Failure(
          "usage",
          `Cannot set "${key}" of "${name}": it ${isMapKey ? "needs" : "takes"} ${isMapKey ? "a" : "no"} name`,
        );
      const list = ["tags", "platforms", "annotations", "no-cache-filter", "entitlements", "ulimits"].includes(key);
      const written: Value = part === undefined ? (list ? value.split(",") : value) : { [part]: value };
      return mergeTargets(below, targetOf(name, new Map([[key, written]])));
    }, target);
}
