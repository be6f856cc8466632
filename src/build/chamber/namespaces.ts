import { spawn, type ChildProcess } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { plainEnvironment, run } from "../../base/child.ts";
import { Failure } from "../../base/errors.ts";

/** Owners that exist inside: those of a system with 16-bit ids. */
const idCount = 65_536;

/**
 * Starts a program as root of fresh user, mount, pid, network, ipc and host name namespaces.
 *
 * Inside it owns every id from 0 to 65535 and nothing outside: as root of the machine the ids are mapped onto
 * themselves, as an ordinary user onto the user's subordinate ids. There is no network but a dead loopback.
 * Closing its standard input ends it and all that it started.
 *
 * Source: user_namespaces(7).
 *
 * @throws Failure `sandbox_unavailable` where the kernel or the machine's set-up does not allow it
 */
export async function startInNamespaces(program: string, args: readonly string[]): Promise<ChildProcess> {
  const script =
    // No core of a program that fails may come to lie in an image.
    'ulimit -c 0; echo ready >&3; read -r mapped <&4; exec unshare --mount --propagation private --pid --fork --kill-child --mount-proc --net --ipc --uts -- "$@" 3>&- 4<&-';
  const child = spawn("unshare", ["--user", "--", "sh", "-c", script, "sh", program, ...args], {
    env: plainEnvironment,
    stdio: ["pipe", "pipe", "pipe", "pipe", "pipe"],
  });
  const [, , , ready, go] = child.stdio;
  const failed = new Promise<never>((_, reject) => {
    child.once("error", (cause) => reject(unavailable("unshare is not installed", cause)));
    child.once("close", (code) => reject(unavailable(`unshare ended with ${code}`)));
  });
  failed.catch(() => undefined);
  await Promise.race([new Promise((resolve) => ready!.once("data", resolve)), failed]);
  try {
    await mapIds(child.pid!);
  } catch (error) {
    // It waits for its ids and would wait for ever.
    child.kill("SIGKILL");
    throw error;
  }
  if (go !== null && go !== undefined && "end" in go) go.end("mapped\n");
  return child;
}

async function mapIds(pid: number): Promise<void> {
  const { uid, gid, username } = userInfo();
  if (uid === 0) {
    await writeFile(`/proc/${pid}/uid_map`, `0 0 ${idCount}\n`);
    await writeFile(`/proc/${pid}/gid_map`, `0 0 ${idCount}\n`);
    return;
  }
  const mappings = [
    ["newuidmap", uid, "/etc/subuid"],
    ["newgidmap", gid, "/etc/subgid"],
  ] as const;
  for (const [program, own, path] of mappings) {
    const first = await firstSubordinate(path, [username, String(uid)]);
    const { code, stderr } = await run(program, [
      String(pid),
      "0",
      String(own),
      "1",
      "1",
      String(first),
      String(idCount - 1),
    ]);
    if (code !== 0) throw unavailable(`${program} refused: ${stderr.trim()}`);
  }
}

/** Source: subuid(5). */
async function firstSubordinate(path: string, names: readonly string[]): Promise<number> {
  const text = await readFile(path, "utf8").catch(() => "");
  for (const line of text.split("\n")) {
    const [name = "", start = "", count = ""] = line.split(":");
    if (names.includes(name) && Number(count) >= idCount - 1) return Number(start);
  }
  throw unavailable(`${path} gives "${names[0]}" no ${idCount} ids`);
}

function unavailable(state: string, cause?: unknown): Failure {
  return new Failure("sandbox_unavailable", `Cannot make the namespaces of a build: ${state}`, {
    hint: "Run `mintmark doctor`; it tries each namespace and says how to allow it",
    cause,
  });
}
