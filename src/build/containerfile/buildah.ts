import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { plainEnvironment, run } from "../../base/child.ts";
import { Failure } from "../../base/errors.ts";

/** Reads Buildah's version. @throws Failure `program_missing` with how to install it */
export async function buildahVersion(): Promise<string> {
  try {
    const { stdout } = await run("buildah", ["--version"]);
    return /\d+(?:\.\d+)+/.exec(stdout)?.[0] ?? "unknown";
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== "program_missing") throw error;
    throw new Failure("program_missing", 'Cannot build a Containerfile: the program "buildah" is not installed', {
      hint: "apt-get install buildah (1.28 or newer); `mintmark doctor` shows what else a build needs",
      cause: error,
    });
  }
}

/** Images come from our own store alone, whose digests were checked. */
const policy = '{"default":[{"type":"insecureAcceptAnything"}]}\n';

/** What a build reads in /etc and nowhere else. */
export const buildahSettings: Readonly<Record<string, string>> = { "containers/policy.json": policy };

/** Where a store has the policy for the commands that take it. */
export function policyPath({ CONTAINERS_STORAGE_CONF = "" }: Readonly<Record<string, string>>): string {
  return join(dirname(CONTAINERS_STORAGE_CONF), "policy.json");
}

/** A store of Buildah's: its environment says where everything lies, so that nothing of the machine's is used. */
export interface BuildahStore {
  readonly graphRoot: string;
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Lays out a store in an empty folder, with configuration files of its own.
 *
 * @param bases graph roots of stores that images are read from
 */
export async function openBuildahStore(folder: string, bases: readonly string[]): Promise<BuildahStore> {
  const graphRoot = join(folder, "graph");
  const path = (name: string): string => join(folder, "etc", name);
  for (const part of ["graph", "run", "etc", "home", "tmp", "xdg"])
    await mkdir(join(folder, part), { recursive: true });
  const more =
    bases.length === 0 ? "" : `[storage.options]\nadditionalimagestores = [${bases.map(quoted).join(", ")}]\n`;
  await writeFile(
    path("storage.conf"),
    `[storage]\ndriver = "overlay"\nrunroot = ${quoted(join(folder, "run"))}\ngraphroot = ${quoted(graphRoot)}\n${more}`,
  );
  await writeFile(path("containers.conf"), "");
  await writeFile(path("registries.conf"), "");
  await writeFile(path("policy.json"), policy);
  return {
    graphRoot,
    environment: {
      ...plainEnvironment,
      HOME: join(folder, "home"),
      TMPDIR: join(folder, "tmp"),
      XDG_RUNTIME_DIR: join(folder, "xdg"),
      CONTAINERS_STORAGE_CONF: path("storage.conf"),
      CONTAINERS_CONF: path("containers.conf"),
      CONTAINERS_REGISTRIES_CONF: path("registries.conf"),
      // Inside we are root of a user namespace that is made already; without this it would make another.
      _CONTAINERS_USERNS_CONFIGURED: "done",
    },
  };
}

/** A TOML string. */
function quoted(text: string): string {
  return JSON.stringify(text);
}
