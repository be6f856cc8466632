import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { run } from "../../base/child.ts";
import { messageOf } from "../../base/errors.ts";
import { probeMs, type Capability } from "./capability.ts";

/** Makes the namespaces of a build for real and mounts an overlay inside them, in a folder of its own. */
export async function checkNamespaces(): Promise<Capability[]> {
  const folder = await mkdtemp(join(tmpdir(), "mintmark-doctor-"));
  try {
    const isRoot = process.getuid?.() === 0;
    const asUser = await checkUserNamespace();
    const overlay = await checkOverlay(folder);
    const ids = isRoot ? [] : await checkSubordinateIds();
    return [
      ...(isRoot ? [await checkRootNamespace()] : []),
      softened(asUser, isRoot),
      softened(overlay, isRoot),
      await checkPrivateRoot(folder, isRoot ? [] : ["--user", "--map-root-user"]),
      ...ids,
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function checkRootNamespace(): Promise<Capability> {
  const name = "namespaces as root";
  const failure = await attempt(["--mount", "--pid", "--net", "--fork"], "true");
  return failure === undefined
    ? { name, state: "ok", about: "mount, pid and network namespaces work" }
    : {
        name,
        state: "missing",
        about: failure,
        fix: "Give this container CAP_SYS_ADMIN (podman run --privileged), or run on the machine itself",
      };
}

async function checkUserNamespace(): Promise<Capability> {
  const name = "user namespaces";
  const failure = await attempt(["--user", "--map-root-user", "--mount", "--pid", "--net", "--fork"], "true");
  return failure === undefined
    ? { name, state: "ok", about: "user, mount, pid and network namespaces work" }
    : { name, state: "missing", about: failure, fix: await namespaceFix() };
}

/** The lower and upper folders lie on the disk that the temp folder is on; an overlay on an overlay is refused. */
async function checkOverlay(folder: string): Promise<Capability> {
  const name = "overlayfs in a user namespace";
  const script =
    'cd "$1" && mkdir lower upper work merged && echo below > lower/file && mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged && echo above > merged/file && test "$(cat upper/file)" = above';
  const failure = await attempt(["--user", "--map-root-user", "--mount"], script, folder);
  return failure === undefined
    ? { name, state: "ok", about: "a write went to the upper folder" }
    : {
        name,
        state: "degraded",
        about: failure,
        fix: "Needs Linux 5.11 and a temp folder that is not itself an overlay; builds copy instead, which takes longer",
      };
}

/** The root that programs of an image get, which they cannot leave, made for real. */
async function checkPrivateRoot(folder: string, flags: readonly string[]): Promise<Capability> {
  const name = "private roots";
  const script =
    'command -v setpriv && command -v nsenter && cd "$1" && mkdir room && mount -t tmpfs tmpfs room && mkdir room/old && mount -o remount,bind,nosymfollow room && cd room && pivot_root . old && test -d /old/proc';
  const failure = await attempt([...flags, "--mount"], script, folder);
  return failure === undefined
    ? { name, state: "ok", about: "programs of images get a root that they cannot leave" }
    : {
        name,
        state: "missing",
        about: failure,
        fix: "Needs Linux 5.10, and mount, pivot_root, setpriv and nsenter of util-linux (Debian 12 or later)",
      };
}

async function checkSubordinateIds(): Promise<Capability[]> {
  const { username, uid } = userInfo();
  const rangeOf = async (path: string): Promise<boolean> => {
    const text = await readFile(path, "utf8").catch(() => "");
    return text
      .split("\n")
      .some(
        (line) =>
          (line.startsWith(`${username}:`) || line.startsWith(`${uid}:`)) && Number(line.split(":")[2]) >= 65_536,
      );
  };
  const hasRanges = (await rangeOf("/etc/subuid")) && (await rangeOf("/etc/subgid"));
  const mapper = await run("sh", ["-c", "command -v newuidmap && command -v newgidmap"], { timeoutMs: probeMs });
  return [
    hasRanges
      ? { name: "subordinate ids", state: "ok", about: `${username} has 65536 or more in /etc/subuid and /etc/subgid` }
      : {
          name: "subordinate ids",
          state: "missing",
          about: `${username} has no range of 65536 ids`,
          fix: `As root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${username}`,
        },
    mapper.code === 0
      ? { name: "newuidmap", state: "ok", about: "installed" }
      : {
          name: "newuidmap",
          state: "missing",
          about: "not installed: maps subordinate ids",
          fix: "As root: apt-get install uidmap",
        },
  ];
}

/** What it said, where it did not work; undefined where it did. */
async function attempt(flags: readonly string[], script: string, argument = ""): Promise<string | undefined> {
  try {
    const result = await run("unshare", [...flags, "sh", "-c", script, "sh", argument], { timeoutMs: probeMs });
    if (result.code === 0) return undefined;
    return result.stderr.trim().split("\n")[0]?.slice(0, 200) || `ended with code ${result.code}`;
  } catch (error) {
    return messageOf(error);
  }
}

async function namespaceFix(): Promise<string> {
  const isOff = async (path: string, value: string): Promise<boolean> =>
    (await readFile(path, "utf8").catch(() => "")).trim() === value;
  if (await isOff("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"))
    return "As root: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or run as root";
  if (await isOff("/proc/sys/kernel/unprivileged_userns_clone", "0"))
    return "As root: sysctl -w kernel.unprivileged_userns_clone=1, or run as root";
  if (await isOff("/proc/sys/user/max_user_namespaces", "0"))
    return "As root: sysctl -w user.max_user_namespaces=15000, or run as root";
  return "Run as root, or allow user namespaces to this account (a container's seccomp profile may forbid them)";
}

/** Root builds without user namespaces. */
function softened(capability: Capability, isRoot: boolean): Capability {
  return isRoot && capability.state === "missing" ? { ...capability, state: "optional" } : capability;
}
