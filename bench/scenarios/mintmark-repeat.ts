import { buildCommand, buildOnce, dataFolder, mintmarkMissing, settle } from "../mintmark.ts";
import type { Scenario } from "../scenario.ts";

/** The same recipe and lock once more: what a cron job costs when nothing is new. */
export const mintmarkRepeat: Scenario = {
  name: "mintmark-repeat",
  about: "no change since the last build",
  beside: ["mmdebstrap-file"],
  bar: { limit: 1 },
  missing: mintmarkMissing,
  async prepare(ground) {
    const folder = dataFolder(ground, "cold");
    await buildOnce(ground, folder);
    await settle(ground, folder);
  },
  run: async (ground) => buildCommand(ground, dataFolder(ground, "cold")),
};
