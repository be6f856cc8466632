import { strict as assert } from "node:assert";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

/** Rows of the study's list of edge cases; its numbers are those of the README's table. */
const lastNumber = 62;

test("the README's table of edge cases has every number, and names tests that exist", async () => {
  const folder = import.meta.dirname;
  const rows = (await readFile(join(folder, "README.md"), "utf8")).split("\n").filter((line) => /^\| \d/.test(line));
  const numbers = rows.flatMap((row) => {
    const [, first, last] = /^\| (\d+)(?:–(\d+))? \|/.exec(row) ?? [];
    return Array.from({ length: Number(last ?? first) - Number(first) + 1 }, (_, at) => Number(first) + at);
  });
  assert.deepEqual(
    numbers,
    Array.from({ length: lastNumber }, (_, at) => at + 1),
  );
  for (const row of rows) {
    const named = [...row.matchAll(/\[([^\]]+)\]\(([^)]+)\)/g)];
    assert.ok(named.length > 0 || row.includes("| not offered: "), row);
    for (const [, name = "", path = ""] of named)
      assert.ok((await readFile(join(folder, path), "utf8")).includes(name), `${path} has no "${name}"`);
  }
});
