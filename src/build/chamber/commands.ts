import { lstatSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { tickMs } from "../../base/clock.ts";
import { plainEnvironment, run } from "../../base/child.ts";
import { unpackImage } from "../structure/unpack-image.ts";
import type { ChamberMessage, CommandJob, CommandRun } from "./job.ts";
import { makeOverlay, mountOverlay, unmountOverlay, type Overlay } from "./mounts.ts";
import { isPlain } from "./plain-path.ts";
import { engineCapabilities, faultOf, limitRooms, openRoom, type Confinement } from "./room.ts";

/**
 * Unpacks an image and runs commands in it, each run on a fresh overlay, each command in a room of its own.
 *
 * There is no network but the loopback, which is up. What a run's first commands write, its last one sees.
 *
 * @throws Failure `archive_hostile`, `sandbox_unavailable`
 */
export async function runCommands(job: CommandJob, tell: (message: ChamberMessage) => void): Promise<void> {
  const overlay = makeOverlay(job.workFolder);
  await unpackImage(job.layers, overlay.farm);
  // Where the machine has no `ip` the loopback stays down; few commands need it.
  await run("ip", ["link", "set", "lo", "up"]).catch(() => undefined);
  limitRooms();
  for (const [index, one] of job.runs.entries()) {
    rmSync(overlay.upper, { recursive: true, force: true });
    mkdirSync(overlay.upper, { mode: 0o755 });
    await mountOverlay(overlay);
    try {
      tell({ kind: "command", index, ...(await runOne(overlay, one, job.timeoutMs)) });
    } finally {
      await unmountOverlay(overlay);
    }
  }
}

type Outcome = Omit<Extract<ChamberMessage, { kind: "command" }>, "kind" | "index">;

/** A command is the first process of its pid namespace and of a session: what it signals are its own. */
async function runOne(overlay: Overlay, { commands, user, workdir }: CommandRun, timeoutMs: number): Promise<Outcome> {
  const account = accountOf(overlay.root, user);
  if (account === undefined)
    return { stdout: "", stderr: "", exitCode: -1, durationMs: 0, fault: `the image has no account "${user}"` };
  makeFolder(overlay.root, workdir);
  // Of nobody but root does an engine let a program hold any capability, until a set-user-id program makes it root.
  const confinement: Confinement = { ...account, capabilities: engineCapabilities, isFinal: false };
  let outcome: Outcome = { stdout: "", stderr: "", exitCode: 0, durationMs: 0 };
  for (const { argv, variables } of commands) {
    const env = { PATH: plainEnvironment["PATH"]!, HOME: account.home, HOSTNAME: "localhost", ...variables };
    const command = { argv, env, workdir, timeoutMs };
    await using room = await openRoom(overlay.root, confinement);
    const startedAt = tickMs();
    const result = await room.runLast(command);
    const { code, stdout, stderr, isLate } = result;
    outcome = { stdout, stderr, exitCode: code, durationMs: tickMs() - startedAt };
    const fault = faultOf(result, command);
    if (fault !== undefined) return { ...outcome, fault };
    if (isLate) return { ...outcome, fault: `it ran for over ${timeoutMs / 1000} s` };
  }
  return outcome;
}

interface Account {
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/** `name`, `uid`, and either with `:group`, as an image's configuration has it; undefined for an unknown name. */
function accountOf(root: string, user: string): Account | undefined {
  const [name = "", group] = (user === "" ? "0" : user).split(":");
  const known = records(root, "etc/passwd").find(([login, , uid]) => login === name || uid === name);
  if (known === undefined && !/^\d+$/.test(name)) return undefined;
  const groupRecord = records(root, "etc/group").find(([title, , gid]) => title === group || gid === group);
  if (group !== undefined && groupRecord === undefined && !/^\d+$/.test(group)) return undefined;
  const gid = group === undefined ? (known?.[3] ?? "0") : (groupRecord?.[2] ?? group);
  return { uid: Number(known?.[2] ?? name), gid: Number(gid), home: known?.[5] ?? "/" };
}

function records(root: string, path: string): string[][] {
  if (!isPlain(root, path)) return [];
  return readFileSync(join(root, path), "utf8")
    .split("\n")
    .map((line) => line.split(":"));
}

/** Makes the working folder where the image has none, as container engines do; never through a link. */
function makeFolder(root: string, path: string): void {
  const parts = path.split("/").filter((part) => part !== "");
  for (let at = 1; at <= parts.length; at++) {
    const folder = join(root, ...parts.slice(0, at));
    const found = lstatSync(folder, { throwIfNoEntry: false });
    if (found?.isDirectory() === true) continue;
    if (found !== undefined) return;
    mkdirSync(folder, { mode: 0o755 });
  }
}
