import { buildCommand, buildOnce, dataFolder, mintmarkMissing } from "../mintmark.ts";
import type { Scenario } from "../scenario.ts";

/** The same recipe and lock once more: what a cron job costs when nothing is new. */
export const mintmarkRepeat: Scenario = {
  name: "mintmark-repeat",
  about: "no change since the last build",
  beside: ["mmdebstrap-file"],
  bar: { limit: 1 },
  missing: mintmarkMissing,
  prepare: (ground) => buildOnce(ground, dataFolder(ground, "cold")),
  run: async (ground) => buildCommand(ground, dataFolder(ground, "cold")),
};
