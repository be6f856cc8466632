import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join, posix, resolve, sep } from "node:path";
import { stringify } from "yaml";
import { Failure } from "../base/errors.ts";
import { openAuthoring, type BakePlan, type BakeTarget } from "../build/build.ts";
import { parseReference } from "../model/reference.ts";

/** What `bake` is asked to do. */
export interface BakeRequest {
  /** Where the definition lies; contexts are relative to it. */
  readonly folder: string;
  readonly files: readonly string[];
  readonly targets: readonly string[];
  readonly changes: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** A target as a recipe that can be built. */
export interface PreparedTarget {
  readonly target: string;
  /** A folder with an image.yaml. */
  readonly recipe: string;
  /** `amd64`, `arm64`; of several an index is published. Empty for the recipe's default. */
  readonly architectures: readonly string[];
}

/**
 * Works a build definition out, as `docker buildx bake --print` does.
 *
 * @throws Failure `recipe_invalid`, `not_found`
 */
export async function planBake(request: BakeRequest): Promise<BakePlan> {
  const { bakePlan, readBakeFiles } = await openAuthoring();
  return bakePlan(await readBakeFiles(request.folder, request.files), request);
}

/**
 * Makes a recipe of each target, in waves: those of a wave are built on those of earlier ones.
 *
 * A recipe is a copy of the target's context with an image.yaml; the lock that an earlier build wrote into it stays.
 * The repository and the tags are those of the target's first tag's repository, without a host.
 *
 * @param recipesFolder where the recipes are put, one folder a target
 * @throws Failure `recipe_invalid` for what our builder does not do
 */
export async function prepareBake(
  plan: BakePlan,
  { folder }: BakeRequest,
  recipesFolder: string,
): Promise<PreparedTarget[][]> {
  const { bakeOrder } = await openAuthoring();
  const waves = bakeOrder(plan);
  const prepared: PreparedTarget[][] = [];
  for (const wave of waves) {
    const ready: PreparedTarget[] = [];
    for (const name of wave) {
      const recipe = join(recipesFolder, name);
      const architectures = [...new Set((plan.target[name]!.platforms ?? []).map(architectureOf))];
      await writeRecipe({ name, target: plan.target[name]!, plan, folder, recipe, architectures });
      ready.push({ target: name, recipe, architectures });
    }
    prepared.push(ready);
  }
  return prepared;
}

function architectureOf(platform: string): string {
  const [, name] = /^linux\/(amd64|arm64)(?:\/v8)?$/.exec(platform) ?? [];
  if (name === undefined) throw invalid(`it is to be built for "${platform}", which is not a known platform`);
  return name;
}

function invalid(state: string): Failure {
  return new Failure("recipe_invalid", `Cannot build the target: ${state}`);
}

interface Writing {
  readonly name: string;
  readonly target: BakeTarget;
  readonly plan: BakePlan;
  readonly folder: string;
  readonly recipe: string;
  readonly architectures: readonly string[];
}

async function writeRecipe({ name, target, plan, folder, recipe, architectures }: Writing): Promise<void> {
  refuseUnknown(name, target);
  const context = resolve(folder, target.context ?? ".");
  if (!(await stat(context).catch(() => undefined))?.isDirectory())
    throw new Failure(
      "not_found",
      `Cannot build the target "${name}": its context "${target.context}" is not a folder`,
    );
  await mkdir(recipe, { recursive: true });
  await copyContext(context, recipe);
  const text = target["dockerfile-inline"] ?? (await readContainerfile(context, target.dockerfile ?? "Dockerfile"));
  const images = imageNames(plan, target);
  const { renameImages } = await openAuthoring();
  await writeFile(
    join(recipe, "Containerfile"),
    images.size === 0 ? text : renameImages(text, images, target.args ?? {}),
  );
  const { repository, tags } = namesOf(name, target);
  await writeFile(
    join(recipe, "image.yaml"),
    stringify({
      name: repository,
      title: target.description ?? name,
      containerfile: "Containerfile",
      context: "context",
      tags,
      ...(architectures.length === 0 ? {} : { architectures }),
      ...(target.args === undefined ? {} : { args: target.args }),
      ...(target.labels === undefined ? {} : { labels: target.labels }),
      ...(target.target === undefined ? {} : { target: target.target }),
    }),
  );
}

/** All but the history and the folder that the recipes lie in, where that is inside. */
async function copyContext(context: string, recipe: string): Promise<void> {
  const copy = join(recipe, "context");
  await rm(copy, { recursive: true, force: true });
  await mkdir(copy);
  for (const name of await readdir(context)) {
    const from = join(context, name);
    if (name !== ".git" && !recipe.startsWith(from + sep))
      await cp(from, join(copy, name), { recursive: true, verbatimSymlinks: true });
  }
}

/** What the builder cannot do is said, not left out. */
function refuseUnknown(name: string, target: BakeTarget): void {
  const unknown = (["secret", "ssh", "network", "extra-hosts", "entitlements", "ulimits"] as const).filter(
    (key) => target[key] !== undefined && target[key] !== "none" && target[key] !== "default",
  );
  if (unknown.length > 0) throw invalid(`"${name}" has ${unknown.join(", ")}, which a sealed build does not have`);
}

async function readContainerfile(context: string, path: string): Promise<string> {
  for (const candidate of path === "Dockerfile" ? ["Dockerfile", "Containerfile"] : [path])
    try {
      return await readFile(resolve(context, candidate), "utf8");
    } catch {
      continue;
    }
  throw new Failure("not_found", `Cannot find "${posix.join(context, path)}"`);
}

/** What stands for each named context: an image, or what another target publishes. */
function imageNames(plan: BakePlan, { contexts = {} }: BakeTarget): Map<string, string> {
  const images = new Map<string, string>();
  for (const [alias, context] of Object.entries(contexts)) {
    const [, kind, rest = ""] = /^(target:|docker-image:\/\/|oci-layout:\/\/)(.*)$/.exec(context) ?? [];
    if (kind === "docker-image://") images.set(alias, rest);
    else if (kind === "target:") {
      const { repository, tags } = namesOf(rest, plan.target[rest]!);
      images.set(alias, `${repository}:${tags[0]}`);
    } else
      throw invalid(
        `its context "${alias}" is "${context}"; a sealed build takes images of the registry: import a layout with \`mintmark import\``,
      );
  }
  return images;
}

function namesOf(
  name: string,
  { tags = [] }: BakeTarget,
): { readonly repository: string; readonly tags: readonly string[] } {
  const references = tags.map((tag) => {
    const reference = parseReference(tag);
    if (reference === undefined) throw invalid(`"${name}" has the tag "${tag}", which is no reference`);
    return reference;
  });
  const repository = references[0]?.repository ?? `bake/${name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}`;
  const own = references.filter((reference) => reference.repository === repository).map(({ tag }) => tag ?? "latest");
  return { repository, tags: own.length === 0 ? ["latest"] : own };
}
