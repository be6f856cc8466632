import { readContainerfile } from "./containerfile/containerfile.ts";
import type { LoadedRecipe } from "./recipe.ts";

/**
 * The images that a recipe is built on or copies from, as its Containerfile names them; none for packages.
 *
 * @throws Failure `recipe_invalid`
 */
export function basesOf({ containerfile, recipe }: LoadedRecipe): readonly string[] {
  if (containerfile === undefined) return [];
  const platform = {
    TARGETARCH: recipe.architecture,
    TARGETOS: "linux",
    TARGETPLATFORM: `linux/${recipe.architecture}`,
  };
  const build = { BUILDARCH: recipe.architecture, BUILDOS: "linux", BUILDPLATFORM: `linux/${recipe.architecture}` };
  return readContainerfile(containerfile.text, { ...platform, ...build, ...recipe.args }).images;
}
