import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { containerfileLockPath, readContainerfileLock } from "./containerfile/lock-file.ts";
import { readLock } from "./lock.ts";
import { loadRecipe, type LoadedRecipe } from "./recipe.ts";

/** What any kind of lock says of its recipe. */
export interface RecipeLock {
  /** Whether it was made from the recipe as it is now. */
  readonly isOfRecipe: boolean;
  /** Images that it pins, as the Containerfile names them. */
  readonly bases: readonly { readonly reference: string; readonly digest: string }[];
}

/** The lock for an architecture that a recipe is built for; undefined where there is none yet. */
interface ArchitectureLock {
  /** Such as `arm64`. */
  readonly architecture: string;
  readonly lock: RecipeLock | undefined;
}

/**
 * The locks beside a recipe, of whatever kind, one for each architecture that it is built for.
 *
 * Of several distributions' one that was made from the recipe as it is now counts, else the first by name: which of
 * them is built is up to the site, and the others stay behind until somebody builds them.
 *
 * @throws Failure `lock_invalid`
 */
export async function readRecipeLocks(loaded: LoadedRecipe): Promise<ArchitectureLock[]> {
  const { architecture, architectures = [architecture] } = loaded.recipe;
  return await Promise.all(
    architectures.map(async (one) => {
      // What a lock was made from names the architecture, too.
      const own = one === architecture ? loaded : await loadRecipe(loaded.folder, one);
      return { architecture: one, lock: await lockOf(own) };
    }),
  );
}

async function lockOf({ folder, recipe, containerfile, sha256 }: LoadedRecipe): Promise<RecipeLock | undefined> {
  const { architecture } = recipe;
  if (containerfile !== undefined) {
    const lock = await readContainerfileLock(containerfileLockPath(folder, architecture));
    return lock === undefined ? undefined : { isOfRecipe: lock.recipe.sha256 === sha256, bases: lock.bases };
  }
  const names = (await readdir(folder)).filter(
    (name) => name.startsWith("lock.") && name.endsWith(`-${architecture}.json`),
  );
  const locks = await Promise.all(names.sort().map(async (name) => await readLock(join(folder, name))));
  const known = locks.flatMap((lock) => lock ?? []);
  if (known.length === 0) return undefined;
  return { isOfRecipe: known.some((lock) => lock.recipe.sha256 === sha256), bases: [] };
}
