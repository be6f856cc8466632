import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { plainEnvironment, run } from "../../src/base/child.ts";
import { Failure } from "../../src/base/errors.ts";
import type { Index, Manifest } from "../../src/model/oci.ts";
import { bootstrap, bootstrapMissing } from "../../tests/fixtures/mmdebstrap.ts";
import { systemNames } from "../../tests/fixtures/real-packages.ts";
import type { Ground } from "../ground.ts";
import type { Scenario } from "../scenario.ts";

/** What most teams do today: a Containerfile with apt-get install on a base image of the same archives. */
export const buildahInstall: Scenario = {
  name: "buildah-install",
  about: "peer: buildah with apt-get install on a ready base",
  missing: buildahMissing,
  prepare: makeBase,
  async run({ work, names }) {
    const context = join(work, "containerfile");
    await mkdir(context, { recursive: true });
    await writeFile(
      join(context, "Containerfile"),
      `FROM localhost/base\nENV DEBIAN_FRONTEND=noninteractive\nRUN ${aptInstall(names)}\n`,
    );
    const flags = [
      "--no-cache",
      "--isolation",
      "chroot",
      "--ulimit",
      "nofile=1024:1024",
      "--network",
      "host",
      "--tag",
      "localhost/starter",
    ];
    return { program: "buildah", args: [...storage(work), "build", ...flags, context] };
  },
  cleanUp,
};

/** What RUN executes there. */
export function aptInstall(names: readonly string[]): string {
  return `apt-get update && apt-get install --yes --no-install-recommends ${names.join(" ")} && apt-get clean && rm -rf /var/lib/apt/lists/*`;
}

/** What a host pulls of that image when any package changed: the whole layer that apt-get made, in gzip as pushed. */
export const buildahPull: Scenario = {
  name: "buildah-pull",
  about: "peer: bytes of the layer that apt-get install makes",
  missing: buildahMissing,
  async prepare(ground) {
    const built = await buildah(ground, ["images", "--quiet", "localhost/starter"]).catch(() => "");
    if (built !== "") return;
    await buildahInstall.prepare(ground);
    const command = await buildahInstall.run(ground);
    if ("args" in command) await buildah(ground, command.args.slice(storage(ground.work).length));
  },
  async run(ground) {
    const folder = join(ground.work, "pushed");
    await buildah(ground, ["push", "--quiet", "localhost/starter", `oci:${folder}`]);
    const read = async (path: string): Promise<unknown> => JSON.parse(await readFile(join(folder, path), "utf8"));
    const { manifests } = (await read("index.json")) as Index;
    const manifest = (await read(`blobs/sha256/${manifests[0]!.digest.slice(7)}`)) as Manifest;
    return { value: manifest.config.size + manifest.layers.at(-1)!.size, unit: "bytes" };
  },
  cleanUp,
};

async function buildahMissing(ground: Ground): Promise<string | undefined> {
  const bootstrapReason = await bootstrapMissing();
  if (bootstrapReason !== undefined) return bootstrapReason;
  if (ground.allNames[0] !== "?essential") return "it needs the starter set, whose apt is a real one";
  const version = await run("buildah", ["--version"]).catch(() => undefined);
  return version === undefined ? "buildah is not installed" : undefined;
}

/** Images and containers of the bench lie in its own folder, away from the machine's. */
function storage(work: string): string[] {
  return ["--root", join(work, "buildah"), "--runroot", join(work, "buildah-run"), "--storage-driver", "overlay"];
}

/** The base: essential packages and apt from the same archive, which its sources name. */
async function makeBase(ground: Ground): Promise<void> {
  const known = await buildah(ground, ["images", "--quiet", "localhost/base"]).catch(() => "");
  if (known !== "") return;
  const target = join(ground.work, "base.tar");
  const { code, output } = await bootstrap({ repository: ground.repository, names: systemNames, target });
  if (code !== 0)
    throw new Failure("internal", `Cannot make the base image of the peer: ${output.trim().split("\n").at(-1)}`);
  const container = (await buildah(ground, ["from", "scratch"])).trim();
  await buildah(ground, ["add", container, target, "/"]);
  await buildah(ground, ["commit", "--rm", "--quiet", container, "localhost/base"]);
}

async function buildah({ work }: Ground, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run("buildah", [...storage(work), ...args], {
    env: { ...plainEnvironment, HOME: work },
    timeoutMs: 600_000,
  });
  if (code !== 0) throw new Failure("internal", `Cannot run buildah ${args[0]}: ${stderr.trim().split("\n").at(-1)}`);
  return stdout;
}

/** Overlay storage mounts itself on itself. */
async function cleanUp({ work }: Ground): Promise<void> {
  await run("umount", ["--lazy", join(work, "buildah/overlay")]).catch(() => undefined);
}
