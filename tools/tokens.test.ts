import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { codeOf, tokensOf } from "./tokens.ts";
import { sourceFile } from "./tree.ts";

test("tokensOf keeps words in comments, strings and templates apart from code", () => {
  const source = '// process.env\nconst a = "process.env"; /* b */ const c = `x ${process.env} y ${`n ${d}`}`;';
  const words = tokensOf(source).filter((token) => token.kind === "word");
  assert.deepEqual(
    words.map((token) => token.text),
    ["const", "a", "const", "c", "process", "env", "d"],
  );
});

test("tokensOf tells a regular expression from a division", () => {
  const kinds = tokensOf("const a = b / c / d; const e = /[/\"']x/gu.test(f); return /y`/;").map((token) => token.kind);
  assert.equal(kinds.filter((kind) => kind === "regex").length, 2);
  assert.equal(kinds.includes("template"), false);
});

test("tokensOf closes an object inside a template before it closes the template", () => {
  const texts = codeOf(tokensOf("`a ${f({ b: 1 })} c` + d")).map((token) => `${token.kind} ${token.text}`);
  assert.deepEqual(texts.slice(-3), ["template  c", "mark +", "word d"]);
});

test("tokensOf counts lines through comments, strings and templates", () => {
  const tokens = tokensOf("/**\n * x\n */\nconst a = `\n\n`;\nb");
  assert.equal(tokens.at(-1)?.line, 7);
  assert.equal(tokens[1]?.line, 4);
});

test("tokensOf ends on any input and loses nothing but white space and quotes", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(..."ab/*`'\"${}\\\n [](=".split("")) }), (source) => {
      const kept = tokensOf(source).reduce((sum, token) => sum + token.text.length, 0);
      assert.ok(kept <= source.length);
    }),
  );
});

test("sourceFile finds every form of import", () => {
  const { imports } = sourceFile(
    "src/a/a.ts",
    [
      'import fs, { readFile } from "node:fs";',
      'import type { B } from "../b/b.ts";',
      'import { type C } from "../c/c.ts";',
      'import "./side.ts";',
      'export { d } from "./d.ts";',
      'export * from "./e.ts";',
      "export const x = 1;",
      'export type { F } from "./f.ts";',
      'const g = await import("./g.ts");',
      'export function from(): string { return "h"; }',
      'import type from "./i.ts";',
      'export { x };\nconst y = "j"; // import "k"',
    ].join("\n"),
  );
  assert.deepEqual(
    imports.map(({ kind, from, line }) => `${line} ${kind} ${from}`),
    [
      "1 static node:fs",
      "2 type ../b/b.ts",
      "3 static ../c/c.ts",
      "4 static ./side.ts",
      "5 reexport ./d.ts",
      "6 reexport ./e.ts",
      "8 reexport ./f.ts",
      "9 lazy ./g.ts",
      "11 static ./i.ts",
    ],
  );
});
