import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Failure } from "../../base/errors.ts";
import type { ContainerfileLock } from "../../model/containerfile-lock.ts";
import type { BlobStore } from "../../store/blobs.ts";
import type { ChamberMessage, SealedBuildJob, SealedBuildResult } from "../chamber/job.ts";
import { runChamber } from "../chamber/run-chamber.ts";
import type { LoadedRecipe } from "../recipe.ts";
import { baseName, writeLayout, type BaseImage, type LaidOutBases } from "./base-images.ts";
import { openBounds } from "./bounds.ts";
import { buildahSettings, openBuildahStore } from "./buildah.ts";
import type { Containerfile } from "./containerfile.ts";
import { stageContext } from "./context.ts";
import { exitAddress, type Exit } from "./exit.ts";
import { openGateway } from "./gateway.ts";
import { platformArgs } from "./platform-args.ts";
import type { Requests } from "./requests.ts";
import type { SealedSettings } from "./settings.ts";

/** How a sealed build is followed and stopped. */
export interface SealedWatch {
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number, note?: string) => void;
  readonly onLine: (line: string) => void;
}

/** One run of a Containerfile, live or again. */
export interface Run {
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

interface Place {
  readonly folder: string;
  readonly laidOut: LaidOutBases;
}

/** All layers of an image are named in one mount option of a page at most, so the stores of bases get a short name. */
const shownBelow = "/mnt";

/**
 * Runs Buildah in a chamber, with the gateway at the other end of its only exit.
 *
 * @param blobs the store that bases and recorded bodies come from
 * @throws Failure `script_failed` with what the exit had refused, `request_unlocked`, `disk_full`, `cancelled`
 */
export async function runBuildah(blobs: BlobStore, run: Run, place: Place): Promise<SealedBuildResult> {
  const { settings, requests, exit, actor, watch } = run;
  // A path of a Unix socket has room for 107 bytes, and the data folder may lie deep.
  const socketFolder = await mkdtemp(join(tmpdir(), "mintmark-exit-"));
  const bounds = openBounds({ folder: place.folder, signal: watch.signal });
  try {
    const job = await layOutJob(blobs, run, { ...place, socketFolder });
    const { socketPath } = job;
    const gateway = await openGateway({ socketPath, requests, exit, blobs, actor, onLine: watch.onLine });
    try {
      const onMessage = (message: Extract<ChamberMessage, { kind: "progress" | "log" }>): void => {
        if (message.kind === "progress") watch.onProgress(message.done, message.total, message.note);
        else if (!isAboutSettings(message.line, settings)) watch.onLine(message.line);
      };
      return (await runChamber(job, { signal: bounds.signal, onMessage })) as SealedBuildResult;
    } finally {
      await gateway.close();
    }
  } catch (error) {
    throw bounds.reached() ?? explained(error, requests);
  } finally {
    bounds.close();
    await rm(socketFolder, { recursive: true, force: true });
  }
}

/** Writes everything that the chamber finds, below a folder that it sees, beside the one that becomes its root. */
async function layOutJob(
  blobs: BlobStore,
  run: Run,
  { folder, laidOut, socketFolder }: Place & { readonly socketFolder: string },
): Promise<SealedBuildJob> {
  const { loaded, parsed, head, settings } = run;
  const on = join(folder, "root");
  const work = join(folder, "work");
  const context = join(work, "context");
  const file = join(work, "Containerfile");
  const resultFolder = join(work, "result");
  for (const path of [on, work, resultFolder]) await mkdir(path);
  const stores = laidOut.roots.map((from, at) => ({ from, to: `${shownBelow}/${at}` }));
  const store = await openBuildahStore(
    join(work, "store"),
    stores.map(({ to }) => to),
  );
  const imports = laidOut.large.map(({ digest }, at) => ({
    layout: join(work, `base${at}`),
    name: baseName(digest),
  }));
  for (const [at, { layout }] of imports.entries()) await writeLayout(laidOut.large[at]!, layout, blobs);
  await stageContext(loaded.containerfile!.context, context, head.epochSeconds);
  await writeFile(file, rewritten(run));
  const mounts = await settings.write(join(work, "shown"));
  const idFile = join(work, "image-id");
  return {
    kind: "sealed-build",
    architecture: head.architecture,
    socketPath: join(socketFolder, "exit.sock"),
    port: Number(new URL(exitAddress).port),
    args: buildahArgs({ run, mounts, idFile, file, context }),
    environment: { ...store.environment, http_proxy: exitAddress, https_proxy: exitAddress },
    stages: parsed.stages.map(({ instructions }) =>
      instructions.map(({ keyword, text, line }) => ({ keyword, text, line })),
    ),
    idFile,
    graphRoot: store.graphRoot,
    resultFolder,
    root: { on, writable: [work, socketFolder], readable: stores, settings: buildahSettings },
    imports,
  };
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
  // Buildah would tell stages the machine's architecture.
  const values = { ...platformArgs(head.architecture), ...settings.proxies, ...settings.args, ...head.args };
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

const allowHint = "docs/how-to/build-containerfiles.md tells what a sealed build can reach, and how to allow more";

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
      hint: `${error.hint ?? ""}\n       ${allowHint}`.trim(),
      details: { ...error.details, refused: requests.refused },
      cause: error,
    },
  );
}

/** A locked build ends in a failure even where the program that asked made do without. */
export function failUnlocked(requests: Requests, cause?: unknown): void {
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
