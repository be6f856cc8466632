import assert from "node:assert/strict";
import { test } from "node:test";
import { exportProblems, firstSentence } from "./check-exports.ts";
import { sourceFile } from "./tree.ts";

function judge(text: string, path = "src/a/b.ts"): string[] {
  return exportProblems(sourceFile(path, text)).map(({ line, message }) => `${line}: ${message}`);
}

test("exportProblems finds each kind of export without a doc comment", () => {
  const kinds = [
    "export const a = 1;",
    "export async function b(): Promise<void> {}",
    "export function* c(): Iterable<1> {}",
    "export abstract class D {}",
    "export interface E {}",
    "export type F = 1;",
  ];
  assert.equal(judge(kinds.join("\n")).length, 6);
  assert.deepEqual(judge(kinds.map((kind) => `/** It says enough here. */\n${kind}`).join("\n")), []);
});

test("exportProblems takes an ordinary comment or an empty doc comment for none", () => {
  assert.match(judge("// It says enough here.\nexport const a = 1;")[0]!, /^2: exports "a" without/);
  assert.match(judge("/** x */\nexport const a = 1;")[0]!, /says nothing/);
});

test("exportProblems wants one doc comment for a set of overloads", () => {
  assert.deepEqual(judge("/** It says enough here. */\nexport function a(): 1;\nexport function a(): 1 {}"), []);
});

test("exportProblems leaves tests, tools, lists and members alone", () => {
  assert.deepEqual(judge("export const a = 1;", "src/a/b.test.ts"), []);
  assert.deepEqual(judge("export const a = 1;", "tools/b.ts"), []);
  assert.deepEqual(judge('export { a };\nconst text = "export const b";\nclass C { export(): void {} }'), []);
});

test("firstSentence ends at a full stop, a blank line or a tag, not inside a name", () => {
  assert.equal(firstSentence("/** Reads image.yaml twice. Then more. */"), "Reads image.yaml twice");
  assert.equal(firstSentence("/**\n * One line\n * and two\n *\n * More\n */"), "One line and two");
  assert.equal(firstSentence("/**\n * Text\n * @throws Failure\n */"), "Text");
});
