import { Failure } from "../base/errors.ts";
import type { Layer, LoadedRecipe, PackageTree, Target, Watch } from "../build/build.ts";
import type { Digest } from "../model/digest.ts";
import type { Lock } from "../model/lock.ts";
import type { StepName } from "../model/progress.ts";
import type { BuildContext } from "./build-context.ts";
import type { MadeImage } from "./made-image.ts";
import { runStage } from "./stage.ts";

/** What a build is made from once it is resolved. */
export interface Inputs {
  readonly loaded: LoadedRecipe;
  readonly target: Target;
  readonly lock: Lock;
  readonly lockDigest: Digest;
}

/** resolve: finds today's packages, or takes those of the lock where that is wanted or enough. */
export async function resolveInputs(context: BuildContext, loaded: LoadedRecipe, target: Target): Promise<Inputs> {
  const { workshop, request, job } = context;
  const { lockDigest } = await runStage(context, {
    name: "resolve",
    version: 1,
    isRecorded: false,
    input: {
      recipe: loaded.sha256,
      mode: request.mode,
      distribution: target.distribution,
      pinnedLock: context.pinnedLock,
    },
    async work() {
      if (context.pinnedLock !== undefined) {
        const { packages } = await workshop.lockOf(context.pinnedLock);
        return { lockDigest: context.pinnedLock, packageCount: packages.length, changeCount: 0, takesLock: true };
      }
      const previous = await workshop.readLock(target);
      const isFresh = previous?.recipe.sha256 === loaded.sha256;
      if (request.mode === "locked") requireLock(previous, isFresh, target);
      const takesLock = previous !== undefined && isFresh && request.mode !== "update";
      const { lock, unchanged } = takesLock
        ? { lock: previous, unchanged: true }
        : await workshop.resolve(loaded, target, { previous, signal: job.signal });
      return {
        lockDigest: await workshop.keepLock(lock),
        packageCount: lock.packages.length,
        changeCount: unchanged ? 0 : workshop.changes(previous, lock).length,
        takesLock,
      };
    },
    summary: ({ packageCount, changeCount, takesLock }) =>
      takesLock
        ? `${packageCount} packages from the lock`
        : `${packageCount} packages, ${changeCount === 0 ? "none changed" : `${changeCount} changed`}`,
  });
  return { loaded, target, lock: await workshop.lockOf(lockDigest), lockDigest };
}

function requireLock(lock: Lock | undefined, isFresh: boolean, { lockPath }: Target): void {
  if (lock === undefined)
    throw new Failure("lock_missing", `Cannot build locked: there is no "${lockPath}"`, {
      hint: "Make it with `mintmark lock RECIPE` where the sources can be reached",
    });
  if (!isFresh)
    throw new Failure("lock_stale", `Cannot build locked: the recipe changed since "${lockPath}" was made`, {
      hint: "Make a new lock with `mintmark lock RECIPE`",
    });
}

/** lock: writes the whole chain down beside the recipe. */
export async function writeLock(context: BuildContext, { target, lock, lockDigest }: Inputs): Promise<void> {
  await runStage(context, {
    name: "lock",
    version: 1,
    isRecorded: false,
    input: { lockDigest },
    async work() {
      if (context.request.mode !== "locked" && context.pinnedLock === undefined)
        await context.workshop.writeLock(target, lock);
      return { indexCount: lock.indexes.length };
    },
    summary: ({ indexCount }) => `${lockDigest.slice(7, 19)}, ${indexCount} signed indexes`,
  });
}

/** fetch: brings the archives that the store lacks; in a locked build there must be none. */
export async function fetchArchives(context: BuildContext, { lock, target, lockDigest }: Inputs): Promise<void> {
  await runStage(context, {
    name: "fetch",
    version: 1,
    isRecorded: false,
    input: { lockDigest },
    work: () =>
      context.workshop.fetch(
        lock,
        context.request.mode === "locked" ? { ...target, sources: [] } : target,
        watch(context, "fetch", "bytes"),
      ),
    summary: ({ count, bytes }) =>
      count === 0 ? "everything is in the store" : `${count} archives, ${(bytes / 1e6).toFixed(1)} MB`,
  });
}

/** The trees of a lock, unpacked when a stage first needs them. */
export type Trees = () => Promise<readonly PackageTree[]>;

/** layers: unpacks what was never unpacked and makes each package group's layer. */
export async function makeLayers(
  context: BuildContext,
  { loaded, lock, lockDigest }: Inputs,
  trees: Trees,
): Promise<readonly Layer[]> {
  const { layers } = await runStage(context, {
    name: "layers",
    version: 1,
    input: { lockDigest, compression: loaded.recipe.layers.compression },
    work: async () => context.workshop.layers(loaded, await trees(), watch(context, "layers", "layers")),
    isWhole: (output) => allStored(context, output.layers),
    summary: (output) =>
      `${output.layers.length} layers of ${new Set(lock.packages.map(({ source }) => source)).size} source packages, ${output.reused} known`,
  });
  return layers;
}

/** configure: lets the packages configure themselves in a chamber and puts the image together. */
export async function makeImage(
  context: BuildContext,
  inputs: Inputs,
  parts: { readonly layers: readonly Layer[]; readonly trees: Trees; readonly mayReuse: boolean },
): Promise<MadeImage> {
  const { workshop } = context;
  const { loaded, lock, lockDigest } = inputs;
  return runStage(context, {
    name: "configure",
    version: 2,
    input: { lockDigest, recipe: loaded.sha256, clean: !parts.mayReuse },
    async work() {
      const configured = await workshop.configure(
        loaded,
        { lock, trees: await parts.trees(), mayReuse: parts.mayReuse },
        watch(context, "configure", "packages"),
      );
      const layers = [...parts.layers, ...configured.layers];
      const { digest, manifestBytes } = await workshop.assemble(loaded, lock, { lockDigest, layers });
      return {
        digest,
        manifestBytes: manifestBytes.toString("utf8"),
        sizeBytes: layers.reduce((sum, layer) => sum + layer.sizeBytes, 0),
        unpackedBytes: layers.reduce((sum, layer) => sum + layer.unpackedBytes, 0),
        layerCount: layers.length,
        isProvisional: configured.method === "kept",
      };
    },
    isWhole: async (output) =>
      allStored(context, [output, ...(JSON.parse(output.manifestBytes) as { layers: { digest: Digest }[] }).layers]),
    summary: ({ digest, isProvisional }) =>
      `${digest.slice(7, 19)}${isProvisional ? ", from the last configured system" : ""}`,
  });
}

/** Whether the store has every one of them. */
export async function allStored(
  { store }: BuildContext,
  blobs: readonly { readonly digest: Digest }[],
): Promise<boolean> {
  const found = await Promise.all(blobs.map(({ digest }) => store.blobs.stat(digest)));
  return found.every((stat) => stat !== undefined);
}

/** Passes a step's progress on, as often as a person can follow. */
export function watch({ job }: BuildContext, step: StepName, unit: string): Watch {
  return {
    signal: job.signal,
    onProgress: (done, total, note) =>
      job.emit({ kind: "step-progress", step, done, total, unit, ...(note === undefined ? {} : { note }) }),
    onLine: (line) => job.emit({ kind: "log", step, line }),
  };
}
