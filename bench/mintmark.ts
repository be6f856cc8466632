import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { plainEnvironment, run } from "../src/base/child.ts";
import { Failure } from "../src/base/errors.ts";
import type { Manifest } from "../src/model/oci.ts";
import type { Ground } from "./ground.ts";
import type { Command } from "./measure.ts";

const starter = resolve(import.meta.dirname, "../bin/mintmark");

/** Why our own side cannot be measured in this checkout, or undefined. */
export async function mintmarkMissing(): Promise<string | undefined> {
  return existsSync(starter) ? undefined : "bin/mintmark is not there yet";
}

/** The data folder of one scenario. */
export function dataFolder({ work }: Ground, name: string): string {
  return join(work, `data-${name}`);
}

/** The command that builds the ground's recipe. */
export function buildCommand(ground: Ground, data: string, flags: readonly string[] = []): Command {
  return { program: starter, args: ["build", ground.recipe, "--data", data, "--config", ground.config, ...flags], env: environment(ground) };
}

/** The command that serves a data folder on a free port. */
export function serveCommand(ground: Ground, data: string): Command {
  return { program: starter, args: ["serve", "--data", data, "--config", ground.config, "--listen", "127.0.0.1:0"], env: environment(ground) };
}

function environment({ work }: Ground): Record<string, string> {
  return { HOME: work };
}

/** The manifest of the newest image of the recipe in a data folder. */
export async function manifestIn(ground: Ground, data: string): Promise<Manifest> {
  const { code, stdout, stderr } = await run(starter, ["inspect", "bench/starter:latest", "--data", data, "--config", ground.config, "--json"], { env: { ...plainEnvironment, ...environment(ground) } });
  if (code !== 0) throw new Failure("not_found", `Cannot read the built image: ${stderr.trim().split("\n").at(-1)}`);
  return (JSON.parse(stdout) as { readonly manifest: Manifest }).manifest;
}

/** Builds once outside of the measurement, where a scenario starts from a built image. */
export async function buildOnce(ground: Ground, data: string, flags: readonly string[] = []): Promise<void> {
  const { program, args, env } = buildCommand(ground, data, flags);
  const { code, stdout, stderr } = await run(program, args, { env: { ...plainEnvironment, ...env } });
  if (code !== 0) throw new Failure("internal", `Cannot prepare: the build failed: ${(stderr || stdout).trim().split("\n").at(-1)}`);
}
