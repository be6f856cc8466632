import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { Failure, messageOf, systemCodeOf } from "../base/errors.ts";
import { writeFileAtomic } from "../base/files.ts";
import { sha256Hex } from "../base/hash.ts";
import { mergedSettings } from "./merged-settings.ts";

/** A file that points a client somewhere. */
export interface PlannedFile {
  /** A path that begins with `~/` is below the user's home. */
  readonly path: string;
  readonly content: string;
  /** Whether it takes the place of the file; otherwise its settings are put among those that are there, where the kind of file allows it. */
  readonly isWhole: boolean;
  /** Whether a person has to fill something in first. */
  readonly isTemplate?: boolean;
}

/** What was done with a file. */
export interface InstallStep {
  readonly path: string;
  readonly state: "written" | "changed" | "replaced" | "as wanted" | "put back" | "removed" | "changed since";
  /** Where what was there is. */
  readonly backup?: string;
}

interface Places {
  readonly home: string;
  /** What was installed, to be undone. */
  readonly stateFile: string;
}

interface Installed {
  readonly path: string;
  readonly client: string;
  /** Of what was written: a file that is another since is let be. */
  readonly sha256: string;
  /** Undefined where there was no file. */
  readonly backup: string | undefined;
}

const backupEnd = ".before-mintmark";

/** Writes files for a client: what is there is copied aside first, once. Done again, it changes nothing. */
export async function installFiles(
  places: Places,
  client: string,
  files: readonly PlannedFile[],
): Promise<InstallStep[]> {
  const steps: InstallStep[] = [];
  for (const file of files) {
    const path = file.path.startsWith("~/") ? join(places.home, file.path.slice(2)) : file.path;
    const before = await readIfThere(path);
    const content =
      before === undefined || file.isWhole
        ? file.content
        : (mergedSettings(path, before, file.content) ?? file.content);
    if (before === content) {
      steps.push({ path, state: "as wanted" });
      continue;
    }
    const state = await readState(places);
    const known = state.find((one) => one.path === path);
    const isOurs = known !== undefined && before !== undefined && sha256Hex(before) === known.sha256;
    const backup = isOurs ? known.backup : before === undefined ? undefined : `${path}${backupEnd}`;
    const mode = 0o600;
    if (before !== undefined && !isOurs) await write(backup!, before, mode);
    // Written down first: a file without a note could not be undone.
    const others = state.filter((one) => one.path !== path);
    await writeState(places, [...others, { path, client, sha256: sha256Hex(content), backup }]);
    await write(path, content, path.startsWith("/etc/") ? 0o644 : mode);
    const isMerged = !file.isWhole && before !== undefined && content !== file.content;
    steps.push({
      path,
      state: before === undefined ? "written" : isMerged || file.isWhole ? "changed" : "replaced",
      ...(backup === undefined ? {} : { backup }),
    });
  }
  return steps;
}

/** Puts back what was there before {@link installFiles}, for one client or all; files that were changed since are let be. */
export async function undoInstalled(places: Places, client: string | undefined): Promise<InstallStep[]> {
  const steps: InstallStep[] = [];
  for (const one of await readState(places)) {
    if (client !== undefined && one.client !== client) continue;
    const { path, backup } = one;
    const now = await readIfThere(path);
    const isOurs = now !== undefined && sha256Hex(now) === one.sha256;
    if (now !== undefined && !isOurs) {
      steps.push({ path, state: "changed since", ...(backup === undefined ? {} : { backup }) });
      continue;
    }
    const old = backup === undefined ? undefined : await readIfThere(backup);
    if (old !== undefined) await write(path, old, path.startsWith("/etc/") ? 0o644 : 0o600);
    else await rm(path, { force: true });
    if (backup !== undefined) await rm(backup, { force: true });
    await writeState(
      places,
      (await readState(places)).filter((other) => other.path !== path),
    );
    steps.push({ path, state: old === undefined ? "removed" : "put back" });
  }
  return steps;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT") return undefined;
    throw new Failure("forbidden", `Cannot read "${path}": ${messageOf(error)}`);
  }
}

async function write(path: string, content: string, mode: number): Promise<void> {
  await writeFileAtomic(path, content, mode).catch((error: unknown) => {
    const hint = path.startsWith("/etc/") ? { hint: "Run the command as root" } : {};
    throw new Failure("forbidden", `Cannot write "${path}": ${messageOf(error)}`, hint);
  });
}

async function readState({ stateFile }: Places): Promise<Installed[]> {
  const text = await readIfThere(stateFile);
  if (text === undefined) return [];
  try {
    return (JSON.parse(text) as { readonly files: Installed[] }).files;
  } catch {
    throw new Failure("conflict", `Cannot tell what was installed before: "${stateFile}" is not JSON`, {
      hint: `Files that were there are beside those that are there now, with ${backupEnd} at their end`,
    });
  }
}

async function writeState({ stateFile }: Places, files: readonly Installed[]): Promise<void> {
  await writeFileAtomic(stateFile, `${JSON.stringify({ files }, null, 2)}\n`, 0o600);
}
