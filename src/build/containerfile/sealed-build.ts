import { mkdir, mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { Failure } from "../../base/errors.ts";
import { sha256Hex } from "../../base/hash.ts";
import type { ContainerfileLock } from "../../model/containerfile-lock.ts";
import { parseDigest, type Digest } from "../../model/digest.ts";
import type { BlobStore } from "../../store/blobs.ts";
import type { SealedBuildResult } from "../chamber/job.ts";
import { removeFolder } from "../chamber/remove-folder.ts";
import type { BuiltImage } from "../image.ts";
import { compressionOf, type Layer } from "../layers/layer.ts";
import type { LoadedRecipe } from "../recipe.ts";
import { missingAptSources } from "./apt-sources.ts";
import { findBases, layOutBases, readBase, type BaseImage, type BaseSource, type LaidOutBases } from "./base-images.ts";
import { buildahVersion } from "./buildah.ts";
import { builtHistory, putBuiltImage, type BuiltStep } from "./built-image.ts";
import { builtLayer } from "./built-layers.ts";
import { readContainerfile, stageChain } from "./containerfile.ts";
import { exitAddress, type Exit, type ExitClient } from "./exit.ts";
import { formatContainerfileLock } from "./lock-file.ts";
import { platformArgs } from "./platform-args.ts";
import { openRequests, type RefusedRequest } from "./requests.ts";
import { failUnlocked, runBuildah, type Run, type SealedWatch } from "./run-buildah.ts";
import { sealedSettings } from "./settings.ts";
import { refuseUnsupported } from "./unsupported.ts";

/** What sealed builds stand on. */
export interface SealedSite {
  readonly blobs: BlobStore;
  readonly folders: { readonly bases: string; readonly work: string };
}

/** A built image with what was found on the way. */
export interface SealedImage {
  readonly image: BuiltImage;
  readonly sizeBytes: number;
  /** Of its own layers, those of its base left out. */
  readonly ownUnpackedBytes: number;
  readonly layerCount: number;
  /** What its layers begin with; undefined on `scratch`. */
  readonly base: Digest | undefined;
  /** Files that still tell the address of the build's exit. */
  readonly traces: readonly string[];
  readonly builderVersion: string;
}

/** A live build: its image, and the lock that says what it took in. */
export interface RecordedBuild extends SealedImage {
  readonly lock: ContainerfileLock;
  /** Reads that were refused while the build went on nevertheless. */
  readonly refused: readonly RefusedRequest[];
}

interface RecordInput {
  readonly loaded: LoadedRecipe;
  /** Values of arguments besides the recipe's own. */
  readonly args: Readonly<Record<string, string>>;
  readonly exit: Exit;
  readonly source: BaseSource;
  readonly epochSeconds: number;
  readonly actor: string;
  readonly watch: SealedWatch;
}

/**
 * Runs a Containerfile with the mirror as its only way out, and writes down all that it took in.
 *
 * @throws Failure `program_missing`, `not_found` for a base, `script_failed` with the reason that the exit gave
 */
export async function recordBuild(site: SealedSite, input: RecordInput): Promise<RecordedBuild> {
  const { loaded, exit, source, epochSeconds, actor, watch } = input;
  const { recipe, containerfile } = loaded;
  const args = { ...input.args, ...recipe.args };
  const parsed = readContainerfile(containerfile!.text, { ...platformArgs(recipe.architecture), ...args });
  const bases = await findBases({
    references: parsed.images,
    architecture: recipe.architecture,
    source,
    blobs: site.blobs,
  });
  const requests = openRequests();
  const head: ContainerfileLock = {
    schemaVersion: 1,
    kind: "containerfile",
    recipe: { name: recipe.name, sha256: loaded.sha256 },
    containerfile: { path: recipe.containerfile!, sha256: sha256Hex(containerfile!.text) },
    context: { sha256: containerfile!.context.sha256, fileCount: containerfile!.context.fileCount },
    architecture: recipe.architecture,
    args,
    ...(recipe.target === undefined ? {} : { target: recipe.target }),
    epochSeconds,
    bases: bases.map(({ reference, digest }) => ({ reference, digest })),
    upstreams: [],
    requests: [],
  };
  const run = { loaded, parsed, bases, head, clients: await exit.clients(), requests, exit, actor, watch };
  let lock = head;
  const built = await buildSealed(site, run, (asked) => (lock = { ...asked, ...requests.locked() }));
  return { ...built, lock, refused: [...requests.refused] };
}

interface ReplayInput {
  readonly loaded: LoadedRecipe;
  readonly lock: ContainerfileLock;
  readonly clients: Awaited<ReturnType<Exit["clients"]>>;
  readonly watch: SealedWatch;
}

/**
 * Runs a Containerfile again from its lock and the store alone.
 *
 * @throws Failure `request_unlocked` with the request, where it asks for something that the lock does not name
 */
export async function replayBuild(
  site: SealedSite,
  { loaded, lock, clients, watch }: ReplayInput,
): Promise<SealedImage> {
  const parsed = readContainerfile(loaded.containerfile!.text, { ...platformArgs(lock.architecture), ...lock.args });
  const bases: BaseImage[] = [];
  for (const reference of parsed.images) {
    const digest = parseDigest(lock.bases.find((base) => base.reference === reference)?.digest ?? "");
    if (digest === undefined)
      throw new Failure("request_unlocked", `Cannot build locked: the lock does not name the base "${reference}"`, {
        hint: "Build with --update to take it in",
      });
    bases.push(await readBase(site.blobs, { reference, digest }));
  }
  const requests = openRequests(lock);
  const run = { loaded, parsed, bases, head: lock, clients, requests, exit: undefined, actor: "replay", watch };
  return await buildSealed(site, run, () => lock);
}

/** A build before its settings are known. */
type Plan = Omit<Run, "settings"> & { readonly clients: readonly ExitClient[] };

type LockOf = (head: ContainerfileLock) => ContainerfileLock;

async function buildSealed(site: SealedSite, plan: Plan, lockOf: LockOf): Promise<SealedImage> {
  const builderVersion = await buildahVersion();
  refuseUnsupported(plan.parsed, builderVersion);
  const { watch, requests } = plan;
  const laidOut = await layOutBases({
    bases: plan.bases,
    folder: site.folders.bases,
    blobs: site.blobs,
    signal: watch.signal,
    onLine: watch.onLine,
  });
  const run = await withSettings(plan, laidOut);
  await mkdir(site.folders.work, { recursive: true });
  const folder = await mkdtemp(join(site.folders.work, "sealed-"));
  try {
    const result = await runBuildah(site.blobs, run, { folder, laidOut });
    failUnlocked(requests);
    const lock = lockOf(run.head);
    const lockDigest = (await site.blobs.put(Buffer.from(formatContainerfileLock(lock)))).digest;
    return { ...(await assemble(site, run, { result, lock, lockDigest })), builderVersion };
  } finally {
    await removeFolder(folder);
  }
}

/** What apt reads is known once the bases are laid out; a replay reads what the lock says. */
async function withSettings({ clients, ...plan }: Plan, { roots }: LaidOutBases): Promise<Run> {
  const { exit, head, loaded } = plan;
  const found = exit && (await missingAptSources({ roots, text: loaded.containerfile!.text, exit }));
  const aptSources = found ?? head.aptSources;
  const settings = sealedSettings(clients, {
    epochSeconds: head.epochSeconds,
    isReplay: exit === undefined,
    aptSources,
  });
  return { ...plan, head: aptSources === undefined ? head : { ...head, aptSources }, settings };
}

interface Assembly {
  readonly result: SealedBuildResult;
  readonly lock: ContainerfileLock;
  readonly lockDigest: Digest;
}

async function assemble(
  site: SealedSite,
  run: Run,
  { result, lock, lockDigest }: Assembly,
): Promise<Omit<SealedImage, "builderVersion">> {
  const { loaded, parsed, bases, settings, watch } = run;
  const chain = stageChain(parsed, lock.target);
  const from = chain[0]!.from;
  const base = from.kind === "image" ? bases.find(({ reference }) => reference === from.reference) : undefined;
  const history = builtHistory(result.config, {
    baseCount: base?.config.history?.length ?? 0,
    chain: chain.map(({ instructions }) => instructions),
    injected: 1,
  });
  const tars = result.tars.values();
  const traces: string[] = [];
  const steps: BuiltStep[] = [];
  const add = async (createdBy: string, tar: string): Promise<void> => {
    const made = await builtLayer({
      tar,
      epochSeconds: lock.epochSeconds,
      mountPoints: settings.mountPoints,
      forbidden: Buffer.from(new URL(exitAddress).host),
      compression: compressionOf(loaded.recipe.layers.compression),
      createdBy,
      blobs: site.blobs,
      signal: watch.signal,
    });
    traces.push(...made.traces);
    steps.push({ createdBy, layer: made.layer });
  };
  for (const { createdBy, hasLayer } of history) {
    const tar = hasLayer ? tars.next().value : undefined;
    if (tar === undefined) steps.push({ createdBy, layer: undefined });
    else await add(createdBy, tar);
  }
  for (const tar of tars) await add("mintmark build", tar);
  const { recipe } = loaded;
  const image = await putBuiltImage({ recipe, lock, lockDigest, base, steps, built: result.config, blobs: site.blobs });
  const own = steps.flatMap(({ layer }): Layer[] => (layer === undefined ? [] : [layer]));
  for (const path of traces) watch.onLine(`"/${path}" holds the address of the build's exit`);
  return {
    image,
    sizeBytes: image.manifest.layers.reduce((sum, { size }) => sum + size, 0),
    ownUnpackedBytes: own.reduce((sum, layer) => sum + layer.unpackedBytes, 0),
    layerCount: image.manifest.layers.length,
    base: base?.digest,
    traces,
  };
}
