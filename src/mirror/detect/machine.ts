import { readdir, readFile, realpath, stat } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { run } from "../../base/child.ts";
import { readZip } from "../../base/zip.ts";
import type { AptSuite } from "./system-clients.ts";
import type { NamedText } from "./npm-clients.ts";

/** Variables of the environment. */
export type Variables = Readonly<Record<string, string | undefined>>;

/** The machine whose clients are asked; a test gives one of its own. */
export interface Machine {
  /** The user's home. */
  readonly home: string;
  /** The project whose files count before the user's. */
  readonly folder: string;
  /** Where the system's files begin: `/` but in tests. */
  readonly root: string;
  readonly environment: Variables;
  /** The suites that apt reads. */
  aptSuites(folder: string): Promise<readonly AptSuite[]>;
}

/** Files are settings: what is larger is none. */
const fileBytes = 256 * 1024;

/** The files that are there, in the order given. */
export async function readFiles(paths: readonly string[]): Promise<NamedText[]> {
  const found: NamedText[] = [];
  for (const path of paths) {
    const facts = await stat(path).catch(() => undefined);
    if (facts?.isFile() !== true || facts.size > fileBytes) continue;
    const text = await readFile(path, "utf8").catch(() => undefined);
    if (text !== undefined) found.push({ path, text });
  }
  return found;
}

/** The paths of a folder's files whose names end so, sorted. */
export async function filesIn(folder: string, ending: RegExp): Promise<string[]> {
  const names = await readdir(folder).catch((): string[] => []);
  return names
    .filter((name) => ending.test(name))
    .toSorted()
    .map((name) => join(folder, name));
}

/** Where a program is; undefined where it is not installed. */
export async function findProgram(machine: Machine, name: string): Promise<string | undefined> {
  for (const folder of (machine.environment["PATH"] ?? "").split(delimiter)) {
    if (!folder.startsWith("/")) continue;
    const path = join(folder, name);
    const facts = await stat(path).catch(() => undefined);
    if (facts?.isFile() === true && (facts.mode & 0o111) !== 0) return path;
  }
  return undefined;
}

/** A program that does not answer in this time is not asked further. */
const answerMs = 15_000;

/** What a program printed; undefined where it is not there, fails or takes too long. */
export async function askProgram(
  machine: Machine,
  call: {
    readonly program: string;
    readonly args: readonly string[];
    readonly more?: Readonly<Record<string, string>>;
  },
): Promise<{ readonly stdout: string; readonly stderr: string; readonly code: number } | undefined> {
  const path = await findProgram(machine, call.program);
  if (path === undefined) return undefined;
  const own = Object.entries(machine.environment).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const env = { ...Object.fromEntries(own), HOME: machine.home, LC_ALL: "C.UTF-8", ...call.more };
  return await run(path, call.args, { env, cwd: machine.folder, timeoutMs: answerMs }).catch(() => undefined);
}

/** The POM that all others inherit, out of the archive of the installed Maven. */
export async function readSuperPom(program: string): Promise<NamedText | undefined> {
  const library = join(dirname(dirname(await realpath(program))), "lib");
  for (const path of await filesIn(library, /^maven-model-builder-.*\.jar$/)) {
    try {
      for await (const { name, bytes } of readZip(await realpath(path), jarBounds))
        if (/(?:^|\/)pom-4\.0\.0\.xml$/.test(name)) return { path, text: bytes.toString("utf8") };
    } catch {
      // A damaged or unusual archive says nothing.
    }
  }
  return undefined;
}

const jarBounds = { directoryBytes: 4 * 1024 * 1024, entryBytes: 8 * 1024 * 1024, totalBytes: 64 * 1024 * 1024 };
