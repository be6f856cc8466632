import type { TestResult } from "./structure.ts";

/** Results in the shape that container-structure-test prints with `--output json`; durations in nanoseconds. */
export function jsonReport(results: readonly TestResult[]) {
  return {
    Pass: results.filter(({ isPass }) => isPass).length,
    Fail: results.filter(({ isPass }) => !isPass).length,
    Total: results.length,
    Duration: Math.round(results.reduce((sum, { durationMs }) => sum + durationMs, 0) * 1e6),
    Results: results.map(({ name, isPass, stdout, stderr, errors, durationMs }) => ({
      Name: name,
      Pass: isPass,
      ...(stdout === "" ? {} : { Stdout: stdout }),
      ...(stderr === "" ? {} : { Stderr: stderr }),
      ...(errors.length === 0 ? {} : { Errors: errors }),
      Duration: Math.round(durationMs * 1e6),
    })),
  };
}

/** Results as JUnit XML, one suite; durations in seconds. */
export function junitReport(results: readonly TestResult[], suite: string): string {
  const failures = results.filter(({ isPass }) => !isPass).length;
  const seconds = (ms: number): string => (ms / 1000).toFixed(3);
  const cases = results.map(({ name, errors, stdout, stderr, durationMs }) =>
    [
      `    <testcase name="${escaped(name)}" time="${seconds(durationMs)}">`,
      ...errors.map((error) => `      <failure>${escaped(error)}</failure>`),
      ...(stdout === "" ? [] : [`      <system-out>${escaped(stdout)}</system-out>`]),
      ...(stderr === "" ? [] : [`      <system-err>${escaped(stderr)}</system-err>`]),
      "    </testcase>",
    ].join("\n"),
  );
  const total = seconds(results.reduce((sum, { durationMs }) => sum + durationMs, 0));
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites failures="${failures}" tests="${results.length}" time="${total}">`,
    `  <testsuite name="${escaped(suite)}">`,
    ...cases,
    "  </testsuite>",
    "</testsuites>",
  ].join("\n");
}

/** XML has no place at all for most control characters. */
function escaped(text: string): string {
  return text
    .replaceAll(/[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu, "\u{FFFD}")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
