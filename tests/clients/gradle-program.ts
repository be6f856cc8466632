import { plainEnvironment, run } from "../../src/base/child.ts";
import { obtainClients } from "./clients.ts";

/** Runs Gradle with a user home of the caller's; a non-zero exit is an answer. */
type RunGradle = (
  args: readonly string[],
  options: { readonly cwd: string; readonly home: string },
) => ReturnType<typeof run>;

/**
 * Gets Debian's Gradle, unpacked beside the machine and run by the machine's Java.
 *
 * It looks for its archives at fixed places, so each run has a mount namespace in which they are there.
 */
export async function obtainGradle(): Promise<{ readonly gradle: RunGradle } | { readonly reason: string }> {
  const java = await run("java", ["-version"], { env: { ...process.env } as Record<string, string> }).catch(
    () => undefined,
  );
  if (java?.code !== 0) return { reason: "missing: Java is not installed" };
  const wall = await run("unshare", ["-rm", "true"], { env: plainEnvironment }).catch(() => undefined);
  if (wall?.code !== 0) return { reason: "namespaces cannot be made here" };
  const got = await obtainClients({ programs: ["gradle"] });
  if ("reason" in got) return got;
  const path = process.env["PATH"] ?? plainEnvironment["PATH"]!;
  const script = 'mount --bind "$1/usr/share" /usr/share && shift && exec sh /usr/share/gradle/bin/gradle "$@"';
  return {
    async gradle(args, { cwd, home }) {
      const line = ["-rm", "sh", "-c", script, "sh", got.clients.root, "--no-daemon", "-g", `${home}/.gradle`, ...args];
      const env = { ...plainEnvironment, PATH: path, HOME: home };
      return await run("unshare", line, { cwd, env, timeoutMs: 240_000 });
    },
  };
}
