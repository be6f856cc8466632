import { spawn } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, matchesGlob } from "node:path";
import { type Tally } from "./test-tally.ts";
import { rootFolder } from "./tree.ts";

interface Phase {
  readonly name: string;
  readonly files: readonly string[];
  readonly args: readonly string[];
  /** The whole phase ends after this long: something was left open. */
  readonly limitMs: number;
}

/**
 * Runs every check, the unit tests in one process and the cross-room tests in processes of their own; with patterns
 * only the test files whose path contains or matches one.
 *
 * @returns the exit code: 0 only where something ran and nothing failed
 */
async function main(patterns: readonly string[]): Promise<number> {
  const startedAt = performance.now();
  const phases = phasesFor(patterns);
  const tallies: Tally[] = [];
  if (patterns.length === 0) tallies.push(await runChecks());
  for (const phase of phases) if (phase.files.length > 0) tallies.push(await runPhase(phase));
  return close(tallies, {
    fileCount: phases.reduce((sum, phase) => sum + phase.files.length, 0),
    seconds: (performance.now() - startedAt) / 1000,
  });
}

/** The files of each phase. Unit tests share one process, which is fast and forbids state in modules. */
function phasesFor(patterns: readonly string[]): Phase[] {
  const isWanted = (path: string): boolean =>
    patterns.length === 0 || patterns.some((pattern) => path.includes(pattern) || matchesGlob(path, pattern));
  const find = (globs: readonly string[]): string[] =>
    globSync(globs, { cwd: rootFolder, exclude: (path) => path.endsWith("fixtures") })
      // A contract is a set of tests that the test file of each implementation runs.
      .filter((path) => !path.endsWith(".contract.test.ts") && isWanted(path))
      .toSorted();
  return [
    {
      name: "unit tests",
      files: find(["src/**/*.test.ts", "tools/**/*.test.ts"]),
      args: ["--test-isolation=none", "--test-timeout=120000"],
      limitMs: 10 * 60_000,
    },
    {
      name: "cross-room tests",
      files: find(["tests/**/*.test.ts"]),
      // Whole images are built here; more than two at once starve each other.
      args: ["--test-concurrency=2", `--test-timeout=${30 * 60_000}`],
      limitMs: 120 * 60_000,
    },
  ];
}

async function runChecks(): Promise<Tally> {
  console.log("\n== checks");
  const { code } = await run([join(rootFolder, "tools/check.ts")], 5 * 60_000);
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: [], slow: [] };
}

async function runPhase(phase: Phase): Promise<Tally> {
  console.log(`\n== ${phase.name}: ${phase.files.length} ${phase.files.length === 1 ? "file" : "files"}`);
  const startedAt = performance.now();
  const folder = mkdtempSync(join(tmpdir(), "mintmark-test-"));
  const tallyPath = join(folder, "tally.json");
  const reporter = `--test-reporter=${join(rootFolder, "tools/test-reporter.ts")}`;
  const { code, isLate } = await run(
    ["--test", reporter, "--test-reporter-destination=stdout", ...phase.args, ...phase.files],
    phase.limitMs,
    {
      MINTMARK_TEST_TALLY: tallyPath,
    },
  );
  const tally = readTally(tallyPath);
  rmSync(folder, { recursive: true, force: true });
  if (isLate) console.log(`✖ ${phase.name} did not end: a test left something open, or hangs`);
  else if (code !== 0 && tally.failed === 0) console.log(`✖ ${phase.name} ended with exit code ${code}`);
  if (code !== 0 && tally.failed === 0) tally.failed++;
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`${tally.passed} passed, ${tally.failed} failed, ${tally.skipped.length} skipped (${seconds} s)`);
  return tally;
}

function readTally(path: string): Tally {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Tally;
  } catch {
    // The process died before its reporter ended; its exit code says so.
    return { passed: 0, failed: 0, skipped: [], slow: [] };
  }
}

/** Prints the sums and what deserves a look, and gives the exit code. */
function close(tallies: readonly Tally[], { fileCount, seconds }: { fileCount: number; seconds: number }): number {
  const skipped = tallies.flatMap((tally) => tally.skipped);
  const slow = tallies.flatMap((tally) => tally.slow).toSorted((a, b) => b.ms - a.ms);
  const passed = tallies.reduce((sum, tally) => sum + tally.passed, 0);
  let failed = tallies.reduce((sum, tally) => sum + tally.failed, 0);
  console.log("");
  if (slow.length > 0) console.log("slowest tests:");
  for (const { name, ms } of slow.slice(0, 10)) console.log(`  ${(ms / 1000).toFixed(1)} s  ${name}`);
  if (skipped.length > 0) console.log("skipped:");
  for (const { name, reason } of skipped) console.log(`  ${name}: ${reason}`);
  const missing = skipped.filter(({ reason }) => reason.startsWith("missing:"));
  if (process.env["CI"] === "true" && missing.length > 0) {
    console.log(`✖ under CI nothing may be missing, but ${missing.length} of the skipped tests say so`);
    failed += missing.length;
  }
  if (fileCount === 0) console.log("✖ no test file was found");
  else if (passed + failed === 0) console.log("✖ no test was run");
  const isGood = failed === 0 && passed > 0 && fileCount > 0;
  console.log(`all of it took ${seconds.toFixed(0)} s`);
  // The last line, in this very form, for programs that read it.
  console.log(`${passed} passed, ${isGood ? 0 : Math.max(1, failed)} failed, ${skipped.length} skipped`);
  return isGood ? 0 : 1;
}

function run(
  args: readonly string[],
  limitMs: number,
  variables: Readonly<Record<string, string>> = {},
): Promise<{ code: number; isLate: boolean }> {
  const environment: NodeJS.ProcessEnv = { ...process.env, ...variables };
  // Set where this runs inside a test of its own; node:test would speak to that one.
  delete environment["NODE_TEST_CONTEXT"];
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", ...args], {
    cwd: rootFolder,
    stdio: ["ignore", "inherit", "inherit"],
    env: environment,
  });
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    child.kill("SIGTERM");
    setTimeout(() => child.kill("SIGKILL"), 5000).unref();
  }, limitMs);
  const stop = (): void => void child.kill("SIGTERM");
  process.on("SIGTERM", stop);
  return new Promise((resolve) => {
    child.on("error", (error) => console.error(error.message));
    child.on("close", (code) => {
      clearTimeout(timer);
      process.off("SIGTERM", stop);
      resolve({ code: code ?? 1, isLate });
    });
  });
}

process.exitCode = await main(process.argv.slice(2));
