import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { closestWord } from "../base/closest.ts";
import { Failure, messageOf, systemCodeOf } from "../base/errors.ts";
import { openAuthoring, loadRecipe, type LoadedRecipe } from "../build/build.ts";
import { parseReference } from "../model/reference.ts";

/** A recipe in the graph. */
export interface RecipeNode {
  /** The name of its folder. */
  readonly recipe: string;
  readonly folder: string;
  /** Where its images are published. */
  readonly repository: string;
  readonly kind: "packages" | "containerfile";
  /** Recipes that it is built on, sorted. */
  readonly bases: readonly string[];
  /** Images that it is built on and that no recipe makes. */
  readonly images: readonly string[];
  readonly loaded: LoadedRecipe;
}

/** Recipes with what is built on what. */
export interface RecipeGraph {
  /** By the name of the folder, sorted. */
  readonly nodes: ReadonlyMap<string, RecipeNode>;
  /** Recipes in waves: each is built on those of earlier waves only, and those of one wave need nothing of each other. */
  readonly waves: readonly (readonly string[])[];
}

/**
 * Reads every recipe of a folder and finds out which is built on which.
 *
 * An edge is what a Containerfile names in FROM, COPY or a mount, where the repository is another recipe's, and
 * what `base` of image.yaml says.
 *
 * @throws Failure `recipe_invalid` for a recipe that cannot be read, a base that is not there, or a circle
 */
export async function readRecipeGraph(recipesDir: string): Promise<RecipeGraph> {
  const { basesOf } = await openAuthoring();
  const loaded = await loadAll(recipesDir);
  const makers = new Map(loaded.map(({ recipe, read }) => [read.recipe.name, recipe]));
  const nodes = new Map(
    loaded.map(({ recipe, read }) => {
      const named = basesOf(read).map((image) => [image, makers.get(parseReference(image)?.repository ?? "")] as const);
      const bases = new Set(named.flatMap(([, maker]) => (maker === undefined || maker === recipe ? [] : [maker])));
      if (read.recipe.base !== undefined) bases.add(read.recipe.base);
      const images = named.flatMap(([image, maker]) => (maker === undefined ? [image] : []));
      return [recipe, { ...nodeOf(recipe, read), bases: [...bases].sort(), images }] as const;
    }),
  );
  for (const { recipe, bases } of nodes.values())
    for (const base of bases) if (!nodes.has(base)) throw missingBase(recipe, base, [...nodes.keys()]);
  return { nodes, waves: wavesOf(nodes) };
}

async function loadAll(recipesDir: string): Promise<{ readonly recipe: string; readonly read: LoadedRecipe }[]> {
  const names = (await readdir(recipesDir, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  const all: { recipe: string; read: LoadedRecipe }[] = [];
  for (const { name } of names.toSorted((a, b) => (a.name < b.name ? -1 : 1)))
    try {
      all.push({ recipe: name, read: await loadRecipe(join(recipesDir, name)) });
    } catch (error) {
      // A folder without an image.yaml is no recipe.
      if (error instanceof Failure && error.code === "not_found") continue;
      if (error instanceof Failure || systemCodeOf(error) === undefined) throw error;
      throw invalid(name, messageOf(error));
    }
  return all;
}

function nodeOf(
  recipe: string,
  loaded: LoadedRecipe,
): Pick<RecipeNode, "recipe" | "folder" | "repository" | "kind" | "loaded"> {
  const kind = loaded.containerfile === undefined ? "packages" : "containerfile";
  return { recipe, folder: loaded.folder, repository: loaded.recipe.name, kind, loaded };
}

function missingBase(recipe: string, base: string, known: readonly string[]): Failure {
  return new Failure("recipe_invalid", `Cannot use the recipe "${recipe}": its base "${base}" is no recipe here`, {
    hint: hintFor(base, known),
  });
}

function invalid(recipe: string, state: string): Failure {
  return new Failure("recipe_invalid", `Cannot use the recipe "${recipe}": ${state}`);
}

/**
 * Recipes in waves by what they are built on.
 *
 * @throws Failure `recipe_invalid` where some are built on each other in a circle
 */
export function wavesOf(nodes: ReadonlyMap<string, Pick<RecipeNode, "bases">>): string[][] {
  const waves: string[][] = [];
  const done = new Set<string>();
  while (done.size < nodes.size) {
    const todo = [...nodes].filter(([name]) => !done.has(name));
    const wave = todo.filter(([, { bases }]) => bases.every((base) => done.has(base))).map(([name]) => name);
    if (wave.length === 0)
      throw new Failure("recipe_invalid", `Cannot order the recipes: they are built on each other in a circle`, {
        hint: `The circle is ${circleOf(new Map(todo), done).join(" → ")}, each built on the next`,
      });
    waves.push(wave);
    for (const name of wave) done.add(name);
  }
  return waves;
}

/** Follows bases until one comes again; each of these recipes has one that is not done. */
function circleOf(nodes: ReadonlyMap<string, Pick<RecipeNode, "bases">>, done: ReadonlySet<string>): string[] {
  const way: string[] = [];
  let name = [...nodes.keys()][0]!;
  while (!way.includes(name)) {
    way.push(name);
    name = nodes.get(name)!.bases.find((base) => !done.has(base))!;
  }
  return [...way.slice(way.indexOf(name)), name];
}

/**
 * Some recipes with all that is built on them, in waves: what a change of those makes due.
 *
 * @throws Failure `not_found` for a recipe that there is not
 */
export function withVariants({ nodes, waves }: RecipeGraph, changed: readonly string[]): string[][] {
  const due = new Set<string>();
  for (const name of changed) {
    if (!nodes.has(name))
      throw new Failure("not_found", `Cannot find the recipe "${name}"`, { hint: hintFor(name, [...nodes.keys()]) });
    due.add(name);
  }
  for (const wave of waves)
    for (const name of wave) if (nodes.get(name)!.bases.some((base) => due.has(base))) due.add(name);
  return waves.map((wave) => wave.filter((name) => due.has(name))).filter((wave) => wave.length > 0);
}

function hintFor(name: string, known: readonly string[]): string {
  const meant = closestWord(name, known);
  return `${meant === undefined ? "" : `Did you mean "${meant}"? `}There are ${known.join(", ")}`;
}

/** The graph in the language of Graphviz: an arrow leads from a base to what is built on it. */
export function graphAsDot({ nodes }: RecipeGraph, stale: ReadonlySet<string>): string {
  const quoted = (text: string): string => JSON.stringify(text);
  const lines = [...nodes.values()].flatMap(({ recipe, repository, bases, images }) => [
    `  ${quoted(recipe)} [label=${quoted(`${recipe}\n${repository}`)}${stale.has(recipe) ? ", style=dashed" : ""}];`,
    ...bases.map((base) => `  ${quoted(base)} -> ${quoted(recipe)};`),
    ...images.map((image) => `  ${quoted(image)} [shape=box]; ${quoted(image)} -> ${quoted(recipe)};`),
  ]);
  return ["digraph recipes {", "  rankdir=LR;", ...lines, "}"].join("\n");
}
