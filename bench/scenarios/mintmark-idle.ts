import { sleep } from "../../src/base/clock.ts";
import { treeBytes } from "../measure.ts";
import { dataFolder, mintmarkMissing, withServer } from "../mintmark.ts";
import type { Scenario } from "../scenario.ts";

const idleMs = 10_000;

/** Resident memory of the server, with everything on, ten seconds after it is ready. */
export const mintmarkIdle: Scenario = {
  name: "mintmark-idle",
  about: "memory of the idle server",
  bar: { limit: 120_000_000 },
  missing: mintmarkMissing,
  prepare: () => Promise.resolve(),
  run: (ground) =>
    withServer(ground, dataFolder(ground, "idle"), async ({ pid }) => {
      await sleep(idleMs);
      return { value: treeBytes(pid), unit: "bytes" };
    }),
};
