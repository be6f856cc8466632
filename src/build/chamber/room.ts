import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import type { Readable } from "node:stream";
import { join } from "node:path";
import { plainEnvironment, run } from "../../base/child.ts";
import { Failure } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { kernelDoors, limitProcesses } from "./private-root.ts";

/** Who the programs in a room are, and what they may do. */
export interface Confinement {
  readonly uid: number;
  readonly gid: number;
  /** The most that a program can come to hold, by their names without `cap_`. */
  readonly capabilities: readonly string[];
  /** Whether a set-user-id program gives nothing. */
  readonly isFinal: boolean;
}

/** What a container engine leaves a program by default: root's of these, whoever uses a set-user-id program. */
export const engineCapabilities: readonly string[] = [
  "audit_write",
  "chown",
  "dac_override",
  "fowner",
  "fsetid",
  "kill",
  "mknod",
  "net_bind_service",
  "net_raw",
  "setfcap",
  "setgid",
  "setpcap",
  "setuid",
  "sys_chroot",
];

/** Maintainer scripts give files their owners, become other users and ask nothing of a network. */
export const scriptConfinement: Confinement = {
  uid: 0,
  gid: 0,
  capabilities: engineCapabilities.filter((name) => !name.startsWith("net_")),
  isFinal: true,
};

/** What is run in a room. */
export interface RoomCommand {
  readonly argv: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** In the room; `/` where left out. */
  readonly workdir?: string | undefined;
  /** Ends the command, and all that is in the room, after this many milliseconds. */
  readonly timeoutMs?: number;
  /** Called for each line of both outputs as it comes. */
  readonly onLine?: (line: string) => void;
}

/** What a command in a room came to; 128 + signal number where a signal ended it. */
export interface RoomResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Whether it was ended because its time was over. */
  readonly isLate: boolean;
}

/** A mounted system that programs run in and cannot leave. */
export interface Room extends AsyncDisposable {
  /** Runs a command to its end, beside what earlier ones may have left running. */
  run(command: RoomCommand): Promise<RoomResult>;
  /** Runs a command as the room's first process; the room ends with it. */
  runLast(command: RoomCommand): Promise<RoomResult>;
}

/** Where the machine's root lies for a moment between two calls of the kernel, below the room's own /dev. */
const oldRoot = "dev/.machine";

/** What is mounted over the doors to the kernel in the room's /proc, likewise for a moment. */
const doorTable = "dev/.doors";

/** What our shell is called where it complains itself. */
const shellName = "mintmark-room";

/** Our shell's variable for what cannot stand in a line. */
const lineBreak = "mintmark_newline";

/** What ended by SIGKILL has come to. */
const killedCode = 128 + 9;

/** How `unshare` of util-linux 2.38 says that its child has ended by SIGKILL: it wants to end so itself, and cannot. */
const unshareKilled = "unshare: sigprocmask unblock failed: Invalid argument\n";

const loop = `${lineBreak}='\n'\nwhile IFS= read -r mintmark_line; do eval "$mintmark_line"; done`;

/** No program of an image may make namespaces, in which it would be root of more. Call it once, before the first room. */
export function limitRooms(): void {
  limitProcesses();
  writeFileSync("/proc/sys/user/max_user_namespaces", "0");
}

/**
 * Opens a room on a mounted system: a pid namespace and a mount namespace whose root is that system.
 *
 * A shell of the machine is started in them, without the capabilities that nobody in there needs. Then the root is
 * changed under it and the machine's unmounted, so that there is nothing to go back to: neither a path nor an open
 * file nor another process leads out. What the shell starts afterwards are programs of that system.
 *
 * Source: pivot_root(2), which moves every process whose root was the old one; capabilities(7).
 *
 * @throws Failure `sandbox_unavailable`
 */
export async function openRoom(root: string, confinement: Confinement): Promise<Room> {
  const { uid, gid, capabilities, isFinal } = confinement;
  mkdirSync(join(root, oldRoot));
  const fresh = ["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"];
  const ids = uid === 0 && gid === 0 ? ["--clear-groups"] : [`--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"];
  const bound = ["-all", ...capabilities.map((name) => `+${name}`)].join(",");
  const place = ["--", "setsid", "setpriv", ...ids, "--inh-caps=-all", `--bounding-set=${bound}`];
  const shell = [...(isFinal ? ["--no-new-privs"] : []), "sh", "-c", loop, shellName];
  const child = spawn("unshare", [...fresh, `--mount-proc=${join(root, "proc")}`, ...place, ...shell], {
    // It must be the root to be moved with it.
    cwd: "/",
    env: plainEnvironment,
    stdio: ["pipe", "pipe", "pipe"],
  });
  const room = new ShellRoom(child);
  try {
    await room.isReady();
    await closeBehind(child.pid!, root);
  } catch (error) {
    await room[Symbol.asyncDispose]();
    throw error;
  }
  return room;
}

/** Takes the machine away from the namespace of a process that has the room's. */
async function closeBehind(pid: number, root: string): Promise<void> {
  const namespace = `--mount=/proc/${pid}/ns/mnt`;
  const doors = join(root, doorTable);
  writeFileSync(doors, kernelDoors.map((name) => doorLine(join(root, "proc"), name)).join(""));
  const script = `cd "$1" && mount --all --fstab ${doorTable} && pivot_root . ${oldRoot}`;
  await must(["nsenter", namespace, "--", "sh", "-c", script, "sh", root]);
  rmSync(doors);
  // Our own root holds the program; the path leads through the process to what it sees.
  const old = join(`/proc/${pid}/root`, oldRoot);
  await must(["nsenter", namespace, "--root=/", "--", "umount", "--lazy", "--no-canonicalize", old]);
  rmdirSync(join(root, oldRoot));
}

/** Source: fstab(5), where some characters of a path are octal. */
function doorLine(proc: string, name: string): string {
  const found = statSync(join("/proc", name), { throwIfNoEntry: false });
  if (found === undefined) return "";
  const target = join(proc, name).replaceAll(
    /[\s\\#]/g,
    (one) => `\\${one.charCodeAt(0).toString(8).padStart(3, "0")}`,
  );
  return found.isDirectory() ? `${target} ${target} none bind,ro\n` : `/dev/null ${target} none bind\n`;
}

async function must([program = "", ...args]: readonly string[]): Promise<void> {
  const { code, stderr } = await run(program, args);
  if (code !== 0) throw unavailable(stderr.trim());
}

function unavailable(state: string): Failure {
  return new Failure("sandbox_unavailable", `Cannot give the image's programs a root of their own: ${state}`, {
    hint: "Run `mintmark doctor`; it tries each namespace and says how to allow it",
  });
}

class ShellRoom implements Room {
  readonly #child: ChildProcess;
  readonly #ended: Promise<number>;
  /** Ends the output of a command; nobody inside can know it before the first command runs. */
  readonly #mark = randomBytes(12).toString("hex");
  readonly #outputs: readonly Output[];

  constructor(child: ChildProcess) {
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once("close", (code, signal) => resolve(code ?? 128 + (signal === "SIGKILL" ? 9 : 15)));
      child.once("error", () => resolve(127));
    });
    child.stdin!.on("error", () => undefined);
    this.#outputs = [new Output(child.stdout!), new Output(child.stderr!)];
  }

  /** @throws Failure `sandbox_unavailable` */
  async isReady(): Promise<void> {
    const { code, stderr } = await this.#carryOut(":", {});
    if (code !== 0) throw unavailable(stderr.trim());
  }

  async run({ argv, env, workdir, ...rest }: RoomCommand): Promise<RoomResult> {
    return await this.#carryOut(`( ${start({ argv, env, workdir })} )`, rest);
  }

  async runLast({ argv, env, workdir, ...rest }: RoomCommand): Promise<RoomResult> {
    const result = this.#collect(rest, undefined);
    this.#child.stdin!.end(`${start({ argv, env, workdir })}\n`);
    return await result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end();
    await this.#ended;
  }

  /** Ends the room's first process and with it all others; `unshare` ends when nothing of the room is left. */
  #end(): void {
    const { pid, exitCode, signalCode } = this.#child;
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    const first = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim());
    if (first > 0) process.kill(first, "SIGKILL");
    else this.#child.kill("SIGKILL");
  }

  async #carryOut(code: string, how: Pick<RoomCommand, "timeoutMs" | "onLine">): Promise<RoomResult> {
    const result = this.#collect(how, this.#mark);
    this.#child.stdin!.write(`${code}; echo "${this.#mark} $?"; echo ${this.#mark} >&2\n`);
    return await result;
  }

  async #collect(
    { timeoutMs, onLine }: Pick<RoomCommand, "timeoutMs" | "onLine">,
    mark: string | undefined,
  ): Promise<RoomResult> {
    let isLate = false;
    const stop = (): void => {
      isLate = true;
      this.#end();
    };
    const timer = timeoutMs === undefined ? undefined : setTimeout(stop, timeoutMs);
    try {
      const [stdout = "", stderr = ""] = await Promise.all(this.#outputs.map((output) => output.until(mark, onLine)));
      const [text, told] = mark === undefined ? [stdout] : cut(stdout, mark);
      const code = told === undefined ? await this.#ended : Number(told);
      const complaint = mark === undefined ? stderr : cut(stderr, mark)[0];
      const isKilled = isLate || (told === undefined && code === 1 && complaint.endsWith(unshareKilled));
      return {
        code: isKilled ? killedCode : code,
        stdout: text,
        stderr: isKilled && complaint.endsWith(unshareKilled) ? complaint.slice(0, -unshareKilled.length) : complaint,
        isLate,
      };
    } finally {
      clearTimeout(timer);
    }
  }
}

/** What comes before a mark, and what stands after it in its line; undefined where there is none. */
function cut(text: string, mark: string): [string, string | undefined] {
  const at = text.lastIndexOf(mark);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + mark.length).trim()];
}

/** A line of shell that becomes a program with an environment of its own. Names that no shell can export are left out. */
function start({ argv, env, workdir = "/" }: Pick<RoomCommand, "argv" | "env" | "workdir">): string {
  const variables = Object.entries(env).filter(([name]) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name));
  return [
    `cd -- ${quote(workdir)} || exit 126`,
    // Bash sets `SHLVL` and `_` once more for whatever it starts.
    "unset PWD OLDPWD SHLVL LC_ALL TZ",
    ...variables.map(([name, value]) => `export ${quote(`${name}=${value}`)}`),
    `exec ${argv.map(quote).join(" ")} </dev/null`,
  ].join("; ");
}

/** Why our own shell could not become the program; undefined where the program ran. */
export function faultOf({ code, stderr }: RoomResult, { argv, workdir }: RoomCommand): string | undefined {
  const [complaint, where] = new RegExp(`^${shellName}: (?:line )?\\d+: (cd: )?.*\\n?$`).exec(stderr) ?? [];
  if (complaint === undefined || ![2, 126, 127].includes(code)) return undefined;
  const state = complaint.trimEnd().split(": ").at(-1)!;
  return where === undefined ? `failed to execute ${argv[0]}: ${state}` : `cannot chdir to ${workdir}: ${state}`;
}

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''").replaceAll("\n", `'"$${lineBreak}"'`)}'`;
}

const longLineBytes = 1024 * 1024;
const markBytesMax = 64;

/** One of a room's outputs, in which marks part what commands print. */
class Output {
  readonly #chunks: Buffer[] = [];
  #isOver = false;
  #wake: () => void = () => undefined;

  constructor(stream: Readable) {
    stream.on("data", (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#wake();
    });
    stream.once("close", () => {
      this.#isOver = true;
      this.#wake();
    });
  }

  /** What comes up to the end of the next line with the mark, or to the end; beyond a bound it is dropped. */
  async until(mark: string | undefined, onLine: ((line: string) => void) | undefined): Promise<string> {
    const kept: Buffer[] = [];
    let keptBytes = 0;
    let rest = Buffer.alloc(0);
    for (;;) {
      rest = Buffer.concat([rest, ...this.#chunks.splice(0)]);
      for (let at = rest.indexOf(10); at >= 0; at = rest.indexOf(10)) {
        const line = rest.subarray(0, at + 1);
        rest = rest.subarray(at + 1);
        const markAt = mark === undefined ? -1 : line.indexOf(mark);
        if (keptBytes < limits.childOutputBytes || markAt >= 0) kept.push(line);
        keptBytes += line.length;
        if (markAt !== 0) onLine?.(line.subarray(0, markAt < 0 ? at : markAt).toString("utf8"));
        if (markAt >= 0) {
          this.#chunks.unshift(rest);
          return Buffer.concat(kept).toString("utf8");
        }
      }
      // A line without an end must not fill the memory; its end may hold a part of the mark.
      if (rest.length > longLineBytes) {
        if (keptBytes < limits.childOutputBytes) kept.push(rest.subarray(0, -markBytesMax));
        keptBytes += rest.length - markBytesMax;
        rest = Buffer.from(rest.subarray(-markBytesMax));
      }
      if (this.#isOver) return Buffer.concat([...kept, rest]).toString("utf8");
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
