import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildCommand, buildOnce, dataFolder, manifestIn, mintmarkMissing, settle } from "../mintmark.ts";
import type { Ground } from "../ground.ts";
import type { Scenario } from "../scenario.ts";

/** A security fix arrives: one package of the archive has a new version, and the image is made anew. */
export const mintmarkOnePackage: Scenario = {
  name: "mintmark-one-package",
  about: "one package changed, from resolve to signed and verified",
  beside: ["mmdebstrap-file", "buildah-install"],
  bar: { limit: 10 },
  missing: mintmarkMissing,
  async prepare(ground) {
    const folder = dataFolder(ground, "cold");
    await buildOnce(ground, folder, ["--update"]);
    await settle(ground, folder);
    await writeFile(beforePath(ground), JSON.stringify(await manifestIn(ground, folder)));
    await ground.change();
  },
  run: async (ground) => buildCommand(ground, dataFolder(ground, "cold"), ["--update"]),
};

/** Where the manifest of the image before the change is kept for the pull scenario. */
export function beforePath({ work }: Ground): string {
  return join(work, "before.json");
}
