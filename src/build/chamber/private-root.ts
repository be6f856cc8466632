import {
  cpSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { release } from "node:os";
import { dirname, join } from "node:path";
import { run } from "../../base/child.ts";
import { Failure } from "../../base/errors.ts";
import { bindDevices } from "./mounts.ts";

/** What a chamber can still see of the machine once it has a root of its own. */
export interface PrivateRoot {
  /** Absolute path of an empty folder that the new root is mounted on. */
  readonly on: string;
  /** Folders that the work is done in; each keeps its path. */
  readonly writable: readonly string[];
  /** Folders that are only read, and where they are shown. */
  readonly readable: readonly { readonly from: string; readonly to: string }[];
  /** Files of its /etc besides those that every program looks for, by their paths below it. */
  readonly settings: Readonly<Record<string, string>>;
}

/** Where the machine's programs and their libraries lie. */
const programFolders = ["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/** What programs look up there; nothing of it tells of the machine's secrets. */
const commonSettings = [
  "passwd",
  "group",
  "nsswitch.conf",
  "ld.so.cache",
  "ld.so.conf",
  "ld.so.conf.d",
  "alternatives",
];

/** What root of the machine may write to the kernel, although it is root of a user namespace only. */
export const kernelDoors = [
  "sys",
  "sysrq-trigger",
  "irq",
  "bus",
  "fs",
  "acpi",
  "kcore",
  "keys",
  "timer_list",
  "kpagecount",
];

/**
 * Changes the root of this process, and of all that it starts, to one that holds the machine's programs, read only,
 * and the folders of the work, and nothing else: no other file, device, or socket of the machine.
 *
 * A chroot can be left by whoever is root in it. This root cannot: what it stood on is unmounted. It takes a mount
 * namespace of our own. Source: pivot_root(2), chroot(2), user_namespaces(7).
 *
 * @throws Failure `sandbox_unavailable`
 */
export async function enterPrivateRoot({ on, writable, readable, settings }: PrivateRoot): Promise<void> {
  await mount(["-t", "tmpfs", "-o", "mode=755,size=64m", "tmpfs", on]);
  for (const name of programFolders) await showPrograms(`/${name}`, join(on, name));
  makeSettings(join(on, "etc"), settings);
  for (const folder of ["dev", "proc", "sys", "tmp", "run", "var", "var/tmp", "root", "old"])
    mkdirSync(join(on, folder), { recursive: true });
  for (const folder of ["dev", "tmp", "run", "var/tmp"])
    await mount([
      "-t",
      "tmpfs",
      "-o",
      `mode=${folder.endsWith("tmp") ? "1777" : "755"},size=64m`,
      "tmpfs",
      join(on, folder),
    ]);
  await bindDevices(join(on, "dev"));
  await mount(["-t", "proc", "proc", join(on, "proc")]);
  for (const folder of writable) await show(folder, join(on, folder));
  for (const { from, to } of readable) {
    await show(from, join(on, to));
    await makeReadOnly(join(on, to));
  }
  limitProcesses();
  await closeKernelDoors(join(on, "proc"));
  await must("pivot_root", [on, join(on, "old")]);
  process.chdir("/");
  await must("umount", ["--lazy", "/old"]);
}

async function showPrograms(from: string, to: string): Promise<void> {
  const found = lstatSync(from, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (found.isSymbolicLink()) return symlinkSync(readlinkSync(from), to);
  await show(from, to);
  await makeReadOnly(to);
}

function makeSettings(folder: string, more: PrivateRoot["settings"]): void {
  mkdirSync(folder, { mode: 0o755 });
  for (const name of commonSettings) copy(join("/etc", name), join(folder, name));
  // Buildah shows it to RUN: there is no name server, and the machine's are nobody's business.
  for (const [name, content] of Object.entries({ "resolv.conf": "", hosts: "", ...more })) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
}

function copy(from: string, to: string): void {
  const found = statSync(from, { throwIfNoEntry: false });
  if (found?.isFile() === true) writeFileSync(to, readFileSync(from));
  if (found?.isDirectory() === true) cpSync(from, to, { recursive: true, verbatimSymlinks: true });
}

/** Mounts what lies there, and what is mounted below it, at another path. */
async function show(from: string, to: string): Promise<void> {
  mkdirSync(to, { recursive: true });
  await mount(["--rbind", from, to]);
}

/**
 * A mount that comes from outside the user namespace keeps its other restrictions, which must be named again.
 *
 * Source: mount_namespaces(7), "Restrictions on mount namespaces".
 */
async function makeReadOnly(path: string): Promise<void> {
  for (const { point, options } of mountsBelow(path)) {
    const kept = options.filter((option) => /^(?:nosuid|nodev|noexec|noatime|nodiratime|relatime)$/.test(option));
    await mount(["-o", ["remount", "bind", "ro", ...kept].join(","), point]);
  }
}

/** Source: proc_pid_mountinfo(5): the fifth field is the mount point, with some characters in octal, the sixth its options. */
function mountsBelow(path: string): { readonly point: string; readonly options: readonly string[] }[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .flatMap((line) => {
      const [, , , , raw = "", options = ""] = line.split(" ");
      const point = raw.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
      return point === path || point.startsWith(`${path}/`) ? [{ point, options: options.split(",") }] : [];
    });
}

/** Processes and threads that a chamber may have at a time. */
const processMax = 8192;

/** Since Linux 6.14 each pid namespace has a bound of its own; before, the machine's must be left alone. */
export function limitProcesses(): void {
  const [major = 0, minor = 0] = release().split(".").map(Number);
  if (major > 6 || (major === 6 && minor >= 14)) writeFileSync("/proc/sys/kernel/pid_max", String(processMax));
}

async function closeKernelDoors(proc: string): Promise<void> {
  for (const name of kernelDoors) {
    const path = join(proc, name);
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) continue;
    if (found.isDirectory()) await mount(["--rbind", path, path]).then(() => makeReadOnly(path));
    else await mount(["--bind", "/dev/null", path]);
  }
}

async function mount(args: readonly string[]): Promise<void> {
  await must("mount", args);
}

async function must(program: string, args: readonly string[]): Promise<void> {
  const { code, stderr } = await run(program, args);
  if (code !== 0)
    throw new Failure("sandbox_unavailable", `Cannot give the build a root of its own: ${stderr.trim()}`, {
      hint: "Run `mintmark doctor`; it tries each namespace and says how to allow it",
    });
}
