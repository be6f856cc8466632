import { stat } from "node:fs/promises";
import { join } from "node:path";
import { loadRecipe, readRecipeLocks, type RecipeLock } from "../build/build.ts";
import type { Config } from "../config/config.ts";
import type { Index } from "../model/oci.ts";
import { parseReference } from "../model/reference.ts";
import { openRegistry, type Registry } from "../registry/registry.ts";
import { openStore } from "../store/store.ts";
import { graphAsDot, readRecipeGraph, type RecipeGraph, type RecipeNode, withVariants } from "./variants.ts";

/** Whether a recipe is to be built, and why. */
interface DueRecipe {
  readonly recipe: string;
  readonly repository: string;
  readonly kind: RecipeNode["kind"];
  readonly bases: readonly string[];
  readonly images: readonly string[];
  /** From 0: the wave in which it is built. */
  readonly wave: number;
  /** Undefined where its image is what recipe, lock and bases say. */
  readonly due: string | undefined;
  /** Whether a build must move the lock: it names a base that has moved, or none at all. */
  readonly movesLock: boolean;
}

/** The graph as it stands against the registry. */
export interface GraphState {
  readonly recipes: readonly DueRecipe[];
  readonly waves: readonly (readonly string[])[];
  dot(): string;
}

/**
 * The shipped recipes, what is built on what, and what is due: changed itself, or built on what changed or moved.
 *
 * @throws Failure `recipe_invalid`
 */
export async function recipeGraph(config: Config): Promise<GraphState> {
  const graph = await readRecipeGraph(config.recipesDir);
  return await withRegistry(config, async (registry) => {
    const due = await dueRecipes(graph, registry);
    return {
      recipes: due,
      waves: graph.waves,
      dot: () => graphAsDot(graph, new Set(due.filter((one) => one.due !== undefined).map(({ recipe }) => recipe))),
    };
  });
}

/**
 * Some shipped recipes with all that is built on them, in waves.
 *
 * @throws Failure `not_found` for a recipe that there is not, `recipe_invalid`
 */
export async function variantWaves({ recipesDir }: Config, recipes: readonly string[]): Promise<string[][]> {
  return withVariants(await readRecipeGraph(recipesDir), recipes);
}

/** Folders of recipes whose locks name bases of our registry that have moved since. */
export async function recipesOnMovedBases(config: Config, folders: readonly string[]): Promise<Set<string>> {
  return await withRegistry(config, async (registry) => {
    const moved = await Promise.all(
      folders.map(async (folder) => {
        const locks = await readRecipeLocks(await loadRecipe(folder));
        const bases = await Promise.all(
          locks.flatMap(({ lock }) => (lock === undefined ? [] : movedBase(lock, registry))),
        );
        return bases.some((base) => base !== undefined) ? [folder] : [];
      }),
    );
    return new Set(moved.flat());
  });
}

/** Without a data folder there is no image yet, and so everything is due. */
async function withRegistry<Result>(
  { dataDir }: Config,
  work: (registry: Registry | undefined) => Promise<Result>,
): Promise<Result> {
  const hasStore = await stat(join(dataDir, "mintmark.db")).then(
    () => true,
    () => false,
  );
  if (!hasStore) return await work(undefined);
  const store = await openStore({ dataDir, exclusive: false });
  try {
    return await work(openRegistry(store));
  } finally {
    await store.close();
  }
}

async function dueRecipes({ nodes, waves }: RecipeGraph, registry: Registry | undefined): Promise<DueRecipe[]> {
  const known = new Map<string, DueRecipe>();
  for (const [wave, names] of waves.entries())
    for (const name of names) {
      const node = nodes.get(name)!;
      const { recipe, repository, kind, bases, images } = node;
      const dueBase = bases.find((base) => known.get(base)?.due !== undefined);
      const own = await ownReason(node, registry);
      const due = own.reason ?? (dueBase === undefined ? undefined : `its base "${dueBase}" is due`);
      known.set(name, { recipe, repository, kind, bases, images, wave, due, movesLock: own.movesLock });
    }
  return [...known.values()];
}

interface Reason {
  readonly reason: string | undefined;
  readonly movesLock: boolean;
}

async function ownReason({ loaded, repository }: RecipeNode, registry: Registry | undefined): Promise<Reason> {
  const locks = await readRecipeLocks(loaded);
  for (const { architecture, lock } of locks) {
    const reason = await lockReason(lock, registry);
    if (reason === undefined) continue;
    return { reason: locks.length === 1 ? reason : `${architecture}: ${reason}`, movesLock: true };
  }
  const tags = await registry?.tags(repository);
  const isBuilt = tags !== undefined && tags.length > 0;
  return { reason: isBuilt ? undefined : "it was never built", movesLock: false };
}

async function lockReason(lock: RecipeLock | undefined, registry: Registry | undefined): Promise<string | undefined> {
  if (lock === undefined) return "it has no lock";
  if (!lock.isOfRecipe) return "the recipe changed since its lock";
  const moved = await movedBase(lock, registry);
  return moved === undefined ? undefined : `its base "${moved}" has moved`;
}

async function movedBase({ bases }: RecipeLock, registry: Registry | undefined): Promise<string | undefined> {
  for (const { reference, digest } of bases) {
    const now = await digestsOf(registry, reference);
    if (now?.includes(digest) === false) return reference;
  }
  return undefined;
}

/** Of our registry only: what a base elsewhere is today, an update finds out. An index stands for its members, too. */
async function digestsOf(registry: Registry | undefined, text: string): Promise<readonly string[] | undefined> {
  const reference = parseReference(text);
  if (reference === undefined || registry === undefined) return undefined;
  const found = await registry.getManifest(reference.repository, reference.digest ?? reference.tag ?? "latest");
  if (found === undefined) return undefined;
  const { manifests = [] } = JSON.parse(found.bytes.toString("utf8")) as Partial<Index>;
  return [found.digest, ...manifests.map(({ digest }) => digest)];
}
