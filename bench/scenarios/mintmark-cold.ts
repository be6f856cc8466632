import { rm } from "node:fs/promises";
import { buildCommand, dataFolder, mintmarkMissing } from "../mintmark.ts";
import type { Scenario } from "../scenario.ts";

/** From nothing: resolve, fetch over loopback, unpack, configure, layers, evidence, signatures. */
export const mintmarkCold: Scenario = {
  name: "mintmark-cold",
  about: "cold build, nothing resolved, nothing fetched",
  beside: ["mmdebstrap-http"],
  missing: mintmarkMissing,
  prepare: (ground) => rm(dataFolder(ground, "cold"), { recursive: true, force: true }),
  run: async (ground) => buildCommand(ground, dataFolder(ground, "cold"), ["--update"]),
};
