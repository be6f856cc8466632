import { readFile, realpath, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import { parse as parseYaml } from "yaml";
import { z } from "zod";
import { Failure, messageOf, systemCodeOf } from "../base/errors.ts";
import { sha256Hex } from "../base/hash.ts";
import { canonicalJson } from "../base/json.ts";
import { limits } from "../base/limits.ts";
import { recipeSchema, type Recipe } from "../model/recipe.ts";
import { readContext, type BuildContextFiles } from "./containerfile/context.ts";

/** A recipe as read from its folder, with the bytes of every file that it names. */
export interface LoadedRecipe {
  readonly folder: string;
  readonly recipe: Recipe;
  /** Content of each of `recipe.files`, in order. */
  readonly contents: readonly Buffer[];
  /** What a recipe with a Containerfile consists of besides. */
  readonly containerfile?: LoadedContainerfile;
  /** SHA-256 in hex over the recipe and the contents: what a lock was made from. */
  readonly sha256: string;
}

/** A Containerfile with the files that it can reach. */
interface LoadedContainerfile {
  readonly text: string;
  readonly context: BuildContextFiles;
}

/**
 * Reads `image.yaml` of a folder and the files that it names.
 *
 * @param architecture in place of the recipe's own
 * @throws Failure `not_found`, or `recipe_invalid` with each fault and its place
 */
export async function loadRecipe(folder: string, architecture?: string): Promise<LoadedRecipe> {
  const path = join(folder, "image.yaml");
  const recipe = parseRecipe(await readLimited(path, limits.recipeBytes), { path, architecture });
  const contents: Buffer[] = [];
  for (const file of recipe.files)
    contents.push(file.source === undefined ? Buffer.from(file.content ?? "") : await readBeside(folder, file.source));
  const digests = contents.map((content) => sha256Hex(content));
  if (recipe.containerfile === undefined)
    return { folder, recipe, contents, sha256: sha256Hex(canonicalJson({ recipe: ownParts(recipe), digests })) };
  const text = (await readBeside(folder, recipe.containerfile)).toString("utf8");
  const context = await readContext(folder, recipe.context ?? ".");
  const inputs = { recipe: ownParts(recipe), containerfile: sha256Hex(text), context: context.sha256 };
  return { folder, recipe, contents, containerfile: { text, context }, sha256: sha256Hex(canonicalJson(inputs)) };
}

interface RecipeSource {
  readonly path: string;
  readonly architecture: string | undefined;
}

function parseRecipe(text: Buffer, { path, architecture }: RecipeSource): Recipe {
  let value: unknown;
  try {
    value = parseYaml(text.toString("utf8"), { maxAliasCount: 100 });
  } catch (error) {
    throw new Failure("recipe_invalid", `Cannot read "${path}": it is not YAML`, {
      hint: messageOf(error),
      cause: error,
    });
  }
  const wished = withArchitecture(value, architecture);
  const parsed = recipeSchema.safeParse(wished);
  if (!parsed.success)
    throw new Failure("recipe_invalid", `Cannot use "${path}": ${z.prettifyError(parsed.error)}`, {
      hint: "docs/reference/image-yaml.md lists every key with its form",
    });
  return parsed.data;
}

/** What is wished for, else what the recipe says, else the first of those that it is built for. */
function withArchitecture(value: unknown, wish: string | undefined): unknown {
  if (typeof value !== "object" || value === null) return value;
  const { architecture, architectures } = value as Record<string, unknown>;
  const chosen = wish ?? architecture ?? (Array.isArray(architectures) ? architectures[0] : undefined);
  return chosen === undefined ? value : { ...value, architecture: chosen };
}

/** What an image is made from: for what else it is built changes no image and makes no lock stale. */
function ownParts(recipe: Recipe): unknown {
  return { ...recipe, architectures: undefined };
}

async function readBeside(folder: string, source: string): Promise<Buffer> {
  const root = await realpath(folder);
  const path = await realpath(join(folder, source)).catch((error: unknown) => {
    throw new Failure("recipe_invalid", `Cannot read the file "${source}" of the recipe: it does not exist`, {
      cause: error,
    });
  });
  if (!path.startsWith(root + sep))
    throw new Failure(
      "recipe_invalid",
      `Cannot read the file "${source}" of the recipe: it lies outside the recipe's folder`,
      {
        hint: "Copy the file into the folder of image.yaml",
      },
    );
  return readLimited(path, limits.recipeFileBytes);
}

async function readLimited(path: string, limitBytes: number): Promise<Buffer> {
  try {
    const { size } = await stat(path);
    if (size > limitBytes)
      throw new Failure("too_large", `Cannot read "${path}": it is larger than ${limitBytes} bytes`);
    return await readFile(path);
  } catch (error) {
    if (systemCodeOf(error) !== "ENOENT") throw error;
    throw new Failure("not_found", `Cannot find "${path}"`, {
      hint: "A recipe is a folder that holds an image.yaml",
      cause: error,
    });
  }
}
