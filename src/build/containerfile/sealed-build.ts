import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Failure } from "../../base/errors.ts";
import { sha256Hex } from "../../base/hash.ts";
import type { ContainerfileLock } from "../../model/containerfile-lock.ts";
import { parseDigest, type Digest } from "../../model/digest.ts";
import type { BlobStore } from "../../store/blobs.ts";
import type { SealedBuildResult } from "../chamber/job.ts";
import { removeFolder } from "../chamber/remove-folder.ts";
import { runChamber } from "../chamber/run-chamber.ts";
import type { BuiltImage } from "../image.ts";
import { compressionOf, type Layer } from "../layers/layer.ts";
import type { LoadedRecipe } from "../recipe.ts";
import {
  baseName,
  findBases,
  layOutBases,
  readBase,
  writeLayout,
  type BaseImage,
  type BaseSource,
  type LaidOutBases,
} from "./base-images.ts";
import { buildahVersion, openBuildahStore } from "./buildah.ts";
import { builtHistory, putBuiltImage, type BuiltStep } from "./built-image.ts";
import { builtLayer } from "./built-layers.ts";
import { readContainerfile, stageChain, type Containerfile } from "./containerfile.ts";
import { stageContext } from "./context.ts";
import { exitAddress, type Exit } from "./exit.ts";
import { openGateway } from "./gateway.ts";
import { formatContainerfileLock } from "./lock-file.ts";
import { openRequests, type RefusedRequest, type Requests } from "./requests.ts";
import { sealedSettings, type SealedSettings } from "./settings.ts";

/** What sealed builds stand on. */
export interface SealedSite {
  readonly blobs: BlobStore;
  readonly folders: { readonly bases: string; readonly work: string };
}

/** How a sealed build is followed and stopped. */
interface SealedWatch {
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number, note?: string) => void;
  readonly onLine: (line: string) => void;
}

/** A built image with what was found on the way. */
export interface SealedImage {
  readonly image: BuiltImage;
  readonly sizeBytes: number;
  readonly unpackedBytes: number;
  readonly layerCount: number;
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
  const settings = sealedSettings(await exit.clients(), { epochSeconds, isReplay: false });
  const run = { loaded, parsed, bases, head, settings, requests, exit, actor, watch };
  let lock = head;
  const built = await buildSealed(site, run, () => (lock = { ...head, ...requests.locked() }));
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
  const settings = sealedSettings(clients, { epochSeconds: lock.epochSeconds, isReplay: true });
  const run = { loaded, parsed, bases, head: lock, settings, requests, exit: undefined, actor: "replay", watch };
  return await buildSealed(site, run, () => lock);
}

/** Arguments that every Containerfile has. Source: Dockerfile reference, "Automatic platform ARGs in the global scope". */
function platformArgs(architecture: string): Record<string, string> {
  return {
    TARGETPLATFORM: `linux/${architecture}`,
    TARGETOS: "linux",
    TARGETARCH: architecture,
    TARGETVARIANT: "",
    BUILDPLATFORM: `linux/${architecture}`,
    BUILDOS: "linux",
    BUILDARCH: architecture,
    BUILDVARIANT: "",
  };
}

interface Run {
  readonly loaded: LoadedRecipe;
  readonly parsed: Containerfile;
  readonly bases: readonly BaseImage[];
  /** The lock but for what is asked during the build. */
  readonly head: ContainerfileLock;
  readonly settings: SealedSettings;
  readonly requests: Requests;
  /** Undefined in a replay. */
  readonly exit: Exit | undefined;
  readonly actor: string;
  readonly watch: SealedWatch;
}

async function buildSealed(site: SealedSite, run: Run, lockOf: () => ContainerfileLock): Promise<SealedImage> {
  const builderVersion = await buildahVersion();
  const { watch, requests } = run;
  const laidOut = await layOutBases({
    bases: run.bases,
    folder: site.folders.bases,
    blobs: site.blobs,
    signal: watch.signal,
    onLine: watch.onLine,
  });
  await mkdir(site.folders.work, { recursive: true });
  const folder = await mkdtemp(join(site.folders.work, "sealed-"));
  try {
    const result = await runBuildah(site, run, { folder, laidOut });
    failUnlocked(requests);
    const lock = lockOf();
    const lockDigest = (await site.blobs.put(Buffer.from(formatContainerfileLock(lock)))).digest;
    return { ...(await assemble(site, run, { result, lock, lockDigest })), builderVersion };
  } finally {
    await removeFolder(folder);
  }
}

interface Place {
  readonly folder: string;
  readonly laidOut: LaidOutBases;
}

/** A folder that every system has and no build needs: the bases are shown below it, to the build alone. */
const shownBelow = "/mnt";

async function runBuildah(site: SealedSite, run: Run, { folder, laidOut }: Place): Promise<SealedBuildResult> {
  const { loaded, head, settings, requests, exit, actor, watch } = run;
  const stores = laidOut.roots.map((from, at) => ({ from, to: `${shownBelow}/${at}` }));
  const store = await openBuildahStore(
    join(folder, "store"),
    stores.map(({ to }) => to),
  );
  const imports = laidOut.large.map(({ digest }, at) => ({
    layout: join(folder, `base${at}`),
    name: baseName(digest),
  }));
  for (const [at, { layout }] of imports.entries()) await writeLayout(laidOut.large[at]!, layout, site.blobs);
  const context = join(folder, "context");
  await stageContext(loaded.containerfile!.context, context, head.epochSeconds);
  const file = join(folder, "Containerfile");
  await writeFile(file, rewritten(run));
  const mounts = await settings.write(join(folder, "shown"));
  const idFile = join(folder, "image-id");
  const resultFolder = join(folder, "result");
  await mkdir(resultFolder);
  // A path of a Unix socket has room for 107 bytes, and the data folder may lie deep.
  const socketFolder = await mkdtemp(join(tmpdir(), "mintmark-exit-"));
  const socketPath = join(socketFolder, "exit.sock");
  const gateway = await openGateway({ socketPath, requests, exit, blobs: site.blobs, actor, onLine: watch.onLine });
  try {
    const args = buildahArgs({ run, mounts, idFile, file, context });
    const environment = { ...store.environment, http_proxy: exitAddress, https_proxy: exitAddress };
    const result = await runChamber(
      {
        kind: "sealed-build",
        socketPath,
        port: Number(new URL(exitAddress).port),
        args,
        environment,
        idFile,
        graphRoot: store.graphRoot,
        resultFolder,
        shown: { below: shownBelow, stores },
        imports,
      },
      {
        signal: watch.signal,
        onMessage(message) {
          if (message.kind === "progress") watch.onProgress(message.done, message.total, message.note);
          else if (!isAboutSettings(message.line, settings)) watch.onLine(message.line);
        },
      },
    );
    return result as SealedBuildResult;
  } catch (error) {
    throw explained(error, requests);
  } finally {
    await gateway.close();
    await rm(socketFolder, { recursive: true, force: true });
  }
}

/** What Buildah says of what only our rewriting declares. */
function isAboutSettings(line: string, { args }: SealedSettings): boolean {
  return (
    line.startsWith("[Warning] one or more build args were not consumed") || line.endsWith(`: ARG ${argLine(args)}`)
  );
}

function argLine(args: SealedSettings["args"]): string {
  return Object.keys(args).join(" ");
}

function rewritten({ parsed, bases, settings }: Run): string {
  const digests = new Map(bases.map(({ reference, digest }) => [reference, digest]));
  return parsed.rewritten({
    nameOf: (reference) => baseName(digests.get(reference)!),
    args: [argLine(settings.args)],
    addressOf: (url) => `${exitAddress}/upstream/${url.replace("://", "/")}`,
  });
}

interface BuildahInput {
  readonly run: Run;
  readonly mounts: readonly { readonly from: string; readonly to: string; readonly isWritable: boolean }[];
  readonly idFile: string;
  readonly file: string;
  readonly context: string;
}

function buildahArgs({ run, mounts, idFile, file, context }: BuildahInput): string[] {
  const { head, settings } = run;
  const values = { ...settings.proxies, ...settings.args, ...head.args };
  return [
    "--isolation=chroot",
    "--ulimit=nofile=1024:1024",
    "--layers",
    "--pull=never",
    "--format=docker",
    "--identity-label=false",
    "--no-hosts",
    `--arch=${head.architecture}`,
    ...(head.target === undefined ? [] : [`--target=${head.target}`]),
    ...Object.entries(values).map(([name, value]) => `--build-arg=${name}=${value}`),
    ...mounts.map(({ from, to, isWritable }) => `--volume=${from}:${to}:${isWritable ? "rw" : "ro"}`),
    `--iidfile=${idFile}`,
    `--file=${file}`,
    context,
  ];
}

/** A build that failed because the exit said no tells what it said. */
function explained(error: unknown, requests: Requests): unknown {
  if (!(error instanceof Failure) || error.code !== "script_failed") return error;
  failUnlocked(requests, error);
  const last = requests.refused.at(-1);
  if (last === undefined) return error;
  return new Failure(
    last.kind === "broken" ? "upstream_unreachable" : "script_failed",
    `${error.message}. The exit had refused ${last.method} "${last.address}": ${last.reason}`,
    {
      hint: "docs/how-to/build-containerfiles.md tells what a sealed build can reach, and how to allow more",
      details: { ...error.details, refused: requests.refused },
      cause: error,
    },
  );
}

/** A locked build ends in a failure even where the program that asked made do without. */
function failUnlocked(requests: Requests, cause?: unknown): void {
  const broken = requests.refused.find(({ kind }) => kind === "broken");
  const unlocked = requests.refused.filter(({ kind }) => kind === "unlocked");
  const first = unlocked[0];
  if (first !== undefined)
    throw new Failure(
      "request_unlocked",
      `Cannot build locked: the lock does not name ${first.method} "${first.address}"${unlocked.length > 1 ? ` and ${unlocked.length - 1} more` : ""}`,
      { hint: "Build with --update to take it in", details: { requests: unlocked }, cause },
    );
  if (broken !== undefined && cause === undefined && broken.reason.startsWith("The store has lost"))
    throw new Failure("not_found", `Cannot build locked: ${broken.reason}`);
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
    unpackedBytes: own.reduce((sum, layer) => sum + layer.unpackedBytes, 0),
    layerCount: image.manifest.layers.length,
    traces,
  };
}
