import { existsSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { plainEnvironment, run } from "../../src/base/child.ts";
import { Failure } from "../../src/base/errors.ts";
import { exitAddress } from "../../src/build/build.ts";
import type { Ground } from "../ground.ts";
import { reasonIn, type Command } from "../measure.ts";
import { dataFolder, mintmarkCommand, mintmarkMissing } from "../mintmark.ts";
import type { Scenario } from "../scenario.ts";
import { aptInstall } from "./buildah.ts";

/** The peer's Containerfile in a sealed build: each package through the mirror, which has none of them yet. */
export const sealedRecord: Scenario = {
  name: "sealed-record",
  about: "the peer's Containerfile, sealed: recorded, scanned, signed",
  beside: ["buildah-install"],
  missing,
  async prepare(ground) {
    await layRecipes(ground);
    await layFolder(ground, "record");
  },
  run: async (ground) => command(ground, "record", ["build", recipeFolder(ground), "--update"]),
};

/** The same from the lock and the store alone, where the image was never made. */
export const sealedReplay: Scenario = {
  name: "sealed-replay",
  about: "the same from its lock, without a network",
  beside: ["buildah-install"],
  missing,
  async prepare(ground) {
    const recorded = join(dataFolder(ground, "record"), "blobs");
    if (!existsSync(join(recipeFolder(ground), "lock.containerfile-amd64.json"))) {
      await sealedRecord.prepare(ground);
      await must(ground, "record", ["build", recipeFolder(ground), "--update"]);
    }
    await layFolder(ground, "replay");
    const copied = await run("cp", ["--archive", "--link", "--update", recorded, dataFolder(ground, "replay")]);
    if (copied.code !== 0) throw new Failure("internal", `Cannot copy the recorded bodies: ${reasonIn(copied.stderr)}`);
  },
  run: async (ground) => command(ground, "replay", ["build", recipeFolder(ground), "--locked"]),
};

async function missing(ground: Ground): Promise<string | undefined> {
  if (ground.allNames[0] !== "?essential") return "it needs the starter set, whose apt is a real one";
  const version = await run("buildah", ["--version"]).catch(() => undefined);
  return version === undefined ? "buildah is not installed" : await mintmarkMissing();
}

type Side = "record" | "replay";

function baseFolder({ work }: Ground): string {
  return join(work, "sealed-base");
}

function recipeFolder({ work }: Ground): string {
  return join(work, "sealed");
}

/** A new data folder with a base of the same archive, as the peer has one, and a mirror of the archive. */
async function layFolder(ground: Ground, name: Side): Promise<void> {
  await rm(dataFolder(ground, name), { recursive: true, force: true });
  const { url } = ground.repository;
  await must(ground, name, ["mirror", "create", "apt", "--format", "apt", "--upstream", url, "--private"]);
  await must(ground, name, ["build", baseFolder(ground)]);
}

async function layRecipes(ground: Ground): Promise<void> {
  const { repository, names } = ground;
  const base = baseFolder(ground);
  for (const folder of [base, recipeFolder(ground)]) {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder);
  }
  const write = (folder: string, name: string, text: string): Promise<void> => writeFile(join(folder, name), text);
  const distribution = { bookworm: "debian:12", trixie: "debian:13", noble: "ubuntu:24.04" }[repository.suites[0]!]!;
  await write(base, "image.yaml", `name: bench/base\ntitle: Base\ndistribution: ${distribution}\npackages: [apt]\n`);
  await write(recipeFolder(ground), "image.yaml", "name: bench/sealed\ntitle: Sealed\ncontainerfile: Containerfile\n");
  const key = repository.key.armoured.trim().split("\n");
  const sources = [
    "Types: deb",
    `URIs: ${exitAddress}/mirror/apt/`,
    `Suites: ${repository.suites.join(" ")}`,
    "Components: main",
    "Signed-By:",
    ...key.map((line) => ` ${line === "" ? "." : line}`),
  ];
  await write(recipeFolder(ground), "bench.sources", `${sources.join("\n")}\n`);
  await write(
    recipeFolder(ground),
    "Containerfile",
    `FROM bench/base\nCOPY bench.sources /etc/apt/sources.list.d/\nENV DEBIAN_FRONTEND=noninteractive\nRUN ${aptInstall(names)}\n`,
  );
}

function command(ground: Ground, name: Side, args: readonly string[]): Command {
  return mintmarkCommand(ground, dataFolder(ground, name), args);
}

async function must(ground: Ground, name: Side, args: readonly string[]): Promise<void> {
  const { program, args: line, env } = command(ground, name, args);
  const { code, stdout, stderr } = await run(program, line, { env: { ...plainEnvironment, ...env } });
  if (code !== 0) throw new Failure("internal", `Cannot prepare: ${args[0]} failed: ${reasonIn(stderr || stdout)}`);
}
