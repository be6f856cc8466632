import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { rootFolder } from "./tree.ts";

interface Check {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  /** What puts it right by itself. */
  readonly repair?: string;
}

const bin = join(rootFolder, "node_modules/.bin");

/** Every mechanical check, slowest first. */
const checks: readonly Check[] = [
  {
    name: "types",
    program: join(bin, "tsc"),
    args: ["--incremental", "--tsBuildInfoFile", "node_modules/.cache/types.tsbuildinfo"],
  },
  { name: "dead code", program: join(bin, "knip"), args: ["--no-progress", "--no-config-hints"] },
  own("docs", "npm run reference"),
  own("hosts"),
  { name: "lint", program: join(bin, "oxlint"), args: ["--type-aware", "--format=unix", "--deny-warnings"] },
  own("rooms"),
  own("exports"),
  { name: "format", program: join(bin, "oxfmt"), args: ["--list-different"], repair: "npm run format" },
];

function own(name: string, repair?: string): Check {
  const check = { name, program: process.execPath, args: [join(rootFolder, `tools/check-${name}.ts`)] };
  return repair === undefined ? check : { ...check, repair };
}

/** Runs the checks whose names were given, or all, and prints what they found in the table's order. */
async function main(names: readonly string[]): Promise<void> {
  const startedAt = performance.now();
  const chosen = names.length === 0 ? checks : checks.filter((check) => names.includes(check.name));
  if (chosen.length === 0) throw new Error(`No such check; there are: ${checks.map((check) => check.name).join(", ")}`);
  const queue = [...chosen];
  let failedCount = 0;
  async function lane(): Promise<void> {
    for (let check = queue.shift(); check !== undefined; check = queue.shift())
      if (!(await runCheck(check))) failedCount++;
  }
  await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, lane));
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`${chosen.length - failedCount} checks passed, ${failedCount} failed (${seconds} s)`);
  if (failedCount > 0) process.exitCode = 1;
}

async function runCheck(check: Check): Promise<boolean> {
  const startedAt = performance.now();
  const { code, output } = await outputOf(check);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  // One write, so that checks that end together do not mix their lines.
  if (code === 0) console.log(`✔ ${check.name} (${seconds} s)`);
  else {
    const repair = check.repair === undefined ? "" : `\n  repair: ${check.repair}`;
    console.log(`✖ ${check.name} (${seconds} s)\n${output.trimEnd().replaceAll(/^/gm, "  ")}${repair}`);
  }
  return code === 0;
}

function outputOf(check: Check): Promise<{ code: number; output: string }> {
  const { promise, resolve } = Promise.withResolvers<{ code: number; output: string }>();
  const child = spawn(check.program, check.args, { cwd: rootFolder, stdio: ["ignore", "pipe", "pipe"] });
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.on("error", (error) => resolve({ code: 1, output: error.message }));
  child.on("close", (code) => resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString("utf8") }));
  return promise;
}

await main(process.argv.slice(2));
