// Sets up what is missing, then does what was asked for. Plain JavaScript without packages, for any Node from 18 on:
// it runs before anything is installed, and hands over to the Node that package.json pins.
//
//   node tools/start.mjs up …        npm start    the server, which first mints the starter image
//   node tools/start.mjs --test …    npm test     every check and test, or the test files that match a pattern
//   node tools/start.mjs --check …   npm run check
//   node tools/start.mjs --bench …   npm run bench
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { installNpmPackages, npmPackagesReady, pinnedNode } from "./setup/npm-packages.mjs";
import { SetupError } from "./setup/setup-error.mjs";
import { withSetupLock } from "./setup/setup-lock.mjs";
import { installSystemPackages, missingPackages } from "./setup/system-packages.mjs";

/** What each wish runs, and which system packages it needs. */
const wishes = {
  "--test": { script: "tools/test.ts", purposes: ["up", "test"] },
  "--check": { script: "tools/check.ts", purposes: [] },
  "--torture": { script: "tests/torture/main.ts", purposes: [] },
  "--bench": { script: "bench/bench.ts", purposes: ["up", "test", "bench"] },
};

const root = dirname(dirname(fileURLToPath(import.meta.url)));

try {
  const [first, ...rest] = process.argv.slice(2);
  const wish = wishes[first];
  await setUp(wish === undefined ? ["up"] : wish.purposes);
  const script = wish?.script ?? "src/cli/main.ts";
  if (!existsSync(join(root, script))) throw new SetupError(`there is no ${script} in this checkout`, []);
  const words = wish === undefined && first !== undefined ? [first, ...rest] : rest;
  const isProgram = wish === undefined;
  await handOver(isProgram ? bundled(script) : script, words);
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`[setup] cannot go on: ${error.message}`);
  for (const hint of error.hints) console.error(`[setup] ${hint}`);
  process.exitCode = 6;
}

/** Installs npm and system packages where they are missing; costs a few milliseconds where nothing is. */
async function setUp(purposes) {
  if (Number(process.versions.node.split(".")[0]) < 18)
    throw new SetupError(`Node ${process.versions.node} is too old to set up with`, [
      "Any Node from 18 on will do; the right one is then installed here.",
    ]);
  if (npmPackagesReady(root) && missingPackages(purposes).length === 0) return;
  await withSetupLock(join(root, ".cache/setup.lock"), say, async () => {
    if (!npmPackagesReady(root)) installNpmPackages(root, say);
    const missing = missingPackages(purposes);
    if (missing.length > 0) installSystemPackages(missing, say);
  });
}

/** The program as a bundle, made anew where the source is newer; the source itself where it cannot be made. */
function bundled(script) {
  const bundle = ".cache/bundle/cli.js";
  if (isNewer(join(root, "src"), statSync(join(root, bundle), { throwIfNoEntry: false })?.mtimeMs ?? 0)) {
    const { status } = spawnSync(
      pinnedNode(root),
      ["--disable-warning=ExperimentalWarning", join(root, "tools/bundle.ts")],
      { stdio: "inherit" },
    );
    if (status !== 0) {
      say("cannot make the bundle; running from source");
      return script;
    }
  }
  return bundle;
}

function isNewer(folder, thanMs) {
  return readdirSync(folder, { withFileTypes: true, recursive: true }).some(
    (entry) => entry.isFile() && statSync(join(entry.parentPath ?? entry.path, entry.name)).mtimeMs > thanMs,
  );
}

function say(line) {
  console.error(`[setup] ${line}`);
}

/** Runs a script on the pinned Node as if it were this process: same input and output, signals and exit code. */
function handOver(script, words) {
  const child = spawn(
    pinnedNode(root),
    ["--max-semi-space-size=1", "--disable-warning=ExperimentalWarning", join(root, script), ...words],
    {
      // The command line works on the folder of the one who called it; the project's own scripts on the checkout.
      cwd: script.startsWith("src/") || script.startsWith(".cache/") ? process.cwd() : root,
      stdio: "inherit",
      env: {
        ...process.env,
        PATH: [join(root, "node_modules/.bin"), process.env.PATH ?? ""].join(delimiter),
        NODE_COMPILE_CACHE: join(root, "node_modules/.cache/compile"),
        NODE_USE_SYSTEM_CA: process.env.NODE_USE_SYSTEM_CA ?? "1",
      },
    },
  );
  const handlers = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR2"].map((signal) => {
    // A terminal sends its signals to the whole group: the child has this one already, and twice means "at once".
    const fromTerminal = signal !== "SIGTERM" && signal !== "SIGUSR2" && process.stdin.isTTY === true;
    const handler = () => fromTerminal || child.kill(signal);
    process.on(signal, handler);
    return [signal, handler];
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      for (const [name, handler] of handlers) process.off(name, handler);
      // Ends by the same signal, so that a shell or a supervisor sees what really happened.
      if (signal !== null) process.kill(process.pid, signal);
      process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0);
      resolve();
    });
  });
}
