import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { run } from "../../src/base/child.ts";
import { Failure } from "../../src/base/errors.ts";

/** A program that Go builds from its module. */
export interface GoProgram {
  /** The package of its main function, such as `example.org/tool/cmd/tool`. */
  readonly module: string;
  readonly version: string;
}

/**
 * Builds a program with the machine's Go from what its module proxy gives, once a version, and returns its path.
 *
 * Where there is no Go, or the proxy does not offer the module, the answer is the reason.
 */
export async function obtainGoProgram({
  module,
  version,
}: GoProgram): Promise<{ readonly path: string } | { readonly reason: string }> {
  const name = module.split("/").at(-1)!;
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "mintmark-tests/go");
  const folder = join(cache, `${name}-${version}`);
  const path = join(folder, name);
  if (existsSync(path)) return { path };
  const env = { ...machineEnvironment(), GOBIN: folder };
  const line = ["install", `${module}@${version}`];
  try {
    const { code, stderr } = await run("go", line, { env, timeoutMs: 10 * 60_000 });
    if (code === 0) return { path };
    if (/\b(?:403|404|410) /.test(stderr)) return { reason: "the Go module proxy does not offer it" };
    if (/dial tcp|lookup|timeout|connection refused/.test(stderr))
      return { reason: "no Go module proxy can be reached" };
    if (/requires go >=/.test(stderr)) return { reason: "the machine's Go is too old for it" };
    throw new Error(`go ${line.join(" ")}\n${stderr}`);
  } catch (error) {
    if (error instanceof Failure && error.code === "program_missing") return { reason: "Go is not installed" };
    throw error;
  }
}

/** Package clients need the machine's home, path and proxy settings. */
export function machineEnvironment(): Readonly<Record<string, string>> {
  const known = Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return Object.fromEntries(known);
}
