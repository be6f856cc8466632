import { strict as assert } from "node:assert";
import { existsSync } from "node:fs";
import { chmod, copyFile, cp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../../src/base/child.ts";
import { lockText, machineEnvironment, mintmarkPath, type StarterFactory } from "./starter-factory.ts";

/** A second place to build the starter image: another data folder, another copy of the recipe with its lock. */
export interface Elsewhere {
  readonly folder: string;
  readonly dataDir: string;
  readonly recipe: string;
}

/**
 * Prepares another place that has what the lock names and nothing else: no layer, no tree, no record of a build.
 */
export async function prepareElsewhere(starter: StarterFactory, name: string): Promise<Elsewhere> {
  const folder = join(starter.folder, name);
  const place = { folder, dataDir: join(folder, "data"), recipe: join(folder, "golden") };
  await mkdir(place.dataDir, { recursive: true });
  await chmod(place.dataDir, 0o700);
  await cp(starter.recipe, place.recipe, { recursive: true });
  for (const [hex = ""] of (await lockText(starter.recipe)).matchAll(/\b[0-9a-f]{64}\b/g)) {
    const path = join("blobs/sha256", hex.slice(0, 2), hex);
    if (!existsSync(join(starter.dataDir, path))) continue;
    await mkdir(join(place.dataDir, path, ".."), { recursive: true });
    await copyFile(join(starter.dataDir, path), join(place.dataDir, path));
  }
  return place;
}

/** Everything about a process that must not show in an image. */
const otherSurroundings = { TZ: "Pacific/Auckland", LC_ALL: "tr_TR.UTF-8", LANG: "tr_TR.UTF-8", HOSTNAME: "elsewhere" };

/** Builds there with other time zone, locale and umask, through a program that changes the rest; gives the digest. */
export async function buildElsewhere(
  place: Elsewhere,
  { through = [], flags = [] }: { readonly through?: readonly string[]; readonly flags?: readonly string[] },
): Promise<string> {
  const build = [mintmarkPath, "build", place.recipe, "--data", place.dataDir, "--json", "--quiet", ...flags];
  const [program = "", ...args] = [...through, "sh", "-c", 'umask 077; exec "$0" "$@"', ...build];
  const env = { ...machineEnvironment, ...otherSurroundings, HOME: place.folder };
  const result = await run(program, args, { env, cwd: place.folder, timeoutMs: 15 * 60_000 });
  assert.equal(result.code, 0, result.stdout + result.stderr);
  return (JSON.parse(result.stdout) as { digest: string }).digest;
}

/** Makes an ordinary user with subordinate ids, who owns the place, and returns how to become one and how to end it. */
export async function ordinaryUser(
  place: Elsewhere,
): Promise<{ readonly become: readonly string[]; remove(): Promise<void> }> {
  const name = `mintmark-test-${process.pid}`;
  await succeed("useradd", ["--no-create-home", "--home-dir", place.folder, "--shell", "/bin/sh", name]);
  await succeed("chown", ["-R", `${name}:`, place.folder]);
  return {
    become: ["setpriv", `--reuid=${name}`, `--regid=${name}`, "--init-groups"],
    remove: () => succeed("userdel", [name]),
  };
}

async function succeed(program: string, args: readonly string[]): Promise<void> {
  const { code, stderr } = await run(program, args);
  assert.equal(code, 0, stderr);
}

/** Gives the place advisories that no network is needed for: a feed with one record, about nothing in the image. */
export async function importAdvisories(place: Elsewhere): Promise<void> {
  const folder = join(place.folder, "advisories");
  await mkdir(folder);
  const affected = (await ecosystems(place)).map((ecosystem) => ({
    package: { ecosystem, name: "mintmark-test-absent" },
    ranges: [{ type: "ECOSYSTEM", events: [{ introduced: "0" }, { fixed: "1.0" }] }],
  }));
  const record = { schema_version: "1.7.0", id: "MINTMARK-TEST-1", modified: "2026-01-02T03:04:05Z", affected };
  await writeFile(join(folder, "MINTMARK-TEST-1.json"), JSON.stringify(record));
  const args = ["advisories", "import", folder, "--data", place.dataDir];
  const { code, stderr } = await run(mintmarkPath, args, { env: machineEnvironment, timeoutMs: 60_000 });
  assert.equal(code, 0, stderr);
}

async function ecosystems({ recipe }: Elsewhere): Promise<string[]> {
  const { distribution } = JSON.parse(await lockText(recipe)) as { distribution: { id: string; version: string } };
  const { id, version } = distribution;
  return id === "ubuntu" ? [`Ubuntu:${version}`, `Ubuntu:${version}:LTS`] : [`Debian:${version}`];
}
