import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { plainEnvironment, run } from "../../base/child.ts";
import { nowMs } from "../../base/clock.ts";
import { Failure, messageOf, systemCodeOf } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { parseParagraph } from "../control-file.ts";
import { readTreeIndex } from "../trees/tree.ts";
import { addUsers, layFiles } from "./accounts.ts";
import { makeDatabase, registerInstalled, registerUnpacked, writeExtendedStates } from "./dpkg-database.ts";
import { Farm, parseDiversions, type Diversion, type FarmTree } from "./farm.ts";
import type { ChamberMessage, ChamberPackage, InstallJob } from "./job.ts";
import { followNoLinks, makeOverlay, mountOverlay, unmountOverlay, type Overlay } from "./mounts.ts";
import { isPlain } from "./plain-path.ts";
import { limitRooms, openRoom, scriptConfinement, type Room, type RoomResult } from "./room.ts";
import { cacheLibraries, repair } from "./runtime.ts";
import { scriptFailure } from "./script-failure.ts";

type Tell = (message: ChamberMessage) => void;

/**
 * Installs packages over their unpacked trees and leaves what that made in `upper.tar` of the work folder,
 * beside `placement.json`, which tells where files lie elsewhere than in their package's tree.
 *
 * Unpacking is linking; everything else dpkg does for real: each preinst runs before the files of its package
 * are visible, and dpkg configures, in an order of its own, with all triggers.
 *
 * @throws Failure `script_failed`, `unsatisfiable`, `sandbox_unavailable`
 */
export async function install(job: InstallJob, tell: Tell): Promise<void> {
  const overlay = makeOverlay(job.workFolder);
  const farm = new Farm(overlay.farm);
  const site = { job, overlay, farm, tell, environment: scriptEnvironment(job.epochSeconds) };
  await run("hostname", ["localhost"]);
  limitRooms();
  if (job.runtime !== undefined) await layRuntime(site);
  else if (job.kept === undefined) await installWaves(site);
  else await reinstall(site, job.kept);
  if (job.runtime === undefined)
    await inRoom(site, async (open) => {
      await audit(open);
      writeExtendedStates(overlay.root, job.automatic);
      finish(site);
    });
  else {
    await mountOverlay(overlay);
    await cacheLibraries(overlay.root, job.runtime);
    await followNoLinks(overlay);
    repair(overlay.root, job.runtime);
    finish(site);
    await unmountOverlay(overlay);
  }
  writeFileSync(join(job.workFolder, "placement.json"), JSON.stringify(farm.deviations));
  await archiveUpper(overlay);
  // Only from inside can all of it be removed, whoever runs the build.
  for (const folder of ["farm", "upper", "scratch"])
    rmSync(join(job.workFolder, folder), { recursive: true, force: true });
}

/** Lays what the recipe itself asks for. */
function finish({ job, overlay }: Site): void {
  addUsers(overlay.root, job.users, job.epochSeconds);
  layFiles(overlay.root, job.files);
  rmSync(join(overlay.root, policyPath), { force: true });
}

/** Mounts the system as it is now and works on it: its own programs in a room, ourselves without following its links. */
async function inRoom(site: Site, work: (open: OpenSite) => Promise<void>): Promise<void> {
  const { overlay } = site;
  await mountOverlay(overlay);
  {
    await using room = await openRoom(overlay.root, scriptConfinement);
    await followNoLinks(overlay);
    await work({ ...site, room }).catch((error: unknown) => {
      throw isLinkMet(error) ? leadsOut(error) : error;
    });
  }
  await unmountOverlay(overlay);
}

/** Node gives no code where its copying and removing meets one. */
function isLinkMet(error: unknown): boolean {
  return systemCodeOf(error) === "ELOOP" || messageOf(error).includes("Too many levels of symbolic links");
}

function leadsOut(cause: unknown): Failure {
  const path = cause instanceof Error && "path" in cause ? String(cause.path).replace(/^.*?\/root\//, "/") : "a folder";
  return new Failure("archive_hostile", `Cannot write "${path}" of the image: a package has put a link in its way`, {
    cause,
  });
}

interface Site {
  readonly job: InstallJob;
  readonly overlay: Overlay;
  readonly farm: Farm;
  readonly tell: Tell;
  readonly environment: Readonly<Record<string, string>>;
}

/** A site whose system is mounted, with the room that its programs run in. */
interface OpenSite extends Site {
  readonly room: Room;
}

/** What scripts see: nobody to ask, the lock's time, and no bytecode but what a package asks for. */
function scriptEnvironment(epochSeconds: number): Record<string, string> {
  return {
    ...plainEnvironment,
    HOME: "/root",
    LOGNAME: "root",
    USER: "root",
    SHELL: "/bin/sh",
    DEBIAN_FRONTEND: "noninteractive",
    DEBCONF_NONINTERACTIVE_SEEN: "true",
    SOURCE_DATE_EPOCH: String(epochSeconds),
    PYTHONHASHSEED: "0",
    PYTHONDONTWRITEBYTECODE: "1",
  };
}

const policyPath = "usr/sbin/policy-rc.d";

async function installWaves(site: Site): Promise<void> {
  const { job, overlay, farm } = site;
  const total = job.waves.reduce((sum, wave) => sum + wave.packages.length, 0);
  const counter = { configured: 0, total };
  for (const [at, wave] of job.waves.entries()) {
    const trees = await readTrees(wave.packages);
    if (wave.filesFirst) {
      for (const tree of trees) farm.add(tree, []);
      if (at === 0) prepareUpper(overlay);
    } else {
      if (trees.some(({ index }) => index.scripts.includes("preinst")))
        await inRoom(site, (open) => runPreinsts(open, trees));
      const diversions = readDiversions(overlay);
      for (const tree of trees) farm.add(tree, diversions);
    }
    await inRoom(site, async (open) => {
      if (wave.filesFirst) await runPreinsts(open, trees);
      registerUnpacked(overlay.root, trees);
      if (at === 0) seedAccounts(overlay.root);
      await configure(open, wave.configure, counter);
    });
  }
}

/** A runtime image keeps the records of its packages, so that every scanner sees them, and runs no script. */
async function layRuntime({ job, overlay, farm }: Site): Promise<void> {
  const trees = await readTrees(job.waves.flatMap(({ packages }) => packages));
  for (const tree of trees) farm.add(tree, []);
  linkMergedFolders(overlay);
  makeDatabase(overlay.upper);
  registerInstalled(overlay.upper, trees);
}

async function readTrees(packages: readonly ChamberPackage[]): Promise<FarmTree[]> {
  return Promise.all(
    packages.map(async ({ name, tree }) => {
      const index = await readTreeIndex(tree);
      if (index === undefined) throw new Failure("internal", `The tree of "${name}" is missing`);
      return { name, folder: tree, index };
    }),
  );
}

const mergedLinks = ["bin", "sbin", "lib", "lib64"];

/** What a bootstrap makes before the first script runs. */
function prepareUpper(overlay: Overlay): void {
  const { upper } = overlay;
  linkMergedFolders(overlay);
  makeDatabase(upper);
  forbidDaemons(upper);
}

/** Keeps scripts from starting services. Source: invoke-rc.d(8). */
function forbidDaemons(root: string): void {
  mkdirSync(join(root, "usr/sbin"), { recursive: true });
  writeFileSync(join(root, policyPath), "#!/bin/sh\nexit 101\n");
  chmodSync(join(root, policyPath), 0o755);
}

function linkMergedFolders({ upper, farm }: Overlay): void {
  for (const name of mergedLinks)
    if (!existsSync(join(farm, name)) && existsSync(join(farm, "usr", name)))
      symlinkSync(`usr/${name}`, join(upper, name));
}

/** The first accounts, where base-passwd's own preinst has not made them. */
function seedAccounts(root: string): void {
  for (const name of ["passwd", "group"]) {
    const master = join(root, "usr/share/base-passwd", `${name}.master`);
    if (!existsSync(join(root, "etc", name)) && existsSync(master))
      writeFileSync(join(root, "etc", name), readFileSync(master));
  }
}

function readDiversions({ upper }: Overlay): Diversion[] {
  const path = "var/lib/dpkg/diversions";
  return isPlain(upper, path) ? parseDiversions(readFileSync(join(upper, path), "utf8")) : [];
}

/** dpkg unpacks control files to `tmp.ci` and runs preinst from there. Source: Debian Policy 6.6. */
async function runPreinsts(site: OpenSite, trees: readonly FarmTree[]): Promise<void> {
  for (const tree of trees) {
    if (!tree.index.scripts.includes("preinst")) continue;
    const folder = join(site.overlay.root, "var/lib/dpkg/tmp.ci");
    rmSync(folder, { recursive: true, force: true });
    cpSync(join(tree.folder, "control"), folder, { recursive: true });
    writeFileSync(join(folder, "control"), tree.index.control);
    await runScript(site, tree, { path: "/var/lib/dpkg/tmp.ci/preinst", name: "preinst", args: ["install"] });
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Script {
  readonly path: string;
  readonly name: string;
  readonly args: readonly string[];
}

async function runScript(site: OpenSite, tree: FarmTree, script: Script): Promise<void> {
  const architecture = parseParagraph(tree.index.control).get("Architecture") ?? "all";
  const env = {
    ...site.environment,
    DPKG_MAINTSCRIPT_PACKAGE: tree.name,
    DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT: "1",
    DPKG_MAINTSCRIPT_ARCH: architecture,
    DPKG_MAINTSCRIPT_NAME: script.name,
    DPKG_ADMINDIR: "/var/lib/dpkg",
    DPKG_ROOT: "",
  };
  const result = await site.room.run({
    argv: [script.path, ...script.args],
    env,
    timeoutMs: limits.configureMs,
  });
  if (result.code === 0) return;
  const lines = [...result.stdout.split("\n"), ...result.stderr.split("\n")];
  throw scriptFailure(`${script.name} of "${tree.name}"`, ended(result), lines);
}

function ended({ code, isLate }: RoomResult): string {
  return isLate ? `it did not end within ${limits.configureMs / 60_000} minutes` : `it ended with ${code}`;
}

interface Counter {
  configured: number;
  readonly total: number;
}

async function configure(
  { environment, tell, room }: OpenSite,
  names: readonly string[] | "all",
  counter: Counter,
): Promise<void> {
  if (names.length === 0) return;
  const output: string[] = [];
  const onLine = (line: string): void => {
    output.push(line);
    tell({ kind: "log", line });
    const name = /^Setting up (\S+)/.exec(line)?.[1];
    if (name !== undefined) tell({ kind: "progress", done: ++counter.configured, total: counter.total, note: name });
  };
  const result = await room.run({
    argv: ["dpkg", "--configure", ...(names === "all" ? ["--pending"] : names)],
    env: environment,
    timeoutMs: limits.configureMs,
    onLine,
  });
  if (result.code === 0) return;
  const package_ = /error processing package (\S+)/.exec(output.join("\n"))?.[1];
  throw scriptFailure(
    package_ === undefined ? "dpkg --configure" : `the configuration of "${package_}"`,
    ended(result),
    output,
  );
}

/** An installed system has nothing half done. */
async function audit({ overlay, environment, room }: OpenSite): Promise<void> {
  if (!existsSync(join(overlay.root, "usr/bin/dpkg"))) return;
  const { stdout, code } = await room.run({ argv: ["dpkg", "--audit"], env: environment });
  if (code !== 0 || stdout.trim() !== "")
    throw scriptFailure("dpkg --audit", "packages are not wholly installed", stdout.split("\n"));
}

/**
 * Goes on from a configured system: the changed packages are taken out as for an upgrade, their new files
 * linked in, and installed as new. A clean build from the same lock tells whether that gave the same system.
 */
async function reinstall(site: Site, kept: NonNullable<InstallJob["kept"]>): Promise<void> {
  const { job, overlay, farm } = site;
  const { code, stderr } = await run("tar", [
    "--extract",
    "--file",
    kept.upperTar,
    "--directory",
    overlay.upper,
    "--xattrs",
    "--xattrs-include=*",
    "--numeric-owner",
    "--same-permissions",
  ]);
  if (code !== 0) throw new Failure("internal", `Cannot lay out the kept system: ${stderr.trim()}`);
  renewTimes(overlay.upper, kept.epochSeconds);
  const before = await readTrees(kept.replaced.map((pair) => pair.before));
  const after = await readTrees(kept.replaced.map((pair) => pair.after));
  const changed = new Set(after.map(({ name }) => name));
  const trees = await readTrees(job.waves.flatMap(({ packages }) => packages));
  const diversions = readDiversions(overlay);
  for (const tree of trees)
    farm.add(changed.has(tree.name) ? before.find(({ name }) => name === tree.name)! : tree, diversions);
  await inRoom(site, async (open) => {
    forbidDaemons(overlay.root);
    for (const [at, tree] of before.entries()) await runPrerm(open, tree, after[at]!);
    // As in an upgrade, the old files are there when the new preinst runs: it may need what it replaces.
    await runPreinsts(open, after);
  });
  for (const tree of before) farm.remove(tree);
  for (const tree of after) farm.add(tree, diversions);
  await inRoom(site, async (open) => {
    registerUnpacked(overlay.root, after);
    await configure(open, "all", { configured: 0, total: after.length });
  });
}

/** What the earlier build made counts as made now: its times were clamped then and will be clamped again. */
function renewTimes(folder: string, epochSeconds: number): void {
  const now = Math.floor(nowMs() / 1000);
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    if (lstatSync(path).mtimeMs > epochSeconds * 1000) lutimesSync(path, now, now);
  }
}

async function runPrerm(site: OpenSite, before: FarmTree, after: FarmTree): Promise<void> {
  if (!before.index.scripts.includes("prerm")) return;
  const fields = parseParagraph(before.index.control);
  const stem = fields.get("Multi-Arch") === "same" ? `${before.name}:${fields.get("Architecture")}` : before.name;
  const version = parseParagraph(after.index.control).get("Version") ?? "";
  await runScript(site, before, {
    path: `/var/lib/dpkg/info/${stem}.prerm`,
    name: "prerm",
    args: ["upgrade", version],
  });
}

/** GNU tar reads owners and attributes as they are inside; the outer program normalises its stream. */
async function archiveUpper({ workFolder, upper }: Overlay): Promise<void> {
  const args = [
    "--create",
    "--file",
    join(workFolder, "upper.tar"),
    "--directory",
    upper,
    "--format=pax",
    "--xattrs",
    "--xattrs-include=*",
    "--numeric-owner",
    "--sort=name",
    "--hard-dereference",
    ".",
  ];
  const { code, stderr } = await run("tar", args);
  if (code !== 0) throw new Failure("internal", `Cannot read the configured system: ${stderr.trim()}`);
}
