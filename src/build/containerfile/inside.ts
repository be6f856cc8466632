import { createServer, connect, type Server } from "node:net";
import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { run } from "../../base/child.ts";
import { Failure } from "../../base/errors.ts";
import type { ChamberMessage, ImportBaseJob, SealedBuildJob, SealedBuildResult } from "../chamber/job.ts";
import { enterPrivateRoot } from "../chamber/private-root.ts";
import { policyPath } from "./buildah.ts";
import { failedStep, stepIn, type Step } from "./failed-step.ts";
import { watchLeftRunning } from "./left-running.ts";

/** Lays a base image into a store of its own, from where builds only read it. @throws Failure `script_failed` */
export async function importBase({ layout, name, environment: env }: Omit<ImportBaseJob, "kind">): Promise<void> {
  // It makes a name of the path, which not every path is.
  const pulled = await run(
    "buildah",
    ["pull", "--quiet", `--signature-policy=${policyPath(env)}`, `oci:${basename(layout)}`],
    {
      env,
      cwd: dirname(layout),
    },
  );
  const id = pulled.stdout.trim().split("\n").at(-1) ?? "";
  const tagged = pulled.code === 0 ? await run("buildah", ["tag", id, name], { env }) : pulled;
  if (tagged.code !== 0) throw new Failure("script_failed", `Cannot lay out the base image: ${tagged.stderr.trim()}`);
}

/**
 * Runs the Containerfile inside the namespaces.
 *
 * The network namespace has a loopback and nothing else; the forwarder on it pipes bytes to the exit's socket.
 *
 * @throws Failure `script_failed` with the instruction, how it ended and its last lines
 */
export async function sealedBuild(
  job: SealedBuildJob,
  tell: (message: ChamberMessage) => void,
): Promise<SealedBuildResult> {
  await must("ip", ["link", "set", "lo", "up"]);
  // Their folders may link to the blob store, which is out of sight afterwards.
  for (const base of job.imports) await importBase({ ...base, environment: job.environment });
  await enterPrivateRoot(job.root);
  const forwarder = await openForwarder(job);
  try {
    await build(job, tell);
  } finally {
    forwarder.close();
  }
  const id = (await readFile(job.idFile, "utf8")).trim().replace(/^sha256:/, "");
  const config = await inspect(id, job.environment);
  return { config, tars: await archiveLayers(job, id) };
}

async function must(program: string, args: readonly string[]): Promise<void> {
  const { code, stderr } = await run(program, args);
  if (code !== 0) throw new Failure("sandbox_unavailable", `Cannot set up the sealed build: ${stderr.trim()}`);
}

async function openForwarder({ port, socketPath }: SealedBuildJob): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (inner) => {
    const outer = connect({ path: socketPath, allowHalfOpen: true });
    inner.pipe(outer);
    outer.pipe(inner);
    inner.on("error", () => outer.destroy());
    outer.on("error", () => inner.destroy());
    inner.on("close", () => outer.destroy());
    outer.on("close", () => inner.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  return server;
}

/** Lines of the instruction under way that are kept for when it fails. */
const keptLines = 60;

async function build(
  { args, environment, stages }: SealedBuildJob,
  tell: (message: ChamberMessage) => void,
): Promise<void> {
  const last: string[] = [];
  let step: Step | undefined;
  let stepCount = 0;
  const leftRunning = watchLeftRunning();
  const onLine = (line: string): void => {
    const begun = stepIn(line);
    if (begun === undefined) {
      last.push(line);
      if (last.length > keptLines) last.shift();
    } else {
      const left = leftRunning.end();
      if (left.length > 0)
        tell({ kind: "log", line: `ended what the last instruction left running: ${left.join(", ")}` });
      step = begun;
      last.length = 0;
      tell({ kind: "progress", done: stepCount++, total: step.total, note: step.text });
    }
    tell({ kind: "log", line });
  };
  // Our own umask must not show in the image; the limit keeps programs that close every file from doing so for minutes.
  const { code } = await run("buildah", ["build", ...args], { env: environment, onLine });
  if (code !== 0) throw failedStep(step, last, stages);
}

async function inspect(id: string, env: Readonly<Record<string, string>>): Promise<string> {
  const { code, stdout, stderr } = await run("buildah", ["inspect", "--type", "image", id], { env });
  if (code !== 0) throw new Failure("script_failed", `Cannot read the built image: ${stderr.trim()}`);
  return (JSON.parse(stdout) as { readonly Config: string }).Config;
}

interface StoredLayer {
  readonly id: string;
  readonly parent?: string;
}

/**
 * What each layer of the build's own store holds. Layers of bases lie in stores of their own and are not read.
 *
 * Source: containers/storage, overlay driver: `overlay-images/images.json`, `overlay-layers/layers.json` and
 * `overlay/<id>/diff`.
 */
async function archiveLayers({ graphRoot, resultFolder }: SealedBuildJob, imageId: string): Promise<string[]> {
  const read = async (path: string): Promise<unknown> => JSON.parse(await readFile(join(graphRoot, path), "utf8"));
  const images = (await read("overlay-images/images.json").catch(() => [])) as readonly {
    readonly id: string;
    readonly layer: string;
  }[];
  const layers = new Map(
    ((await read("overlay-layers/layers.json").catch(() => [])) as readonly StoredLayer[]).map((one) => [one.id, one]),
  );
  const chain: string[] = [];
  // An image that is its base, with nothing done to it, is not in the build's own store.
  for (let layer = layers.get(images.find(({ id }) => id === imageId)?.layer ?? ""); layer !== undefined;) {
    chain.unshift(layer.id);
    layer = layers.get(layer.parent ?? "");
  }
  const tars: string[] = [];
  for (const [position, id] of chain.entries()) {
    const tar = join(resultFolder, `${position}.tar`);
    await archive(join(graphRoot, "overlay", id, "diff"), tar);
    tars.push(tar);
  }
  return tars;
}

/** GNU tar reads owners and attributes as they are inside; the outer program normalises its stream. */
async function archive(folder: string, file: string): Promise<void> {
  const { code, stderr } = await run("tar", [
    "--create",
    "--file",
    file,
    "--directory",
    folder,
    "--format=pax",
    "--xattrs",
    "--xattrs-include=*",
    "--numeric-owner",
    "--sort=name",
    ".",
  ]);
  if (code !== 0) throw new Failure("internal", `Cannot read what the build made: ${stderr.trim()}`);
}
