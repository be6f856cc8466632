import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { globChars, readGlob, type Glob } from "./glob.ts";

function glob(pattern: string): Glob {
  const read = readGlob(pattern);
  assert.ok(!("invalid" in read), JSON.stringify(read));
  return read;
}

/** The same language as an expression that goes back, for short texts only. */
function slowly(pattern: string): RegExp {
  const source = pattern.replaceAll(/(?<=^|\/)\*{2,}\/|\*{2,}|\*|\?/g, (sign) => {
    if (sign === "?") return "[^/]";
    if (sign === "*") return "[^/]*";
    return sign.endsWith("/") ? "(?:[^]*/)?" : "[^]*";
  });
  return new RegExp(`^${source}$`, "u");
}

describe("glob", () => {
  test("has the forms of its table", () => {
    const rows: [pattern: string, fitting: string[], other: string[]][] = [
      ["latest", ["latest"], ["Latest", "latest1", "lates", ""]],
      ["*", ["latest", "", "a.b-c"], ["a/b"]],
      ["*-cve-*", ["24.04-20260221-cve-2026-1", "-cve-"], ["cve-1", "24.04-cve"]],
      ["**", ["a", "a/b/c", ""], []],
      ["team/*", ["team/a", "team/"], ["team", "team/a/b"]],
      ["team/**", ["team/a", "team/a/b"], ["team"]],
      ["**/base", ["base", "a/base", "a/b/base"], ["abase", "base/a"]],
      ["a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb", "axb"]],
      ["v?.?", ["v1.2"], ["v1.", "v1/2", "v12"]],
      ["{a,b}c", ["ac", "bc"], ["c", "abc"]],
      ["{,x}y", ["y", "xy"], ["x"]],
      ["{v[0-9]*,release-{a,b}}", ["v1", "v1.2", "release-a"], ["va", "release-c"]],
      ["[a-c]1", ["a1", "c1"], ["d1", "1"]],
      ["[!a-c]1", ["d1"], ["a1", "/1"]],
      ["[^a]", ["b"], ["a", "/"]],
      ["[-a]", ["-", "a"], ["b"]],
      ["[a-]", ["-", "a"], ["b"]],
      ["[\\]]", ["]"], ["\\"]],
      ["\\*", ["*"], ["a"]],
      ["a,b", ["a,b"], ["a", "b"]],
      ["?", ["ü", "🙂"], ["", "ab"]],
    ];
    for (const [pattern, fitting, other] of rows) {
      for (const text of fitting) assert.ok(glob(pattern).matches(text), `${pattern} should fit ${text}`);
      for (const text of other) assert.ok(!glob(pattern).matches(text), `${pattern} should not fit ${text}`);
    }
  });

  test("says what is wrong", () => {
    for (const [pattern, about] of [
      ["", /empty/],
      ["{a", /\{ without/],
      ["{a,{b}", /\{ without/],
      ["a}", /\} without/],
      ["[a", /\[ without/],
      ["[a-", /\[ without/],
      ["[]", /empty class/],
      ["[z-a]", /backwards/],
      ["a\\", /backslash/],
      ["a".repeat(globChars + 1), /more than/],
    ] as const) {
      const read = readGlob(pattern);
      assert.ok("invalid" in read, pattern);
      assert.match(read.invalid, about);
    }
  });

  test("reads any text or refuses it, and never throws", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...Array.from("ab/*?{},[]!-\\^")) }),
        fc.string(),
        (pattern, text) => {
          const read = readGlob(pattern);
          if ("invalid" in read) assert.notEqual(read.invalid, "");
          else assert.equal(typeof read.matches(text), "boolean");
        },
      ),
    );
  });

  test("agrees with a slow expression", () => {
    const short = fc.string({ unit: fc.constantFrom("a", "b", "/"), maxLength: 8 });
    const pattern = fc
      .array(fc.constantFrom("a", "b", "/", "*", "**", "?"), { minLength: 1, maxLength: 6 })
      .map((parts) => parts.join(""));
    fc.assert(
      fc.property(pattern, fc.array(short, { maxLength: 12 }), (text, names) => {
        const read = glob(text);
        for (const name of names) assert.equal(read.matches(name), slowly(text).test(name), `${text} on ${name}`);
      }),
      { numRuns: 500 },
    );
  });

  test("takes a name as itself when it is escaped", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 40 }), (name) => {
        const escaped = Array.from(name, (char) => `\\${char}`).join("");
        assert.ok(glob(escaped).matches(name));
      }),
    );
  });

  test("is not slowed down by a hostile pattern", () => {
    const text = `${"a".repeat(20_000)}b`;
    for (const pattern of ["*a".repeat(100) + "c", "{a,*}".repeat(50) + "c", "{a,{a,{a,a*}*}*}".repeat(15)]) {
      const start = performance.now();
      glob(pattern).matches(text);
      assert.ok(performance.now() - start < 2000, pattern);
    }
  });
});
