import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { run } from "../../src/base/child.ts";
import { messageOf } from "../../src/base/errors.ts";
import { writeFileAtomic } from "../../src/base/files.ts";
import { obtainClients } from "./clients.ts";

/** NuGet's own client, as the npm registry has it. */
const packageName = "nuget-exe";
const packageVersion = "5.8.0";

/** NuGet's client, run by Debian's Mono: there is no .NET SDK in the registries that are reached. */
export interface NugetProgram {
  run(
    args: readonly string[],
    options: { readonly cwd: string; readonly home: string },
  ): Promise<{ readonly code: number | null; readonly text: string }>;
}

/** Gets NuGet's client, once; where that cannot work the answer is the reason. */
export async function obtainNuget(): Promise<{ readonly nuget: NugetProgram } | { readonly reason: string }> {
  const mono = await obtainClients({ programs: ["mono-runtime", "libmono-cil-dev"] });
  if ("reason" in mono) return mono;
  const { root } = mono.clients;
  try {
    const program = await obtainProgram();
    const usr = join(root, "usr");
    await placeLibraries(join(root, "etc/mono/config"), join(usr, "lib"));
    return {
      nuget: {
        async run(args, { cwd, home }) {
          const env = {
            HOME: home,
            NUGET_PACKAGES: join(home, "packages"),
            MONO_GAC_PREFIX: usr,
            MONO_PATH: join(usr, "lib/mono/4.5"),
            MONO_CFG_DIR: join(root, "etc"),
            LD_LIBRARY_PATH: join(usr, "lib"),
          };
          const ran = await mono.clients.run("mono", [program, ...args, "-NonInteractive"], { cwd, env });
          return { code: ran.code, text: `${ran.stdout}${ran.stderr}` };
        },
      },
    };
  } catch (error) {
    return { reason: `cannot get ${packageName}: ${messageOf(error)}` };
  }
}

/** Mono looks for its native libraries beside its program, and started by a loader it takes that for the program. */
async function placeLibraries(configuration: string, folder: string): Promise<void> {
  const text = await readFile(configuration, "utf8");
  if (text.includes("$mono_libdir")) await writeFileAtomic(configuration, text.replaceAll("$mono_libdir", folder));
}

/** Unpacks the npm package aside and moves it into place whole. */
async function obtainProgram(): Promise<string> {
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "mintmark-tests/nuget");
  const folder = join(cache, packageVersion);
  const program = join(folder, `package/nuget-${packageVersion}.exe`);
  if (existsSync(program)) return program;
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, ".filling-"));
  try {
    const env = Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== undefined)) as Record<
      string,
      string
    >;
    for (const [name, ...args] of [
      ["npm", "pack", `${packageName}@${packageVersion}`],
      ["tar", "-xzf", `${packageName}-${packageVersion}.tgz`],
    ]) {
      const ran = await run(name!, args, { cwd: work, env, timeoutMs: 120_000 });
      if (ran.code !== 0) throw new Error(ran.stderr.trim().split("\n").at(-1));
    }
    await rename(work, folder).catch((error: unknown) => {
      if (!existsSync(program)) throw error;
    });
    return program;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
