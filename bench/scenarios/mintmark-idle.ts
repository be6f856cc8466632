import { sleep } from "../../src/base/clock.ts";
import { treeBytes } from "../measure.ts";
import { buildOnce, dataFolder, mintmarkMissing, settle, untilProven, withServer } from "../mintmark.ts";
import type { Scenario } from "../scenario.ts";

const idleMs = 10_000;

/** Resident memory of the server of a folder with images, everything on, ten seconds after it is ready. */
export const mintmarkIdle: Scenario = {
  name: "mintmark-idle",
  about: "memory of the idle server",
  bar: { limit: 120_000_000 },
  missing: mintmarkMissing,
  async prepare(ground) {
    const folder = dataFolder(ground, "cold");
    await buildOnce(ground, folder, ["--update"]);
    await settle(ground, folder);
  },
  run: (ground) =>
    withServer(ground, dataFolder(ground, "cold"), async ({ pid }) => {
      await sleep(idleMs);
      return { value: treeBytes(pid), unit: "bytes" };
    }),
};

/** The same server ten seconds after it built an image with one package changed and proved it. */
export const mintmarkIdleAfter: Scenario = {
  ...mintmarkIdle,
  name: "mintmark-idle-after",
  about: "memory of the idle server after a build and its proof",
  run: (ground) =>
    withServer(ground, dataFolder(ground, "cold"), async ({ pid, url }) => {
      await ground.change();
      await buildOnce(ground, dataFolder(ground, "cold"), ["--update"]);
      await untilProven({ pid, url });
      await sleep(idleMs);
      return { value: treeBytes(pid), unit: "bytes" };
    }),
};
