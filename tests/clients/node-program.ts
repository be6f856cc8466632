import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { run } from "../../src/base/child.ts";
import { Failure } from "../../src/base/errors.ts";
import { machineEnvironment } from "./go-programs.ts";

/** A program in JavaScript that a package carries. */
interface NodeProgram {
  readonly name: string;
  readonly version: string;
  /** Where it lies in the package. */
  readonly path: string;
}

/** Installs a package with the machine's npm into a folder of the tests, once a version, and returns the program's path. */
export async function obtainNodeProgram({
  name,
  version,
  path,
}: NodeProgram): Promise<{ readonly path: string } | { readonly reason: string }> {
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "mintmark-tests/node");
  const folder = join(cache, `${name.replaceAll("/", "-")}-${version}`);
  const program = join(folder, "node_modules", name, path);
  if (existsSync(program)) return { path: program };
  await mkdir(cache, { recursive: true });
  const fresh = await mkdtemp(join(cache, "new-"));
  const line = ["install", "--prefix", fresh, "--ignore-scripts", "--no-audit", "--no-fund", `${name}@${version}`];
  try {
    const { code, stderr } = await run("npm", line, { env: machineEnvironment(), timeoutMs: 5 * 60_000 });
    if (/E404|ETARGET|ENOTFOUND|ECONNREFUSED/.test(stderr))
      return { reason: `the npm registry does not offer ${name}` };
    if (code !== 0) throw new Error(`npm ${line.join(" ")}\n${stderr}`);
    await rename(fresh, folder);
    return { path: program };
  } catch (error) {
    if (error instanceof Failure && error.code === "program_missing")
      return { reason: "missing: npm is not installed" };
    throw error;
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}
