import assert from "node:assert/strict";
import { test } from "node:test";
import { parseParagraph, relationNames, sourceOf, splitParagraphs } from "./control-file.ts";

test("parseParagraph keeps continuation lines and the case of names", () => {
  const fields = parseParagraph("Package: a\nDescription: one\n two\n .\n three\nMulti-Arch: same");
  assert.equal(fields.get("Description"), "one\n two\n .\n three");
  assert.equal(fields.get("Multi-Arch"), "same");
});

test("sourceOf takes the binary's own name and version where none are given", () => {
  const plain = parseParagraph("Package: a\nVersion: 1-2+b1");
  const other = parseParagraph("Package: liba\nSource: a (1-2)\nVersion: 1-2+b1");
  assert.deepEqual(sourceOf(plain), { source: "a", sourceVersion: "1-2+b1" });
  assert.deepEqual(sourceOf(other), { source: "a", sourceVersion: "1-2" });
});

test("relationNames takes names out of versions, alternatives, architectures and profiles", () => {
  assert.deepEqual(relationNames("libc6 (>= 2.36), mawk | gawk, python3:any, x [amd64] <!nocheck>"), [
    "libc6",
    "mawk",
    "gawk",
    "python3",
    "x",
  ]);
  assert.deepEqual(relationNames(undefined), []);
});

test("splitParagraphs splits at empty lines, blanks in them or not", () => {
  assert.deepEqual(splitParagraphs("A: 1\n\n\nB: 2\n \nC: 3\n"), ["A: 1", "B: 2", "C: 3\n"]);
});
