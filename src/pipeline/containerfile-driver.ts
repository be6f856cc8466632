import { nowMs } from "../base/clock.ts";
import { Failure, messageOf } from "../base/errors.ts";
import { mapParallel } from "../base/pool.ts";
import { exitAddress, type Exit, type LoadedRecipe, type SealedImage } from "../build/build.ts";
import type { ContainerfileLock } from "../model/containerfile-lock.ts";
import { sha256Digest, type Digest } from "../model/digest.ts";
import type { Manifest } from "../model/oci.ts";
import type { Distribution } from "../model/package.ts";
import { findImageRecord } from "../store/images-records.ts";
import type { BuildContext } from "./build-context.ts";
import type { ImageSummary } from "./factory.ts";
import { allStored, watch } from "./image-steps.ts";
import type { Made, MadeImage, Making } from "./made-image.ts";
import { recipeCommit } from "./recipe-commit.ts";
import { sealedMaterials } from "./sealed-materials.ts";
import { runStage } from "./stage.ts";

/** A Containerfile's image with what the build found. */
interface SealedMade extends MadeImage {
  readonly distribution: Distribution;
  readonly traces: readonly string[];
  readonly builderVersion: string;
}

/** What a build goes on with once its lock is known. */
interface SealedInputs {
  readonly loaded: LoadedRecipe;
  readonly lock: ContainerfileLock;
  readonly lockDigest: Digest;
  /** The image of the build that made the lock. */
  readonly recorded: SealedMade | undefined;
}

/**
 * Makes an image of a Containerfile in a sealed build.
 *
 * resolve runs it with the mirror as its only exit where there is no lock to go by, and so makes lock and image at
 * once; else configure runs it from the lock alone.
 */
export async function makeOfContainerfile(context: BuildContext, loaded: LoadedRecipe): Promise<Made> {
  const { recipe, distribution } = context.request;
  // A proof that was left to a server names what the image is of, which is no wish.
  if (distribution !== undefined && context.pinnedLock === undefined)
    throw new Failure(
      "recipe_invalid",
      `Cannot build "${recipe}" for "${distribution}": its Containerfile says its base`,
      {
        hint: "A bake file gives it another one by an argument: see docs/how-to/variants.md",
      },
    );
  const inputs = await resolveSealed(context, loaded);
  await writeSealedLock(context, inputs);
  await fetchBodies(context, inputs);
  const image = await runSealed(context, inputs);
  return { image, making: await makingOf(context, inputs, image) };
}

async function resolveSealed(context: BuildContext, loaded: LoadedRecipe): Promise<SealedInputs> {
  const { workshop, request, job, pinnedLock } = context;
  const { sealed } = workshop;
  const { lockDigest, recorded } = await runStage(context, {
    name: "resolve",
    version: 1,
    isRecorded: false,
    input: { recipe: loaded.sha256, mode: request.mode, pinnedLock },
    async work() {
      if (pinnedLock !== undefined) {
        requireFresh(await sealed.lockOf(pinnedLock), loaded, pinnedLock);
        return { lockDigest: pinnedLock, changes: [], takesLock: true, recorded: undefined };
      }
      const previous = await sealed.readLock(loaded);
      if (request.mode === "locked") requireFresh(previous, loaded, sealed.lockPath(loaded));
      if (previous?.recipe.sha256 === loaded.sha256 && request.mode !== "update")
        return { lockDigest: await sealed.keepLock(previous), changes: [], takesLock: true, recorded: undefined };
      const built = await sealed.record({
        loaded,
        args: {},
        exit: context.sealedDoors().exit,
        source: context.sealedDoors().bases,
        epochSeconds: Math.floor(nowMs() / 1000),
        actor: request.actor,
        watch: { ...watch(context, "resolve", "instructions"), onLine: say(context, "resolve") },
      });
      for (const { method, address, reason } of built.refused)
        say(context, "resolve")(`the build did without ${method} ${address}: ${reason}`);
      const changes = sealed.changes(previous, built.lock);
      for (const change of previous === undefined ? [] : changes) say(context, "resolve")(`changed: ${change}`);
      // Indexes move every day; as long as no package and no base did, the image should not either.
      if (previous !== undefined && !sealed.isOtherContent(previous, built.lock))
        return { lockDigest: await sealed.keepLock(previous), changes: [], takesLock: true, recorded: undefined };
      const lock = await sealed.keepLock(built.lock);
      return { lockDigest: lock, changes, takesLock: false, recorded: await madeOf(context, built, true) };
    },
    isWhole: async (output) => output.recorded === undefined || (await isWholeImage(context, output.recorded)),
    summary: ({ changes, takesLock }) =>
      takesLock ? "everything from the lock" : `recorded, ${changes.length === 0 ? "nothing" : changes.length} changed`,
  });
  if (job.signal.aborted) throw new Failure("cancelled", "Stopped the build on request");
  return { loaded, lock: await sealed.lockOf(lockDigest), lockDigest, recorded };
}

function say({ job }: BuildContext, step: "resolve" | "configure"): (line: string) => void {
  return (line) => job.emit({ kind: "log", step, line });
}

function requireFresh(lock: ContainerfileLock | undefined, loaded: LoadedRecipe, name: string): void {
  if (lock === undefined)
    throw new Failure("lock_missing", `Cannot build locked: there is no "${name}"`, {
      hint: "Make it with `mintmark build RECIPE` where the mirror can be reached",
    });
  if (lock.recipe.sha256 !== loaded.sha256)
    throw new Failure("lock_stale", `Cannot build locked: recipe or context changed since "${name}" was made`, {
      hint: "Make a new lock with `mintmark build RECIPE`",
    });
}

async function writeSealedLock(context: BuildContext, { loaded, lock, lockDigest }: SealedInputs): Promise<void> {
  await runStage(context, {
    name: "lock",
    version: 1,
    isRecorded: false,
    input: { lockDigest },
    async work() {
      if (context.request.mode !== "locked" && context.pinnedLock === undefined)
        await context.workshop.sealed.writeLock(loaded, lock);
      return { requestCount: lock.requests.length };
    },
    summary: ({ requestCount }) => `${lockDigest.slice(7, 19)}, ${requestCount} requests, ${lock.bases.length} bases`,
  });
}

/** fetch: what the lock names and the store lacks comes from the mirror again, if it still has it; offline there must be none. */
async function fetchBodies(context: BuildContext, { lock, lockDigest }: SealedInputs): Promise<void> {
  await runStage(context, {
    name: "fetch",
    version: 1,
    isRecorded: false,
    input: { lockDigest },
    async work() {
      const missing = await context.workshop.sealed.missing(lock);
      const { exit } = context.sealedDoors();
      const lost =
        context.request.mode === "locked" || context.pinnedLock !== undefined
          ? missing
          : await fetchMissing(context, { exit, lock, missing });
      if (lost.length === 0) return { count: missing.length };
      throw new Failure(
        "not_found",
        `Cannot build from the lock: the store lacks "${lost[0]}"${lost.length > 1 ? ` and ${lost.length - 1} more` : ""}`,
        { hint: "Bring them with `mintmark import`, or take what is there today with --update", details: { lost } },
      );
    },
    summary: ({ count }) => (count === 0 ? "everything is in the store" : `${count} fetched again`),
  });
}

interface MissingBodies {
  readonly exit: Exit;
  readonly lock: ContainerfileLock;
  readonly missing: readonly string[];
}

/** @returns those that could not be had with the locked digest */
async function fetchMissing(context: BuildContext, { exit, lock, missing }: MissingBodies): Promise<string[]> {
  const wanted = lock.requests.filter(({ address, method }) => method === "GET" && missing.includes(address));
  const lost = missing.filter((name) => !wanted.some(({ address }) => address === name));
  await mapParallel(wanted, 8, async ({ address, accept, sha256 }) => {
    const [plain = "", query = ""] = address.split(/\?(.*)/s);
    const [repository = "", path = ""] = plain.split(/\/(.*)/s);
    try {
      const answer = await exit.answer({
        method: "GET",
        repository,
        path,
        query: new URLSearchParams(query),
        headers: { ...(accept === undefined ? {} : { accept }), "accept-encoding": "identity" },
        base: `${exitAddress}/mirror/${repository}`,
        actor: context.request.actor,
      });
      await context.store.blobs.put(answer.body ?? Buffer.alloc(0), { expected: sha256Digest(sha256!) });
    } catch (error) {
      context.job.emit({ kind: "log", step: "fetch", line: `${address}: ${messageOf(error)}` });
      lost.push(address);
    }
  });
  return lost;
}

/** configure: runs the Containerfile from its lock alone, unless the build that made the lock made the image too. */
async function runSealed(
  context: BuildContext,
  { loaded, lock, lockDigest, recorded }: SealedInputs,
): Promise<SealedMade> {
  return await runStage(context, {
    name: "configure",
    version: 1,
    input: { driver: "containerfile", lockDigest, recipe: loaded.sha256, clean: context.pinnedLock !== undefined },
    async work() {
      if (recorded !== undefined) return recorded;
      const clients = await context.sealedDoors().exit.clients();
      const watching = { ...watch(context, "configure", "instructions"), onLine: say(context, "configure") };
      return await madeOf(
        context,
        await context.workshop.sealed.replay({ loaded, lock, clients, watch: watching }),
        false,
      );
    },
    isWhole: (output) => isWholeImage(context, output),
    summary: ({ digest }) => `${digest.slice(7, 19)}${recorded === undefined ? ", from the lock alone" : ""}`,
  });
}

function isWholeImage(context: BuildContext, image: MadeImage): Promise<boolean> {
  const { config, layers } = JSON.parse(image.manifestBytes) as Manifest;
  return allStored(context, [image, config, ...layers]);
}

async function madeOf(context: BuildContext, built: SealedImage, isProvisional: boolean): Promise<SealedMade> {
  const { image, sizeBytes, layerCount, traces, builderVersion } = built;
  const manifestBytes = image.manifestBytes.toString("utf8");
  const unpackedBytes = built.ownUnpackedBytes + (await unpackedBytesOf(context, built.base));
  const counts = { sizeBytes, unpackedBytes, layerCount };
  const distribution = await distributionOf(context, image.manifest);
  return { digest: image.digest, manifestBytes, ...counts, isProvisional, distribution, traces, builderVersion };
}

/** Of a base; one that was minted here is on record with it. */
async function unpackedBytesOf({ store, workshop }: BuildContext, base: Digest | undefined): Promise<number> {
  if (base === undefined) return 0;
  const record = await findImageRecord(store.db, base);
  if (record !== undefined) return (JSON.parse(record.summary) as ImageSummary).unpackedBytes;
  return await workshop.unpackedBytes(JSON.parse((await store.blobs.read(base)).toString("utf8")) as Manifest);
}

async function makingOf(
  context: BuildContext,
  { loaded, lock, lockDigest }: SealedInputs,
  image: SealedMade,
): Promise<Making> {
  const { workshop, request, proves } = context;
  const { recipe } = loaded;
  const manifest = JSON.parse(image.manifestBytes) as Manifest;
  const { distribution } = image;
  const commit = await recipeCommit(loaded.folder);
  let copyrights: Promise<ReadonlyMap<string, Buffer>> | undefined;
  const stem = recipe.tags.find((tag) => tag !== "latest") ?? distribution.version;
  return {
    loaded,
    lockDigest,
    architecture: lock.architecture,
    distribution,
    epochSeconds: lock.epochSeconds,
    archives: new Map(),
    async copyrightOf(name) {
      copyrights ??= workshop.filesInImage(manifest, /^usr\/share\/doc\/[^/]+\/copyright$/);
      return (await copyrights).get(`usr/share/doc/${name}/copyright`)?.toString("utf8");
    },
    tagStem: stem,
    floatingTags: recipe.tags,
    provenance: {
      buildType: "urn:mintmark:buildtype:containerfile:v1",
      externalParameters: {
        recipe: { name: recipe.name, sha256: loaded.sha256, ...commit },
        containerfile: lock.containerfile,
        context: lock.context,
        architecture: lock.architecture,
        args: lock.args,
        ...(lock.target === undefined ? {} : { target: lock.target }),
      },
      internalParameters: {
        mode: request.mode,
        sealed: true,
        network: "the package mirror alone, through one recorded exit",
        reproduced: proves === undefined ? "pending" : proves === image.digest ? "yes" : "no",
        compression: recipe.layers.compression,
        epochSeconds: lock.epochSeconds,
        ...(image.traces.length === 0 ? {} : { traces: image.traces }),
      },
      lock: { recipe: lock.recipe, materials: sealedMaterials(lock) },
      builderVersion: { buildah: image.builderVersion },
    },
  };
}

/** As os-release of the finished image names it. Source: os-release(5). */
async function distributionOf({ workshop }: BuildContext, manifest: Manifest): Promise<Distribution> {
  const text =
    (await workshop.fileInImage(manifest, "usr/lib/os-release")) ??
    (await workshop.fileInImage(manifest, "etc/os-release"));
  const fields = new Map(
    (text?.toString("utf8") ?? "").split("\n").flatMap((line) => {
      const found = /^([A-Z_]+)=(?:"(.*)"|'(.*)'|(.*))$/.exec(line.trim());
      return found === null ? [] : [[found[1]!, found[2] ?? found[3] ?? found[4] ?? ""] as const];
    }),
  );
  const version = fields.get("VERSION_ID") ?? "0";
  return { id: fields.get("ID") ?? "none", version, codename: fields.get("VERSION_CODENAME") ?? "" };
}
