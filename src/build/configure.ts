import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { newId } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import { sha256Hex } from "../base/hash.ts";
import { canonicalJson } from "../base/json.ts";
import type { Lock } from "../model/lock.ts";
import type { BlobStore } from "../store/blobs.ts";
import { machineArchitecture } from "./chamber/emulation.ts";
import type { Deviation } from "./chamber/farm.ts";
import type { ChamberFile, ChamberUser, InstallJob } from "./chamber/job.ts";
import { removeFolder } from "./chamber/remove-folder.ts";
import { runChamber } from "./chamber/run-chamber.ts";
import { configuredLayers } from "./layers/configured-layer.ts";
import type { Compression, Layer } from "./layers/layer.ts";
import type { LoadedRecipe } from "./recipe.ts";
import { treeFolder } from "./trees/tree.ts";
import type { PackageTree } from "./trees/unpack-packages.ts";
import { chamberPackage, planWaves } from "./waves.ts";

interface ConfigureInput {
  readonly loaded: LoadedRecipe;
  readonly lock: Lock;
  readonly trees: readonly PackageTree[];
  readonly compression: Compression;
  readonly blobs: BlobStore;
  readonly folders: { readonly work: string; readonly roots: string; readonly trees: string };
  /** Whether the last configured system may be gone on from; false for a proof. */
  readonly mayReuse: boolean;
  readonly signal: AbortSignal;
  readonly onMessage: NonNullable<Parameters<typeof runChamber>[1]["onMessage"]>;
}

/** The last layers, and how they were made. */
export interface Configured {
  readonly layers: readonly Layer[];
  /** `clean` from nothing; `kept` by going on from the last configured system. */
  readonly method: "clean" | "kept";
}

/** At most so many packages are changed in a kept system: beyond that a clean build is as quick. */
const replacedMax = 40;

/** Source packages whose scripts treat a second version as a person's change, so that an upgrade never equals an installation. */
const upgradesDiffer = new Set(["ca-certificates"]);

/**
 * Installs and configures the packages in a chamber and makes the last layers of it.
 *
 * Where the same recipe was configured before and only versions changed, the kept system is gone on from.
 */
export async function configure(input: ConfigureInput): Promise<Configured> {
  const { loaded, lock, folders } = input;
  const keep = join(
    folders.roots,
    sha256Hex(canonicalJson([loaded.recipe.name, lock.distribution, lock.architecture])).slice(0, 24),
  );
  const kept = input.mayReuse && loaded.recipe.flavour === "full" ? await readKept(keep, input) : undefined;
  if (kept === undefined) return { layers: await configureOnce(input, keep, undefined), method: "clean" };
  try {
    return { layers: await configureOnce(input, keep, kept), method: "kept" };
  } catch (error) {
    // A script that cannot be run a second time is no fault of the recipe: from nothing it may well run.
    if (!(error instanceof Failure) || error.code !== "script_failed") throw error;
    input.onMessage({
      kind: "log",
      line: `The kept system cannot be gone on from (${error.message}); building from nothing`,
    });
    return { layers: await configureOnce(input, keep, undefined), method: "clean" };
  }
}

/** A `runtime` image runs no script, and of its own programs at most the one that makes the library cache. */
function needsPrograms({ recipe }: LoadedRecipe, trees: readonly PackageTree[]): boolean {
  return (
    recipe.flavour === "full" ||
    (recipe.fixups.includes("ld-cache") && trees.some(({ locked }) => locked.name === "libc-bin"))
  );
}

async function configureOnce(input: ConfigureInput, keep: string, kept: InstallJob["kept"]): Promise<Layer[]> {
  const { loaded, lock, trees, folders, signal, onMessage } = input;
  const workFolder = join(folders.work, newId());
  await mkdir(workFolder, { recursive: true });
  try {
    const job: InstallJob = {
      kind: "install",
      ...(needsPrograms(loaded, trees) ? { architecture: lock.architecture } : {}),
      workFolder,
      epochSeconds: lock.epochSeconds,
      waves: planWaves(trees),
      automatic: lock.packages
        .filter(({ requested, essential }) => !requested && !essential)
        .map(({ name, architecture }) => ({ name, architecture })),
      users: chamberUsers(loaded),
      files: chamberFiles(loaded),
      ...(kept === undefined ? {} : { kept }),
      ...(loaded.recipe.flavour === "runtime"
        ? {
            runtime: {
              fixups: loaded.recipe.fixups,
              distribution: lock.distribution,
              isForeign: lock.architecture !== machineArchitecture,
            },
          }
        : {}),
    };
    await runChamber(job, { signal, onMessage });
    const upperTar = join(workFolder, "upper.tar");
    const deviations = JSON.parse(await readFile(join(workFolder, "placement.json"), "utf8")) as Deviation[];
    const layers = await configuredLayers({ ...input, deviations, upperTar, epochSeconds: lock.epochSeconds });
    await keepSystem(keep, upperTar, {
      recipeSha256: loaded.sha256,
      epochSeconds: lock.epochSeconds,
      packages: lock.packages,
    });
    return layers;
  } finally {
    await removeFolder(workFolder);
  }
}

interface KeptState {
  readonly recipeSha256: string;
  readonly epochSeconds: number;
  readonly packages: Lock["packages"];
}

async function keepSystem(keep: string, upperTar: string, state: KeptState): Promise<void> {
  const next = `${keep}.${newId()}`;
  await mkdir(next, { recursive: true });
  await rename(upperTar, join(next, "upper.tar"));
  await writeFile(join(next, "state.json"), JSON.stringify(state));
  await rm(keep, { recursive: true, force: true });
  await rename(next, keep);
}

/** A kept system serves if the recipe is the same and each package was there before, if in another version. */
async function readKept(keep: string, { loaded, lock, trees, folders }: ConfigureInput): Promise<InstallJob["kept"]> {
  const text = await readFile(join(keep, "state.json"), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const state = JSON.parse(text) as KeptState;
  const before = new Map(state.packages.map((entry) => [entry.name, entry]));
  if (
    state.recipeSha256 !== loaded.sha256 ||
    before.size !== lock.packages.length ||
    lock.packages.some(({ name }) => !before.has(name))
  )
    return undefined;
  const changed = trees.filter(({ locked }) => before.get(locked.name)!.sha256 !== locked.sha256);
  if (changed.length > replacedMax || changed.some(({ locked }) => upgradesDiffer.has(locked.source))) return undefined;
  const replaced = changed.map((tree) => {
    const { name, architecture, sha256 } = before.get(tree.locked.name)!;
    return { before: { name, architecture, tree: treeFolder(folders.trees, sha256) }, after: chamberPackage(tree) };
  });
  return { upperTar: join(keep, "upper.tar"), epochSeconds: state.epochSeconds, replaced };
}

function chamberUsers({ recipe }: LoadedRecipe): ChamberUser[] {
  return recipe.users.map(({ name, uid, gid, shell, home, groups }) => ({
    name,
    uid,
    gid: gid ?? uid,
    shell,
    home: home ?? `/home/${name}`,
    groups,
  }));
}

function chamberFiles({ recipe, contents }: LoadedRecipe): ChamberFile[] {
  const folders = recipe.directories.map(({ path, mode, owner }) => ({
    path,
    mode: Number.parseInt(mode, 8),
    owner,
    content: undefined,
  }));
  const files = recipe.files.map(({ path, mode, owner }, at) => ({
    path,
    mode: Number.parseInt(mode, 8),
    owner,
    content: contents[at]!.toString("base64"),
  }));
  return [...folders, ...files];
}
