import { lstatSync, mkdirSync, writeFileSync, rmSync, symlinkSync, existsSync } from "node:fs";
import { basename, join } from "node:path";
import { run } from "../../base/child.ts";
import { Failure } from "../../base/errors.ts";

/** The parts of an overlay in one folder: `farm` is read only, `upper` takes every change, `root` shows both. */
export interface Overlay {
  readonly workFolder: string;
  readonly farm: string;
  readonly upper: string;
  readonly root: string;
}

/** Lays out the folders of an overlay. */
export function makeOverlay(workFolder: string): Overlay {
  for (const part of ["farm", "upper", "scratch", "root"]) mkdirSync(join(workFolder, part), { mode: 0o755 });
  return {
    workFolder,
    farm: join(workFolder, "farm"),
    upper: join(workFolder, "upper"),
    root: join(workFolder, "root"),
  };
}

const devices = ["null", "zero", "full", "random", "urandom", "tty"];

/**
 * Mounts the overlay with what scripts expect of a system: devices, an empty /tmp and /sys. A room adds its /proc.
 *
 * `volatile` leaves out every fsync: dpkg asks for some thousand, and a build that loses power starts again
 * anyway. Paths are relative so that no character of the data folder's name can end an option.
 */
export async function mountOverlay({ workFolder, root }: Overlay): Promise<void> {
  rmSync(join(workFolder, "scratch"), { recursive: true, force: true });
  mkdirSync(join(workFolder, "scratch"));
  const common = "lowerdir=farm,upperdir=upper,workdir=scratch,userxattr,index=off,xino=off,metacopy=off";
  await mount(["-t", "overlay", "overlay", "-o", `${common},volatile`, "root"], workFolder);
  for (const folder of ["proc", "dev", "tmp", "sys", "run"]) makeMountPoint(join(root, folder));
  await mount(["-t", "tmpfs", "-o", "mode=1777", "tmpfs", join(root, "tmp")], workFolder);
  await mount(["-t", "tmpfs", "-o", "mode=755", "tmpfs", join(root, "dev")], workFolder);
  await bindDevices(join(root, "dev"));
}

/** A link there would lead a mount to somewhere else. */
function makeMountPoint(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) mkdirSync(path);
  else if (!found.isDirectory())
    throw new Failure("archive_hostile", `Cannot mount the build root: "/${basename(path)}" is not a folder in it`);
}

/** Fills an empty /dev with what every program may use, and nothing of the machine's hardware. */
export async function bindDevices(folder: string): Promise<void> {
  for (const device of devices) {
    writeFileSync(join(folder, device), "");
    await mount(["--bind", `/dev/${device}`, join(folder, device)], folder);
  }
  for (const [name, target] of Object.entries({
    fd: "/proc/self/fd",
    stdin: "/proc/self/fd/0",
    stdout: "/proc/self/fd/1",
    stderr: "/proc/self/fd/2",
  }))
    symlinkSync(target, join(folder, name));
  mkdirSync(join(folder, "shm"), { mode: 0o1777 });
}

/**
 * Keeps us, but nobody in a room that is open already, from following a link of the mounted system: what its scripts
 * have linked could lead our own reading and writing out of it.
 *
 * @throws Failure `sandbox_unavailable`
 */
export async function followNoLinks({ root, workFolder }: Overlay): Promise<void> {
  await mount(["-o", "remount,bind,nosymfollow", root], workFolder);
}

/** Takes all mounts of the overlay away again. */
export async function unmountOverlay({ root, workFolder }: Overlay): Promise<void> {
  if (!existsSync(join(root, "proc"))) return;
  const { code, stderr } = await run("umount", ["--recursive", root], { cwd: workFolder });
  if (code !== 0) throw new Failure("sandbox_unavailable", `Cannot unmount the build root: ${stderr.trim()}`);
}

async function mount(args: readonly string[], cwd: string): Promise<void> {
  const { code, stderr } = await run("mount", args, { cwd });
  if (code !== 0)
    throw new Failure("sandbox_unavailable", `Cannot mount the build root: ${stderr.trim()}`, {
      hint: "Run `mintmark doctor`; an overlay in a user namespace needs Linux 5.11 and a data folder on a disk file system",
    });
}
