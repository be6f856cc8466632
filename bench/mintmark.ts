import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { plainEnvironment, run } from "../src/base/child.ts";
import { sleep, tickMs } from "../src/base/clock.ts";
import { Failure } from "../src/base/errors.ts";
import type { Image, ImageList } from "../src/client/api-types.ts";
import { mediaTypes, type Manifest } from "../src/model/oci.ts";
import { imageName, type Ground } from "./ground.ts";
import { reasonIn, type Command } from "./measure.ts";

const starter = resolve(import.meta.dirname, "../bin/mintmark");

/** Why our own side cannot be measured in this checkout, or undefined. */
export async function mintmarkMissing(): Promise<string | undefined> {
  return existsSync(starter) ? undefined : "bin/mintmark is not there yet";
}

/** The data folder of one scenario. */
export function dataFolder({ work }: Ground, name: string): string {
  return join(work, `data-${name}`);
}

/** A command on a data folder that prints JSON. */
export function mintmarkCommand(ground: Ground, data: string, args: readonly string[]): Command {
  return {
    program: starter,
    args: [...args, "--data", data, "--config", ground.config, "--json"],
    env: environment(ground),
  };
}

/** The command that builds the ground's recipe and prints the image. */
export function buildCommand(ground: Ground, data: string, flags: readonly string[] = []): Command {
  return mintmarkCommand(ground, data, ["build", ground.recipe, ...flags]);
}

/** What a running server is known by. */
interface Running {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly pid: number;
}

const readyMs = 30_000;

/** Serves a data folder on a free port while `work` runs. */
export async function withServer<Result>(
  ground: Ground,
  folder: string,
  work: (running: Running) => Promise<Result>,
): Promise<Result> {
  const args = ["serve", "--data", folder, "--config", ground.config, "--listen", "127.0.0.1:0"];
  const server = spawn(starter, args, {
    env: { ...plainEnvironment, ...environment(ground) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = once(server, "close");
  try {
    return await work({ url: await printedUrl(server.stdout, server.stderr), pid: server.pid! });
  } finally {
    server.kill("SIGTERM");
    await ended;
  }
}

/** The server is ready when it prints its address. */
async function printedUrl(...outputs: readonly NodeJS.ReadableStream[]): Promise<string> {
  let text = "";
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const giveUp = (state: string): void =>
    reject(new Failure("internal", `Cannot measure the server: ${state}: ${text.trim().slice(-300)}`));
  const timer = setTimeout(() => giveUp(`it printed no address in ${readyMs / 1000} s`), readyMs);
  for (const output of outputs) {
    output.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
      const url = /https?:\/\/127\.0\.0\.1:\d+/.exec(text)?.[0];
      if (url !== undefined) resolve(url);
    });
    output.on("end", () => giveUp("it ended"));
  }
  return promise.finally(() => clearTimeout(timer));
}

/** The manifest of the newest image of the recipe, as a host gets it from the registry. */
export function manifestIn(ground: Ground, folder: string): Promise<Manifest> {
  return withServer(ground, folder, async ({ url }) => {
    const response = await fetch(`${url}/v2/${imageName}/manifests/latest`, {
      headers: { accept: mediaTypes.manifest },
    });
    if (!response.ok)
      throw new Failure("not_found", `Cannot read the built image: the registry answered ${response.status}`);
    return (await response.json()) as Manifest;
  });
}

const proofMs = 300_000;

/** Serves the folder until no proof is queued: a clean build in the background would slow what is measured next. */
export function settle(ground: Ground, folder: string): Promise<{ readonly replacedCount: number }> {
  return withServer(ground, folder, untilProven);
}

/** Waits until every image is proven or was replaced; counts those that were replaced in all. */
export async function untilProven({ url }: Running): Promise<{ readonly replacedCount: number }> {
  const end = tickMs() + proofMs;
  for (;;) {
    const response = await fetch(`${url}/images`);
    if (!response.ok) throw new Failure("not_found", `Cannot list the images: the server answered ${response.status}`);
    const states = ((await response.json()) as ImageList).images.map(({ reproduced }) => reproduced);
    if (!states.includes("pending")) return { replacedCount: states.filter((state) => state === "no").length };
    if (tickMs() > end) throw new Failure("internal", `Cannot wait for the proof: it took ${proofMs / 1000} s`);
    await sleep(250);
  }
}

/** Milliseconds of each step, as the command's JSON tells them; undefined where it printed no image. */
export function stepsIn(stdout: string): Readonly<Record<string, number>> | undefined {
  try {
    return (JSON.parse(stdout) as Partial<Image>).durations;
  } catch {
    return undefined;
  }
}

function environment({ work }: Ground): Record<string, string> {
  return { HOME: work };
}

/** Builds once outside of the measurement, where a scenario starts from a built image. */
export async function buildOnce(ground: Ground, data: string, flags: readonly string[] = []): Promise<void> {
  const { program, args, env } = buildCommand(ground, data, flags);
  const { code, stdout, stderr } = await run(program, args, { env: { ...plainEnvironment, ...env } });
  if (code !== 0) throw new Failure("internal", `Cannot prepare: the build failed: ${reasonIn(stderr || stdout)}`);
}
