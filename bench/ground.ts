import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Failure } from "../src/base/errors.ts";
import { run } from "../src/base/child.ts";
import type { AptRepository, DebFile } from "../tests/fixtures/apt-repository.ts";
import { changedDeb, debWithChangelog } from "../tests/fixtures/changed-deb.ts";
import type { Deb } from "../tests/fixtures/deb.ts";
import { makeGpgKey } from "../tests/fixtures/gpg-key.ts";
import {
  configurableNames,
  placeholderApt,
  realDebianPackages,
  repositoryOf,
  starterNames,
  systemNames,
} from "../tests/fixtures/real-packages.ts";

/** Where the recipe's images are published. */
export const imageName = "bench/starter";

/** What all scenarios stand on: the same packages in one signed archive on loopback. */
export interface Ground {
  /** A folder for everything that scenarios write; removed at the end. */
  readonly work: string;
  readonly repository: AptRepository;
  /** Names for the recipe, without the system that every image has. */
  readonly names: readonly string[];
  /** Names that give the same set to tools that want every name. */
  readonly allNames: readonly string[];
  readonly packageCount: number;
  /** Sum of the archives in bytes. */
  readonly archiveBytes: number;
  /** A recipe folder with an image.yaml of `names`. */
  readonly recipe: string;
  /** A configuration file that names the repository as the only upstream. */
  readonly config: string;
  /** The package that changes in the one-package scenario. */
  readonly changing: DebFile;
  /** Publishes a new version of `changing` in the security suite; it ends in a count, so that every run has news. */
  change(): Promise<string>;
  close(): Promise<void>;
}

/** The package sets: the brief's starter image, and the least that configures, for a quick look. */
export const sets = ["starter", "small"] as const;

/** Brings the packages, makes the archive and writes recipe and configuration. */
export async function layGround(set: (typeof sets)[number]): Promise<Ground> {
  const isStarter = set === "starter";
  const wish = isStarter ? [...systemNames, ...starterNames] : configurableNames;
  const real = await realDebianPackages(wish);
  if ("reason" in real)
    throw new Failure("upstream_unreachable", `Cannot run the bench: ${real.reason}`, {
      hint: "The bench needs apt and a package mirror once; afterwards its cache serves",
    });
  const { debs, distribution } = real.packages;
  const work = await mkdtemp(join(tmpdir(), "mintmark-bench-"));
  const key = await makeGpgKey();
  const repository = await repositoryOf(isStarter ? debs : [...debs, placeholderApt()], {
    distribution,
    key,
    suites: suitesOf[distribution],
  });
  const security = suitesOf[distribution][1];
  await repository.add([otherFix()], security);
  await repository.publish();
  const changing = debs.find(({ name }) => name === (isStarter ? "libssl3" : "zlib1g"))!;
  const recipe = join(work, "recipe");
  const config = join(work, "mintmark.yaml");
  const names = isStarter ? starterNames : ["diffutils", "findutils"];
  await writeRecipe({ recipe, names, distribution });
  await writeFile(config, configText(repository));
  let changes = 0;
  return {
    work,
    repository,
    names,
    allNames: isStarter ? wish : [...wish, "apt"],
    packageCount: debs.length + (isStarter ? 0 : 1),
    archiveBytes: await sizeOf(debs),
    recipe,
    config,
    changing,
    async change() {
      const version = `${changing.version}+bench${++changes}`;
      await repository.add([await changedDeb(changing, { version })], security);
      await repository.publish();
      return version;
    },
    async close() {
      await repository.close();
      await key.close();
      // Containers of buildah leave folders that only their owner's namespace may remove; root always may.
      await rm(work, { recursive: true, force: true });
    },
  };
}

/** A security suite, as every real image has one: the gate lets nothing pass for which no feed has content. */
const suitesOf = {
  "debian:12": ["bookworm", "bookworm-security"],
  "debian:13": ["trixie", "trixie-security"],
  "ubuntu:22.04": ["jammy", "jammy-security"],
  "ubuntu:24.04": ["noble", "noble-security"],
} as const;

/** A fix of a package that no image of the bench has. */
function otherFix(): Deb {
  return debWithChangelog({ name: "spare", version: "1.0" }, [{ version: "1.0", changes: ["First."] }]);
}

async function writeRecipe({
  recipe,
  names,
  distribution,
}: {
  readonly recipe: string;
  readonly names: readonly string[];
  readonly distribution: string;
}): Promise<void> {
  await mkdir(recipe, { recursive: true });
  const lines = [
    `name: ${imageName}`,
    "title: Bench",
    `distribution: ${distribution}`,
    "packages:",
    ...names.map((name) => `  - ${name}`),
  ];
  await writeFile(join(recipe, "image.yaml"), `${lines.join("\n")}\n`);
}

/** JSON is YAML, and needs no care for the line breaks of a key. */
function configText(repository: AptRepository): string {
  const apt = repository.suites.map((suite) => ({
    uri: repository.url,
    suite,
    components: ["main"],
    signedBy: repository.key.armoured,
  }));
  return JSON.stringify({ upstreams: { apt }, logLevel: "warn" });
}

async function sizeOf(debs: readonly DebFile[]): Promise<number> {
  const { stdout } = await run("stat", ["--format=%s", ...debs.map(({ path }) => path)]);
  return stdout.split("\n").reduce((sum, line) => sum + Number(line), 0);
}
