import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type Tally } from "./test-tally.ts";
import { rootFolder } from "./tree.ts";

/** Runs test files with the real node:test and our reporter. */
function runFiles(
  files: Readonly<Record<string, string>>,
  isolation: "none" | "process",
): { tally: Tally; output: string } {
  const folder = mkdtempSync(join(tmpdir(), "tally-"));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const environment: NodeJS.ProcessEnv = { ...process.env, MINTMARK_TEST_TALLY: join(folder, "tally.json") };
    delete environment["NODE_TEST_CONTEXT"];
    const reporter = `--test-reporter=${join(rootFolder, "tools/test-reporter.ts")}`;
    const names = Object.keys(files).map((name) => join(folder, name));
    const child = spawnSync(process.execPath, ["--test", `--test-isolation=${isolation}`, reporter, ...names], {
      cwd: folder,
      env: environment,
      encoding: "utf8",
    });
    return { tally: JSON.parse(readFileSync(join(folder, "tally.json"), "utf8")) as Tally, output: child.stdout };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const head = 'import { describe, it, test } from "node:test";\n';
const mixed = {
  "a.test.mjs": `${head}
    test("passes", () => {});
    test("fails", () => { throw new Error("the reason"); });
    test("is skipped", (t) => t.skip("missing: podman"));
    test.skip("is skipped without a word", () => {});
    test("parent", async (t) => { await t.test("child one", () => {}); await t.test("child two", () => { throw new Error("from the child"); }); });
    describe("suite", () => { it("inside", () => {}); });`,
  "b.test.mjs": `${head} test("other file", () => {});`,
};

for (const isolation of ["none", "process"] as const)
  test(`the tally counts tests, not their parents, with isolation ${isolation}`, () => {
    const { tally, output } = runFiles(mixed, isolation);
    assert.equal(tally.passed, 4, output);
    assert.equal(tally.failed, 2, output);
    assert.deepEqual(
      tally.skipped.map(({ reason }) => reason),
      ["missing: podman", "no reason given"],
    );
    assert.match(output, /✖ .*a\.test\.mjs:\d+ fails\n\s+Error: the reason/);
    assert.match(output, /Error: from the child/);
    assert.doesNotMatch(output, /subtest/);
  });

test("the tally takes a file without tests and a file that does not load for failures", () => {
  const files = {
    "a.test.mjs": "console.log('nothing here');",
    "b.test.mjs": "console.error('last words'); process.exit(3);",
  };
  const { tally, output } = runFiles(files, "process");
  assert.deepEqual([tally.passed, tally.failed], [0, 2], output);
  assert.match(output, /a\.test\.mjs: the file holds no test/);
  assert.match(output, /last words/);
});
