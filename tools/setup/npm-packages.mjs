import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { SetupError } from "./setup-error.mjs";

/** True where node_modules holds exactly what the lock file says, as far as our stamp tells; costs 1 ms. */
export function npmPackagesReady(root) {
  return existsSync(pinnedNode(root)) && stampOf(root) === readText(stampPath(root));
}

/** The Node that package.json pins, installed as an npm package. */
export function pinnedNode(root) {
  return join(root, "node_modules/node/bin/node");
}

/**
 * Installs the npm packages of the lock file and proves that the pinned Node runs.
 *
 * Not `npm ci`: that refuses a lock without the programs of every other platform, and a registry that carries only
 * some platforms cannot make a complete one. `--no-save` takes the locked versions and checks their hashes all the
 * same, never writes the lock, and does not pull node_modules away from a server that runs from it.
 */
export function installNpmPackages(root, say) {
  const startedAt = Date.now();
  say("installing the npm packages of package-lock.json, about half a minute");
  const environment = plainEnvironment(root);
  const unfinished = join(root, ".cache/npm-unfinished");
  // npm trusts what lies in node_modules; after a kill in the middle that may be half a package.
  if (existsSync(unfinished)) rmSync(join(root, "node_modules"), { recursive: true, force: true });
  writeFileSync(unfinished, "");
  let result;
  // Two tries: the usual failure is a network that hiccups.
  for (let left = 2; left > 0; left--) {
    result = runNpm(root, environment);
    if (result.status === 0) break;
    if (left > 1) say("npm failed; trying once more");
  }
  if (result.error !== undefined || result.status !== 0)
    throw new SetupError(
      `npm install failed: ${result.error?.message ?? `exit code ${result.status ?? result.signal}`}`,
      ["Its own message is above. Most often the npm registry cannot be reached: try `npm ping`."],
    );
  ensurePinnedNode(root, environment, say);
  writeFileSync(stampPath(root), stampOf(root));
  rmSync(unfinished);
  say(`npm packages are in place (${Math.round((Date.now() - startedAt) / 1000)} s)`);
}

/** npm may have been told not to run install scripts; the pinned Node comes by one, so it is run by hand. */
function ensurePinnedNode(root, environment, say) {
  if (runs(pinnedNode(root))) return;
  say("npm did not run the install script of the package `node`; running it");
  const folder = join(root, "node_modules/node");
  spawnSync("node", ["installArchSpecificPackage"], {
    cwd: folder,
    // In this folder npm must not see the project around it, and may run this package's own script.
    env: { ...environment, npm_config_ignore_scripts: "false" },
    stdio: ["ignore", 2, 2],
  });
  if (runs(pinnedNode(root))) return;
  throw new SetupError("the pinned Node does not run: node_modules/node/bin/node", [
    "It comes as the npm package `node`, whose install script fetches the program for this machine.",
    "Allow that script (npm config set ignore-scripts false), remove node_modules and run this again.",
  ]);
}

function runs(program) {
  const answer = spawnSync(program, ["--version"], { encoding: "utf8" });
  return answer.status === 0 && answer.stdout.startsWith("v24.");
}

/** npm by the machine's own Node: the one in node_modules may be replaced while it runs. */
function runNpm(cwd, env) {
  const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
  return spawnSync("npm", ["install", "--no-save", "--include=dev", ...quiet], { cwd, env, stdio: ["ignore", 2, 2] });
}

function plainEnvironment(root) {
  const inside = join(root, "node_modules");
  const path = (process.env.PATH ?? "").split(delimiter).filter((folder) => !folder.startsWith(inside));
  // `npm start` hands its own settings down; those of the running script would confuse the npm below it.
  const ofScript = /^npm_(?:lifecycle|package|command|execpath|node_execpath|config_argv|config_dry_run)/;
  const kept = Object.entries(process.env).filter(([name]) => name !== "NODE_OPTIONS" && !ofScript.test(name));
  return { ...Object.fromEntries(kept), PATH: path.join(delimiter), NODE_ENV: "development" };
}

function stampPath(root) {
  return join(root, "node_modules/.mintmark-stamp");
}

function stampOf(root) {
  const lock = createHash("sha256")
    .update(readText(join(root, "package-lock.json")))
    .digest("hex");
  return `${lock} ${process.platform} ${process.arch}\n`;
}

function readText(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
