import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../../src/base/child.ts";
import { Failure } from "../../src/base/errors.ts";
import type { Lock } from "../../src/model/lock.ts";
import { buildCommand, buildOnce, dataFolder, mintmarkMissing } from "../mintmark.ts";
import type { Ground } from "../ground.ts";
import type { Scenario } from "../scenario.ts";

/**
 * Everything fetched and nothing more: a new data folder with the locked archives and the signed lists.
 *
 * Unpacked trees, finished layers, kept systems and the database are not there, so all of that work is measured.
 */
export const mintmarkWarm: Scenario = {
  name: "mintmark-warm",
  about: "warm build: archives fetched, nothing unpacked, no layer made",
  beside: ["mmdebstrap-file", "buildah-install"],
  bar: { ratio: 0.5 },
  missing: mintmarkMissing,
  prepare: (ground) => layWarmFolder(ground, []),
  run: async (ground) => buildCommand(ground, dataFolder(ground, "warm"), ["--locked"]),
};

/** The same with the trees that any earlier build left, so that nothing is decompressed twice; no layer is made. */
export const mintmarkWarmUnpacked: Scenario = {
  ...mintmarkWarm,
  name: "mintmark-warm-unpacked",
  about: "warm build: archives fetched and unpacked, no layer made",
  prepare: (ground) => layWarmFolder(ground, ["trees"]),
};

/** Finished layers lie among the blobs too, so only the locked archives are taken over, by name. */
async function layWarmFolder(ground: Ground, caches: readonly string[]): Promise<void> {
  const cold = dataFolder(ground, "cold");
  const warm = dataFolder(ground, "warm");
  if (!existsSync(join(cold, "blobs"))) await buildOnce(ground, cold, ["--update"]);
  await rm(warm, { recursive: true, force: true });
  await mkdir(join(warm, "cache"), { recursive: true });
  await mkdir(join(warm, "blobs"));
  // apt writes its lists in place, so those are copied; all else is never written again.
  await copy(["--archive", join(cold, "cache/apt"), join(warm, "cache")]);
  for (const name of caches) await copy(["--archive", "--link", join(cold, "cache", name), join(warm, "cache")]);
  const { packages } = await readLock(ground);
  const archives = packages.map(({ sha256 }) => join("sha256", sha256.slice(0, 2), sha256));
  await copy(["--archive", "--link", "--parents", ...archives, join(warm, "blobs")], join(cold, "blobs"));
}

async function copy(args: readonly string[], cwd?: string): Promise<void> {
  const { code, stderr } = await run("cp", args, cwd === undefined ? {} : { cwd });
  if (code !== 0) throw new Failure("internal", `Cannot lay the warm folder: ${stderr.trim().split("\n").at(-1)}`);
}

async function readLock({ recipe }: Ground): Promise<Lock> {
  const name = (await readdir(recipe)).find((entry) => entry.startsWith("lock."))!;
  return JSON.parse(await readFile(join(recipe, name), "utf8")) as Lock;
}
