import { mkdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { newId, nowIso } from "../base/clock.ts";
import { Failure, messageOf } from "../base/errors.ts";
import { openAuthoring, type LintResult, type TestedImage, type TestResult } from "../build/build.ts";
import type { Config } from "../config/config.ts";
import type { Index, Manifest } from "../model/oci.ts";
import { parseReference } from "../model/reference.ts";
import { openRegistry } from "../registry/registry.ts";
import { openStore, type Store } from "../store/store.ts";
import { version } from "./version.ts";

/** The answer of a linter in the forms that people and programs read. */
export interface LintAnswer extends LintResult {
  /** The same as a SARIF 2.1.0 log. */
  sarif(): unknown;
}

/**
 * Judges the Containerfiles of recipes by the rules of the house, with the exceptions that hold today.
 *
 * @param recipes folders, Containerfiles, or names of shipped recipes
 * @throws Failure `not_found`, `exception_invalid`
 */
export async function lintRecipes(recipes: readonly string[], recipesDir: string): Promise<LintAnswer> {
  const { lintFiles, lintSarif } = await openAuthoring();
  const paths = await Promise.all(recipes.map((recipe) => placeOf(recipe, recipesDir)));
  const result = await lintFiles(paths, { today: nowIso().slice(0, 10) });
  return { ...result, sarif: () => lintSarif(result, version) };
}

/** A path that is there, or else a shipped recipe of the name. */
async function placeOf(recipe: string, recipesDir: string): Promise<string> {
  const isPath = await stat(recipe).then(
    () => true,
    () => recipe.includes("/"),
  );
  return isPath ? recipe : join(recipesDir, recipe);
}

/** The results of structure tests in the forms that people and programs read. */
export interface TestAnswer {
  readonly results: readonly TestResult[];
  /** False also where there was no test at all. */
  readonly isPass: boolean;
  /** In the shape of container-structure-test. */
  json(): unknown;
  junit(): string;
}

/** Which image is tested by which files. */
export interface TestRequest {
  /** A reference of the registry, an OCI layout, or a tar archive of `docker save` or in OCI layout. */
  readonly image: string;
  readonly files: readonly string[];
  /** `amd64`, `arm64`: which image of an index. */
  readonly architecture: string;
  readonly signal: AbortSignal;
}

/**
 * Runs files of structure tests on an image, beside a running server or without one.
 *
 * @throws Failure `not_found`, `recipe_invalid` for a file that is none, `sandbox_unavailable` for command tests
 */
export async function testImage(config: Config, request: TestRequest): Promise<TestAnswer> {
  const { jsonReport, junitReport, parseTestFile, runStructureTests } = await openAuthoring();
  const files = await Promise.all(request.files.map(async (path) => parseTestFile(await readTests(path), path)));
  const workFolder = join(config.dataDir, "cache/work", `test-${newId()}`);
  await mkdir(workFolder, { recursive: true });
  try {
    const results = await withImage(config, request, {
      workFolder,
      test: (image) => runStructureTests(image, files, { workFolder, signal: request.signal }),
    });
    return {
      results,
      isPass: results.length > 0 && results.every(({ isPass }) => isPass),
      json: () => jsonReport(results),
      junit: () => junitReport(results, request.image),
    };
  } finally {
    await rm(workFolder, { recursive: true, force: true });
  }
}

async function readTests(path: string): Promise<string> {
  return await readFile(path, "utf8").catch((error: unknown) => {
    throw new Failure("not_found", `Cannot read the tests "${path}": ${messageOf(error)}`, { cause: error });
  });
}

interface Testing {
  readonly workFolder: string;
  readonly test: (image: TestedImage) => Promise<TestResult[]>;
}

async function withImage(config: Config, request: TestRequest, { workFolder, test }: Testing): Promise<TestResult[]> {
  const { imageInFile, storedImage } = await openAuthoring();
  if ((await stat(request.image).catch(() => undefined)) !== undefined)
    return await test(await imageInFile(request.image, join(workFolder, "archive")));
  const store = await openStore({ dataDir: config.dataDir, exclusive: false });
  try {
    return await test(await storedImage(store.blobs, await manifestOf(store, request)));
  } finally {
    await store.close();
  }
}

async function manifestOf(store: Store, { image, architecture }: TestRequest): Promise<Manifest> {
  const reference = parseReference(image);
  const registry = openRegistry(store);
  const missing = new Failure("not_found", `Cannot find the image "${image}"`, {
    hint: "Name repository:tag of the registry, a tar archive, or a folder in OCI layout",
  });
  if (reference === undefined) throw missing;
  const read = async (wanted: string): Promise<Manifest & Partial<Index>> => {
    const found = await registry.getManifest(reference.repository, wanted);
    if (found === undefined) throw missing;
    return JSON.parse(found.bytes.toString("utf8")) as Manifest & Partial<Index>;
  };
  const found = await read(reference.digest ?? reference.tag ?? "latest");
  if (found.manifests === undefined) return found;
  const one = found.manifests.find(({ platform }) => platform?.architecture === architecture);
  if (one === undefined)
    throw new Failure("not_found", `Cannot find the image "${image}" for ${architecture}: its index has no such one`);
  return await read(one.digest);
}
