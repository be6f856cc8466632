import { readContainerfile } from "./containerfile/containerfile.ts";
import { platformArgs } from "./containerfile/platform-args.ts";
import type { LoadedRecipe } from "./recipe.ts";

/**
 * The images that a recipe is built on or copies from, as its Containerfile names them; none for packages.
 *
 * @throws Failure `recipe_invalid`
 */
export function basesOf({ containerfile, recipe }: LoadedRecipe): readonly string[] {
  if (containerfile === undefined) return [];
  return readContainerfile(containerfile.text, { ...platformArgs(recipe.architecture), ...recipe.args }).images;
}
