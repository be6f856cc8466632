import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../../src/base/child.ts";
import { buildCommand, buildOnce, dataFolder, mintmarkMissing } from "../mintmark.ts";
import type { Scenario } from "../scenario.ts";

/**
 * Everything fetched, nothing built: a new data folder that holds another one's blobs, and the lock.
 *
 * Unpacked trees, database and finished layers' records are not there, so all of that work is measured.
 */
export const mintmarkWarm: Scenario = {
  name: "mintmark-warm",
  about: "warm build, everything fetched, nothing unpacked or built",
  beside: ["mmdebstrap-file", "buildah-install"],
  bar: { ratio: 0.5 },
  missing: mintmarkMissing,
  async prepare(ground) {
    const cold = dataFolder(ground, "cold");
    const warm = dataFolder(ground, "warm");
    if (!existsSync(join(cold, "blobs"))) await buildOnce(ground, cold, ["--update"]);
    await rm(warm, { recursive: true, force: true });
    await mkdir(warm, { recursive: true });
    await run("cp", ["--archive", "--link", join(cold, "blobs"), warm]);
  },
  run: async (ground) => buildCommand(ground, dataFolder(ground, "warm"), ["--locked"]),
};
