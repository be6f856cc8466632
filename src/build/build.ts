import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { sha256Digest, type Digest } from "../model/digest.ts";
import type { Lock } from "../model/lock.ts";
import type { Manifest } from "../model/oci.ts";
import type { Distribution } from "../model/package.ts";
import type { BlobStore } from "../store/blobs.ts";
import { verifyIndexes, type VerifiedIndex } from "./apt/index-chain.ts";
import { inTurn, openPrivateRoot, updateLists, type PrivateRoot } from "./apt/private-root.ts";
import { resolve } from "./apt/resolve.ts";
import { chooseDistribution, machineSources, type AptSource } from "./apt/sources.ts";
import { removeFolder } from "./chamber/remove-folder.ts";
import { configure, type Configured } from "./configure.ts";
import { fetchPackages } from "./deb/fetch.ts";
import { imageDifference, type ImageDifference } from "./image-difference.ts";
import { fileInImage, filesInImage, unpackedBytes } from "./image-files.ts";
import { putImage, type BuiltImage } from "./image.ts";
import { compressionOf, type Layer } from "./layers/layer.ts";
import { packageLayers } from "./layers/package-layers.ts";
import { formatLock, lockChanges, lockPath, makeLock, parseLock, readLock, writeLock } from "./lock.ts";
import { loadRecipe, type LoadedRecipe } from "./recipe.ts";
import { openSealedWorkshop, type SealedWorkshop } from "./containerfile/sealed-workshop.ts";
import { openSecurity, type SecurityScope, type SecuritySuites } from "./security-suites.ts";
import { readTreeFile } from "./trees/tree-file.ts";
import { unpackPackages, type PackageTree } from "./trees/unpack-packages.ts";

export type { Exit, ExitClient } from "./containerfile/exit.ts";
export { exitAddress } from "./containerfile/exit.ts";
export type { BaseSource } from "./containerfile/base-images.ts";
export type { SealedImage } from "./containerfile/sealed-build.ts";
export { chooseDistribution, machineSources };
export type { ImageDifference, Layer, LoadedRecipe, PackageTree, SecuritySuites };
export type { BakePlan } from "./bake/bake.ts";
export type { BakeTarget } from "./bake/target.ts";
export { machineArchitecture } from "./chamber/emulation.ts";
export { tryEmulation } from "./chamber/try-emulation.ts";
export { readRecipeLocks, type RecipeLock } from "./recipe-lock.ts";
export { loadRecipe };
export type { LintResult } from "./lint/lint-files.ts";
export type { TestedImage, TestResult } from "./structure/structure.ts";

/**
 * What writers of recipes ask for: bake files, the linter, structure tests, and what a Containerfile stands on.
 *
 * It is loaded then, since an idle server needs none of it.
 */
export async function openAuthoring() {
  const [{ bakeOrder, bakePlan, readBakeFiles }, { renameImages }, { lintFiles }, { lintSarif }, { basesOf }] =
    await Promise.all([
      import("./bake/bake.ts"),
      import("./bake/rename-images.ts"),
      import("./lint/lint-files.ts"),
      import("./lint/lint-sarif.ts"),
      import("./recipe-bases.ts"),
    ]);
  const [{ imageInFile, storedImage }, { runStructureTests }, { parseTestFile }, { jsonReport, junitReport }] =
    await Promise.all([
      import("./structure/image-files.ts"),
      import("./structure/structure.ts"),
      import("./structure/test-file.ts"),
      import("./structure/test-report.ts"),
    ]);
  return {
    bakeOrder,
    bakePlan,
    readBakeFiles,
    renameImages,
    lintFiles,
    lintSarif,
    basesOf,
    imageInFile,
    storedImage,
    runStructureTests,
    parseTestFile,
    jsonReport,
    junitReport,
  };
}

/**
 * The build room: from a recipe to a lock, and from a lock to an image in the store.
 *
 * It owns the caches under `cache/` of the data folder: apt's private roots, unpacked trees, the records of
 * package layers and kept systems. All of them can be deleted at any time and cost only time. It promises that
 * a lock alone decides the image's digest, and that nothing reaches the store that a signed index does not vouch for.
 */
export interface Workshop {
  /** Reads a recipe's folder, for its own architecture or another. */
  load(folder: string, architecture?: string): Promise<LoadedRecipe>;
  /** The lock beside the recipe; undefined where there is none. */
  readLock(target: Target): Promise<Lock | undefined>;
  /** Writes the lock beside the recipe, unless the very same is there. */
  writeLock(target: Target, lock: Lock): Promise<void>;
  /** Puts a lock into the store, from where a build takes it. */
  keepLock(lock: Lock): Promise<Digest>;
  /** Takes a lock out of the store. */
  lockOf(digest: Digest): Promise<Lock>;
  /** The blobs that a lock of the store names: every archive, and the signed indexes that vouch for them. */
  needsOf(digest: Digest): Promise<Digest[]>;
  /** What changed between two locks, a line each. */
  changes(before: Lock | undefined, after: Lock): string[];
  /** Picks distribution and sources for a recipe. */
  target(loaded: LoadedRecipe, wish?: string): Promise<Target>;
  /** Asks the sources for today's packages. `unchanged` where the signed indexes are those of the previous lock. */
  resolve(
    loaded: LoadedRecipe,
    target: Target,
    options: { readonly previous: Lock | undefined; readonly signal: AbortSignal },
  ): Promise<Resolution>;
  fetch(lock: Lock, target: Target, watch: Watch): Promise<{ readonly count: number; readonly bytes: number }>;
  unpack(lock: Lock, watch: Watch): Promise<readonly PackageTree[]>;
  layers(
    loaded: LoadedRecipe,
    trees: readonly PackageTree[],
    watch: Watch,
  ): Promise<{ readonly layers: readonly Layer[]; readonly reused: number }>;
  configure(
    loaded: LoadedRecipe,
    parts: { readonly lock: Lock; readonly trees: readonly PackageTree[]; readonly mayReuse: boolean },
    watch: Watch,
  ): Promise<Configured>;
  assemble(
    loaded: LoadedRecipe,
    lock: Lock,
    parts: { readonly lockDigest: Digest; readonly layers: readonly Layer[] },
  ): Promise<BuiltImage>;
  /** A file of an unpacked package, such as its copyright; undefined where it has none at the path. */
  fileOf(tree: PackageTree, path: string): Promise<Buffer | undefined>;
  /** A file as a container of an image sees it. */
  fileInImage(manifest: Manifest, path: string): Promise<Buffer | undefined>;
  /** All files whose paths have a form, in one go over the layers. */
  unpackedBytes(manifest: Manifest): Promise<number>;
  filesInImage(manifest: Manifest, form: RegExp): Promise<Map<string, Buffer>>;
  /** What differs between two images, down to the file. */
  difference(before: Manifest, after: Manifest): Promise<ImageDifference>;
  /** What the security suites held when their lists were last updated; `undefined` where they never were. */
  security(scope: SecurityScope, watch: Watch & { readonly refresh: boolean }): Promise<SecuritySuites | undefined>;
  /** Containerfiles. */
  readonly sealed: SealedWorkshop;
}

/** Where a recipe is built for and from. */
export interface Target {
  readonly distribution: Distribution;
  readonly sources: readonly AptSource[];
  readonly lockPath: string;
}

/** The answer of the resolver. */
interface Resolution {
  readonly lock: Lock;
  readonly unchanged: boolean;
}

/** How a caller follows and stops a step. */
export interface Watch {
  readonly signal: AbortSignal;
  /** Done and total in the unit of the step, with what is being worked on. */
  readonly onProgress: (done: number, total: number, note?: string) => void;
  readonly onLine?: (line: string) => void;
}

interface WorkshopOptions {
  readonly dataDir: string;
  readonly blobs: BlobStore;
  /** Package sources; the machine's own where undefined. */
  readonly sources?: readonly AptSource[];
}

/** Opens the workshop of a data folder; what a killed build left in its work folder is removed. */
export async function openWorkshop({ dataDir, blobs, sources }: WorkshopOptions): Promise<Workshop> {
  const cache = join(dataDir, "cache");
  const folders = {
    apt: join(cache, "apt"),
    trees: join(cache, "trees"),
    layers: join(cache, "layers"),
    roots: join(cache, "roots"),
    work: join(cache, "work"),
  };
  for (const folder of Object.values(folders)) await mkdir(folder, { recursive: true });
  const sealed = openSealedWorkshop({ blobs, cache });
  return {
    load: loadRecipe,
    readLock: (target) => readLock(target.lockPath),
    async writeLock({ lockPath: path }, lock) {
      const present = await readLock(path).catch(() => undefined);
      if (present === undefined || formatLock(present) !== formatLock(lock)) await writeLock(path, lock);
    },
    keepLock: async (lock) => (await blobs.put(Buffer.from(formatLock(lock)))).digest,
    lockOf: async (digest) => parseLock((await blobs.read(digest)).toString("utf8"), digest),
    needsOf: (digest) => needsOf(blobs, sealed, digest),
    changes: lockChanges,
    target: async (loaded, wish) => targetOf(loaded, wish, sources ?? (await machineSources())),
    resolve: (loaded, target, { previous, signal }) =>
      resolveRecipe({ loaded, target, previous, cacheFolder: folders.apt, blobs, signal }),
    fetch: (lock, { sources: from }, { signal, onProgress }) =>
      fetchPackages({ lock, sources: from, blobs, signal, onProgress }),
    unpack: (lock, { signal, onProgress }) =>
      unpackPackages({ lock, blobs, treesFolder: folders.trees, signal, onProgress }),
    layers: ({ recipe }, trees, { signal, onProgress }) =>
      packageLayers({
        trees,
        compression: compressionOf(recipe.layers.compression),
        blobs,
        cacheFolder: folders.layers,
        signal,
        onProgress,
      }),
    configure: (loaded, { lock, trees, mayReuse }, { signal, onProgress, onLine }) =>
      configure({
        loaded,
        lock,
        trees,
        compression: compressionOf(loaded.recipe.layers.compression),
        blobs,
        folders,
        mayReuse,
        signal,
        onMessage: (message) =>
          message.kind === "log" ? onLine?.(message.line) : onProgress(message.done, message.total, message.note),
      }),
    assemble: ({ recipe }, lock, { lockDigest, layers }) => putImage({ recipe, lock, lockDigest, layers, blobs }),
    fileOf: readTreeFile,
    ...imageReading(blobs),
    security: (scope, watch) => openSecurity({ scope, sources, watch, blobs, folders }),
    sealed,
  };
}

function imageReading(
  blobs: BlobStore,
): Pick<Workshop, "fileInImage" | "filesInImage" | "unpackedBytes" | "difference"> {
  return {
    fileInImage: (manifest, path) => fileInImage(blobs, manifest, path),
    filesInImage: (manifest, form) => filesInImage(blobs, manifest, form),
    unpackedBytes: (manifest) => unpackedBytes(blobs, manifest),
    difference: (before, after) => imageDifference(blobs, before, after),
  };
}

async function needsOf(blobs: BlobStore, sealed: SealedWorkshop, digest: Digest): Promise<Digest[]> {
  if (await sealed.isLock(digest)) return await sealed.needsOf(await sealed.lockOf(digest));
  return blobsOf(parseLock((await blobs.read(digest)).toString("utf8"), digest));
}

function targetOf({ recipe, folder }: LoadedRecipe, wish: string | undefined, sources: readonly AptSource[]): Target {
  const wanted = wish === undefined ? [recipe.distribution].flat() : [wish];
  const chosen = chooseDistribution(wanted, sources);
  return { ...chosen, lockPath: lockPath(folder, chosen.distribution, recipe.architecture) };
}

/** Removes what killed builds left behind; to be called by the one owner of the data folder before any build. */
export async function clearWork(dataDir: string): Promise<void> {
  const work = join(dataDir, "cache/work");
  for (const name of await readdir(work).catch(() => [])) await removeFolder(join(work, name));
}

interface ResolveInput {
  readonly loaded: LoadedRecipe;
  readonly target: Target;
  readonly previous: Lock | undefined;
  readonly cacheFolder: string;
  readonly blobs: BlobStore;
  readonly signal: AbortSignal;
}

async function resolveRecipe(input: ResolveInput): Promise<Resolution> {
  const { loaded, target, cacheFolder } = input;
  const root = await openPrivateRoot({
    cacheFolder,
    distribution: target.distribution,
    architecture: loaded.recipe.architecture,
    sources: target.sources,
  });
  return await inTurn(root, async () => await resolveIn(root, input));
}

async function resolveIn(
  root: PrivateRoot,
  { loaded, target, previous, blobs, signal }: ResolveInput,
): Promise<Resolution> {
  const { recipe } = loaded;
  await updateLists(root, signal);
  const indexes = await verifyIndexes(root);
  if (previous !== undefined && previous.recipe.sha256 === loaded.sha256 && sameIndexes(previous, indexes))
    return { lock: previous, unchanged: true };
  const packages = await resolve(root, indexes, {
    packages: recipe.packages,
    optionalPackages: recipe.optionalPackages,
    withSystem: recipe.flavour === "full",
  });
  const lock = makeLock({
    loaded,
    distribution: target.distribution,
    indexes,
    packages,
    resolverVersion: await aptVersion(root),
    previous,
  });
  // A suite is signed anew each day: as long as no package changed, the image should not either.
  if (previous !== undefined && previous.recipe.sha256 === loaded.sha256 && lockChanges(previous, lock).length === 0)
    return { lock: previous, unchanged: true };
  for (const { inRelease, locked } of indexes)
    await blobs.put(inRelease, { expected: sha256Digest(locked.inReleaseSha256) });
  return { lock, unchanged: false };
}

/** The resolver may choose from every index, so all must be as they were, also those that gave no package. */
function sameIndexes(previous: Lock, indexes: readonly VerifiedIndex[]): boolean {
  const before = new Set(previous.indexes.map(({ inReleaseSha256 }) => inReleaseSha256));
  return indexes.length === before.size && indexes.every(({ locked }) => before.has(locked.inReleaseSha256));
}

async function aptVersion(root: PrivateRoot): Promise<string> {
  const { stdout } = await root.apt("apt-get", ["--version"]);
  return /^apt (\S+)/.exec(stdout)?.[1] ?? "unknown";
}

function blobsOf({ packages, indexes }: Lock): Digest[] {
  const hashes = [...packages.map(({ sha256 }) => sha256), ...indexes.map((index) => index.inReleaseSha256)];
  return hashes.map(sha256Digest);
}
