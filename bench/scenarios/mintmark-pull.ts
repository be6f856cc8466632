import { readFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { Failure } from "../../src/base/errors.ts";
import type { Manifest } from "../../src/model/oci.ts";
import { buildOnce, dataFolder, manifestIn, mintmarkMissing, settle } from "../mintmark.ts";
import type { Scenario } from "../scenario.ts";
import { beforePath, mintmarkOnePackage } from "./mintmark-one-package.ts";

/** What a host that has the image pulls when one package changed: configuration and layers that it lacks. */
export const mintmarkPull: Scenario = {
  name: "mintmark-pull",
  about: "bytes to pull when one package changed",
  beside: ["buildah-pull"],
  missing: mintmarkMissing,
  async prepare(ground) {
    if (existsSync(beforePath(ground))) return;
    await mintmarkOnePackage.prepare(ground);
    await buildOnce(ground, dataFolder(ground, "cold"), ["--update"]);
  },
  async run(ground) {
    const before = JSON.parse(await readFile(beforePath(ground), "utf8")) as Manifest;
    // An image that its proof replaces would be pulled twice: the saving counts only if it was right.
    const { replacedCount } = await settle(ground, dataFolder(ground, "cold"));
    if (replacedCount > 0)
      throw new Failure("internal", "Cannot count the bytes to pull: the proof replaced the image");
    const after = await manifestIn(ground, dataFolder(ground, "cold"));
    const held = new Set([before.config, ...before.layers].map(({ digest }) => digest));
    const value = [after.config, ...after.layers]
      .filter(({ digest }) => !held.has(digest))
      .reduce((sum, { size }) => sum + size, 0);
    return { value, unit: "bytes" };
  },
};
