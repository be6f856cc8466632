import { strict as assert } from "node:assert";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmod, cp, mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "../../src/base/child.ts";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** The program as a user starts it. */
export const mintmarkPath = join(root, "bin/mintmark");

/** What the machine's tests run in, without the machine's tongue: proxies and home stay. */
export const machineEnvironment: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  ),
  LC_ALL: "C.UTF-8",
  NO_COLOR: "1",
};

/** `mintmark up` as a child, with the starter image minted and its summary printed. */
export interface StarterFactory {
  /** Holds everything of the test; other users may pass through it, not read it. */
  readonly folder: string;
  readonly dataDir: string;
  /** The copy of recipes/base, with the lock that the image was made from. */
  readonly recipe: string;
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** `REPOSITORY`, and the digest that Mintmark told. */
  readonly repository: string;
  readonly digest: string;
  /** Words of the line that the summary shows for a program, such as `podman`, without the program. */
  line(program: string): string[];
  /** Runs another command of ours on the same data folder. */
  mintmark(args: readonly string[]): ReturnType<typeof run>;
  /** Asks it to stop as Ctrl-C does, waits for its end, and returns the exit code. */
  stop(): Promise<number>;
  close(): Promise<void>;
}

/** Starts `mintmark up` on a copy of recipes/base and waits until it serves the image. */
export async function startStarter(): Promise<StarterFactory> {
  const folder = await mkdtemp(join(tmpdir(), "mintmark-starter-"));
  await chmod(folder, 0o711);
  const dataDir = join(folder, "data");
  const recipe = join(folder, "recipes/base");
  await cp(join(root, "recipes/base"), recipe, { recursive: true });
  const child = spawn(mintmarkPath, ["up", "--data", dataDir, "--listen", "127.0.0.1:0", "--recipe", recipe], {
    env: machineEnvironment,
    stdio: ["ignore", "pipe", "pipe"],
  });
  try {
    const text = await outputUntilReady(child);
    const url = found(/^Mintmark listens on (http:\S+), data in/m, text);
    return {
      folder,
      dataDir,
      recipe,
      url,
      host: new URL(url).host,
      repository: found(/^image +([^:\s]+):/m, text),
      digest: found(/^digest +(sha256:[0-9a-f]{64})$/m, text),
      line: (program) => found(new RegExp(`^  ${program} (.+)$`, "m"), text).split(" "),
      mintmark: (args) =>
        run(mintmarkPath, [...args, "--data", dataDir], { env: machineEnvironment, timeoutMs: 120_000 }),
      stop: () => stopChild(child),
      async close() {
        await stopChild(child);
        await rm(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await stopChild(child);
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

async function outputUntilReady(child: ChildProcess): Promise<string> {
  let text = "";
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  for (const stream of [child.stdout!, child.stderr!])
    stream.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
      if (/^Ready\./m.test(text)) resolve(text);
      else if (/^Serving nevertheless\./m.test(text)) reject(new Error(`the starter image was not minted:\n${text}`));
    });
  child.on("error", reject);
  child.on("exit", (code) => reject(new Error(`mintmark up ended with ${code}:\n${text}`)));
  const timer = setTimeout(() => reject(new Error(`mintmark up was not ready in time:\n${text}`)), 15 * 60_000);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

async function stopChild(child: ChildProcess): Promise<number> {
  if (child.exitCode === null && child.signalCode === null) {
    const ended = once(child, "exit");
    child.kill("SIGINT");
    await ended;
  }
  return child.exitCode ?? -1;
}

function found(pattern: RegExp, text: string): string {
  const match = pattern.exec(text);
  assert.ok(match?.[1] !== undefined, `nothing like ${pattern} in:\n${text}`);
  return match[1];
}

/** The lock beside a recipe, as text. */
export async function lockText(recipe: string): Promise<string> {
  const name = (await readdir(recipe)).find((file) => /^lock\..*\.json$/.test(file));
  assert.ok(name !== undefined, "the build left no lock beside the recipe");
  return readFile(join(recipe, name), "utf8");
}

const programFolders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"];

/** Why a test cannot run, or undefined where all the programs are there. */
export async function missingReason(programs: readonly string[]): Promise<string | undefined> {
  const present = new Set((await Promise.all(programFolders.map((path) => readdir(path).catch(() => [])))).flat());
  const missing = programs.filter((program) => !present.has(program));
  return missing.length === 0 ? undefined : `missing: ${missing.join(", ")}`;
}
