import assert from "node:assert/strict";
import { test } from "node:test";
import { linkProblems, staleProblems, unusedCodeProblems } from "./check-docs.ts";
import { sourceFile } from "./tree.ts";

function judgeLinks(text: string): string[] {
  const texts = new Map([
    ["docs/a.md", text],
    ["docs/b.md", "# One thing: `code`\n\n## Two\n\n## Two\n"],
  ]);
  return linkProblems(texts, (path) => texts.has(path) || path === "docs" || path === "README.md").map(
    ({ line, message }) => `${line}: ${message}`,
  );
}

test("linkProblems finds links to files and headings that are not there", () => {
  assert.deepEqual(judgeLinks("a\n[x](c.md) [y](b.md#three) [z](#none)"), [
    '2: links to "c.md", which is not there',
    '2: links to "b.md#three": docs/b.md has no such heading',
    '2: links to "#none": docs/a.md has no such heading',
  ]);
});

test("linkProblems follows folders, parents, anchors and counted headings, and leaves addresses and code alone", () => {
  const text = [
    "# Top",
    "[a](b.md#one-thing-code) [b](b.md#two-1) [c](../README.md) [d](#top) [e](../docs) [f](https://example.org/x)",
    "`[g](gone.md)`",
    "```md\n[h](gone.md)\n```",
  ];
  assert.deepEqual(judgeLinks(text.join("\n")), []);
});

test("staleProblems finds pages that are old, missing or cannot be made", () => {
  const current = new Map([
    ["a.md", "one\ntwo\n"],
    ["b.md", "one\n"],
  ]);
  const pages = [
    { path: "a.md", text: "one\nthree\n" },
    { path: "b.md", text: "one\n" },
    { path: "c.md", text: "x" },
    { path: "d.md", problem: "no table" },
  ];
  assert.deepEqual(
    staleProblems(pages, (path) => current.get(path)).map(({ path, line }) => `${path}:${line}`),
    ["a.md:2", "c.md:0", "d.md:0"],
  );
});

test("unusedCodeProblems counts uses in code, not in tests and not in the table", () => {
  const files = [
    sourceFile("src/base/error-codes.ts", 'const a = { b: "not_found" };'),
    sourceFile("src/a/a.ts", 'throw new Failure("conflict", "x"); // usage'),
    sourceFile("src/a/a.test.ts", 'const c = "usage";'),
  ];
  assert.deepEqual(
    unusedCodeProblems(["conflict", "usage", "not_found"], files).map(({ message }) => message),
    ['the error code "usage" is never used', 'the error code "not_found" is never used'],
  );
});
