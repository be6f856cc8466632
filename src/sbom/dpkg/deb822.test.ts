import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseDeb822 } from "./deb822.ts";

test("fields, continuations, comments and paragraphs are told apart", () => {
  const paragraphs = parseDeb822(
    "# note\nPackage: a\nDescription: short\n long\n .\n  verse\n\n\nPACKAGE:b\nno field\n stray\n",
  );
  assert.deepEqual(
    paragraphs.map((paragraph) => [...paragraph]),
    [
      [
        ["package", "a"],
        ["description", "short\nlong\n\n verse"],
      ],
      [["package", "b"]],
    ],
  );
});

test("what was written is read back", () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/);
  const line = fc.stringMatching(/^[!-~]([ -~]{0,12}[!-~])?$/).filter((text) => text !== ".");
  const paragraph = fc.uniqueArray(fc.tuple(name, fc.array(line, { minLength: 1, maxLength: 3 })), {
    minLength: 1,
    maxLength: 4,
    selector: ([key]) => key,
  });
  fc.assert(
    fc.property(fc.array(paragraph, { maxLength: 4 }), (paragraphs) => {
      const text = paragraphs
        .map((fields) => fields.map(([key, lines]) => `${key}: ${lines.join("\n ")}\n`).join(""))
        .join("\n");
      const expected = paragraphs.map((fields) => fields.map(([key, lines]) => [key, lines.join("\n")]));
      assert.deepEqual(
        parseDeb822(text).map((fields) => [...fields]),
        expected,
      );
    }),
  );
});

test("no text makes it throw", () => {
  fc.assert(fc.property(fc.string({ maxLength: 200 }), (text) => Array.isArray(parseDeb822(text))));
});
