import assert from "node:assert/strict";
import { test } from "node:test";
import { roomProblems } from "./check-rooms.ts";
import { sourceFile } from "./tree.ts";

const doc = `/** ${"What the room does, owns and promises. ".repeat(4)} */\n`;
const door = `${doc}export function enter(): void {}\n`;
const cleanHouse: Readonly<Record<string, string>> = {
  "src/base/hash.ts": 'import { createHash } from "node:crypto";\nexport const hash = createHash;\n',
  "src/base/json.ts": "export const canonical = 1;\n",
  "src/model/digest.ts": 'import { z } from "zod";\nimport { canonical } from "../base/json.ts";\n',
  "src/store/store.ts": `import { Kysely } from "kysely";\n${door}const q = "select a from b";\n`,
  "src/store/run-records.ts": "export const runs = 1;\n",
  "src/scan/scan.ts": `import { match } from "./match.ts";\n${door}`,
  "src/scan/match.ts": 'import { runs } from "../store/run-records.ts";\nexport const match = runs;\n',
  "src/pipeline/pipeline.ts": `import { enter } from "../scan/scan.ts";\n${door}`,
  "src/cli/main.ts": 'const build = (): Promise<unknown> => import("./build.ts");\n',
  "src/cli/build.ts": 'import { enter } from "../pipeline/pipeline.ts";\n',
};

/** The messages about a clean house in which some files were replaced. */
function judge(changes: Readonly<Record<string, string>>): string[] {
  const files = Object.entries({ ...cleanHouse, ...changes }).map(([path, text]) => sourceFile(path, text));
  return roomProblems(files).map(({ path, line, message }) => `${path}:${line}: ${message}`);
}

/** What must be found in a house with one seeded violation: exactly one problem, with these words. */
const violations: readonly [string, Readonly<Record<string, string>>, RegExp][] = [
  [
    "a stage that imports a stage",
    { "src/scan/match.ts": 'import "../sbom/sbom.ts";' },
    /match\.ts:1: scan may not import sbom/,
  ],
  [
    "a type of another stage",
    { "src/scan/match.ts": 'import type { A } from "../sign/sign.ts";' },
    /may not import sign/,
  ],
  ["base that imports us", { "src/base/hash.ts": 'import "../model/digest.ts";' }, /it may import no other room/],
  ["a way round the door", { "src/pipeline/run.ts": 'import "../scan/match.ts";' }, /the door is src\/scan\/scan\.ts/],
  ["a value by a door for types", { "src/scan/match.ts": 'import { x } from "../store/database.ts";' }, /the door is/],
  ["src that knows tests", { "src/scan/match.ts": 'import "../../tests/x.ts";' }, /does not know the other folders/],
  ["a file outside the checkout", { "tests/a/b.test.ts": 'await import("../../../x.ts");' }, /outside the checkout/],
  ["a re-export beside the door", { "src/scan/match.ts": 'export * from "./b.ts";' }, /re-exports/],
  [
    "a door that re-exports another room",
    { "src/pipeline/pipeline.ts": `export * from "../scan/scan.ts";\n${door}` },
    /re-exports/,
  ],
  ["a room outside the table", { "src/attic/attic.ts": door }, /room "attic" is not in/],
  ["a room without a door", { "src/sbom/purl.ts": "const a = 1;" }, /src\/sbom:0: has no door/],
  ["a door that says nothing", { "src/scan/scan.ts": "export function scan(): void {}" }, /without a doc comment/],
  ["a door that does nothing", { "src/scan/scan.ts": `${doc}export const a = 1;` }, /without a function/],
  ["a pure file with Node", { "src/model/digest.ts": 'import "node:fs";' }, /is pure, but imports "node:fs"/],
  [
    "a pure file that gets there",
    { "src/model/digest.ts": 'import "../base/hash.ts";' },
    /base\/hash\.ts → node:crypto/,
  ],
  [
    "a pure file with a global",
    { "src/policy/policy.ts": `${door}setTimeout(enter, 1);` },
    /is pure, but uses setTimeout/,
  ],
  ["a heavy command line", { "src/cli/main.ts": 'import "./build.ts";' }, /cli\/build\.ts:1: loads pipeline for every/],
  ["Kysely outside the store", { "src/scan/match.ts": 'import type { Kysely } from "kysely";' }, /imports "kysely"/],
  ["SQL text outside the store", { "src/scan/match.ts": 'const q = "SELECT a\\nFROM b";' }, /holds SQL/],
  ["a query outside the store", { "src/scan/match.ts": 'db.selectFrom("a");' }, /holds SQL/],
  ["the environment", { "src/scan/match.ts": "const a = process.env;" }, /reads the environment/],
  ["the clock", { "src/scan/match.ts": "const a = Date.now();" }, /uses Date\.now/],
  ["a bare date", { "src/scan/match.ts": "const a = new Date();" }, /uses new Date\(\)/],
  ["an empty file name", { "src/scan/match-utils.ts": "const a = 1;" }, /has "utils" in its path/],
  ["an empty name", { "src/scan/match.ts": "function packageInfo(): void {}" }, /"packageInfo" has "info"/],
  ["an empty class", { "src/scan/match.ts": "class ScanManager {}" }, /"ScanManager" has "manager"/],
  ["a postponed task", { "src/scan/match.ts": "// TODO later" }, /puts work off/],
  [
    "a long file",
    { "src/scan/match.ts": `function a(): void {}\n${"b();\n".repeat(400)}` },
    /has 401 lines: the limit is 400/,
  ],
  ["a long table", { "src/scan/match.ts": "const a = 1;\n".repeat(701) }, /has 701 lines: the limit is 700/],
];

test("roomProblems finds nothing in a house that keeps the rules", () => {
  assert.deepEqual(judge({}), []);
});

for (const [name, changes, expected] of violations)
  test(`roomProblems finds ${name}`, () => {
    const found = judge(changes);
    assert.equal(found.length, 1, found.join("\n"));
    assert.match(found[0]!, expected);
  });

test("roomProblems leaves alone what only looks like a violation", () => {
  const text = [
    'import type { Database } from "../store/database.ts";',
    'import { type ChildProcess } from "node:child_process";',
    'const at = new Date(1); const words = "select one of them"; // process.env, Date.now()',
    "const dataDir = words; const { service } = at; response.info(dataDir); const metadata = 1;",
  ].join("\n");
  assert.deepEqual(judge({ "src/scan/match.ts": text }), []);
  assert.deepEqual(judge({ "src/scan/match.test.ts": "const t = Date.now(); process.env;" }), []);
  assert.deepEqual(judge({ "src/scan/scan.ts": `export { match } from "./match.ts";\n${door}` }), []);
  assert.deepEqual(judge({ "src/config/load.ts": "const e = process.env;" }), []);
});
