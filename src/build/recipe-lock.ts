import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { containerfileLockPath, readContainerfileLock } from "./containerfile/lock-file.ts";
import { readLock } from "./lock.ts";
import type { LoadedRecipe } from "./recipe.ts";

/** What any kind of lock says of its recipe. */
export interface RecipeLock {
  /** SHA-256 in hex of the recipe that it was made from. */
  readonly recipeSha256: string;
  /** Images that it pins, as the Containerfile names them. */
  readonly bases: readonly { readonly reference: string; readonly digest: string }[];
}

/**
 * The lock beside a recipe, of whatever kind; of several distributions' the first by name.
 *
 * @throws Failure `lock_invalid`
 */
export async function readRecipeLock(loaded: LoadedRecipe): Promise<RecipeLock | undefined> {
  const { architecture } = loaded.recipe;
  if (loaded.containerfile !== undefined) {
    const lock = await readContainerfileLock(containerfileLockPath(loaded.folder, architecture));
    return lock === undefined ? undefined : { recipeSha256: lock.recipe.sha256, bases: lock.bases };
  }
  const names = (await readdir(loaded.folder)).filter(
    (name) => name.startsWith("lock.") && name.endsWith(`-${architecture}.json`),
  );
  for (const name of names.sort()) {
    const lock = await readLock(join(loaded.folder, name));
    if (lock !== undefined) return { recipeSha256: lock.recipe.sha256, bases: [] };
  }
  return undefined;
}
