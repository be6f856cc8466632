import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { plainEnvironment, run } from "../../src/base/child.ts";
import { Failure } from "../../src/base/errors.ts";
import { type Contender, freePort, startMintmark, stopChild, untilReady } from "../registry/contenders.ts";
import { npmEnvironment } from "./upstream.ts";

/** A mirror that is measured: its npm repository is at `path`. */
export interface MirrorContender extends Contender {
  /** What stands before a package's path, without a slash at its end. */
  readonly path: string;
}

/** Serves our mirror from the bundle, with one npm repository that everybody may read. */
export async function startOurs(folder: string, upstream: string): Promise<MirrorContender> {
  const contender = await startMintmark(folder);
  const password = (await readFile(join(folder, "admin-password"), "utf8")).trim();
  const answer = await fetch(`${contender.url}/api/v1/mirrors`, {
    method: "POST",
    headers: {
      authorization: `Basic ${Buffer.from(`admin:${password}`).toString("base64")}`,
      "content-type": "application/json",
    },
    body: JSON.stringify({ name: "bench", format: "npm", kind: "proxy", upstream, isPublic: true }),
  });
  if (!answer.ok) throw new Failure("internal", `Cannot measure: the repository was refused: ${await answer.text()}`);
  return { ...contender, path: "/mirror/bench" };
}

const peerVersion = "6.10.4";
const peerCache = join(homedir(), ".cache", "mintmark-bench", `verdaccio-${peerVersion}`);

/** Serves Verdaccio, which is installed into a cache folder at the first time, with one uplink and its own defaults. */
export async function startVerdaccio(folder: string, upstream: string): Promise<MirrorContender> {
  const program = join(peerCache, "node_modules/verdaccio/bin/verdaccio");
  if (!existsSync(program)) await installPeer();
  await mkdir(folder, { recursive: true });
  const configPath = join(folder, "config.yaml");
  const everybody = { access: "$all", proxy: "up" };
  // YAML takes JSON as it is.
  await writeFile(
    configPath,
    JSON.stringify({
      storage: join(folder, "storage"),
      uplinks: { up: { url: upstream } },
      packages: { "@*/*": everybody, "**": everybody },
      log: { type: "stdout", format: "json", level: "error" },
    }),
  );
  const url = `http://127.0.0.1:${await freePort()}`;
  const args = [program, "--config", configPath, "--listen", url];
  const child = spawn(process.execPath, args, {
    cwd: folder,
    env: { ...plainEnvironment, HOME: folder },
    stdio: "ignore",
  });
  await untilReady(child, `${url}/-/ping`);
  return {
    name: "verdaccio",
    url,
    pid: child.pid!,
    folder,
    path: "",
    headers: async () => ({}),
    stop: async () => await stopChild(child),
  };
}

const setup = resolve(import.meta.dirname, "verdaccio.json");

async function installPeer(): Promise<void> {
  console.log("installing Verdaccio into the cache, about half a minute");
  await mkdir(peerCache, { recursive: true });
  await writeFile(join(peerCache, "package.json"), await readFile(setup, "utf8"));
  const { code, stderr } = await run("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts"], {
    cwd: peerCache,
    env: npmEnvironment(),
    timeoutMs: 300_000,
  });
  if (code !== 0)
    throw new Failure("program_missing", `Cannot measure Verdaccio: npm cannot install it: ${stderr.slice(-300)}`);
}
