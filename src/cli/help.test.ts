import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { commandTable } from "./command-table.ts";
import { helpTexts, runProgram } from "./program.ts";

const golden = join(import.meta.dirname, "help.golden.txt");

describe("help", () => {
  test("is what the golden file says", async () => {
    const text = await helpTexts();
    if (process.env["MINTMARK_WRITE_GOLDEN"] === "1") await writeFile(golden, text);
    assert.equal(
      text,
      await readFile(golden, "utf8"),
      "run the test once with MINTMARK_WRITE_GOLDEN=1 and look at the difference",
    );
  });

  test("has examples on every command", async () => {
    for (const part of (await helpTexts()).split("\n----\n").slice(1))
      assert.match(part, /\nExamples:\n {2}\$ mintmark /, part.split("\n")[0]!);
  });

  test("suggests the command that was meant, and ends with code 2", async () => {
    const { code, err } = await runWith(["biuld"]);
    assert.equal(code, 2);
    assert.match(err, /unknown command 'biuld'\nhint: {2}Did you mean `mintmark build`\?/);
    const unknownFlag = await runWith(["scan", "--sverity", "high", "x"]);
    assert.equal(unknownFlag.code, 2);
    assert.match(unknownFlag.err, /unknown option '--sverity'\nhint: {2}See `mintmark scan --help`/);
  });

  test("prints help and version on standard output with code 0", async () => {
    for (const args of [["--help"], ["help", "build"], ["build", "--help"]]) {
      const { code, out } = await runWith(args);
      assert.equal(code, 0);
      assert.match(out, /^Usage: mintmark /);
    }
    assert.equal((await runWith(["--version"])).out, "1.2.3\n");
  });

  test("names every command once, in lower case", () => {
    const names = commandTable.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    for (const name of names) assert.match(name, /^[a-z]+$/);
  });
});

describe("command line", () => {
  test("takes global flags before and after the command", async () => {
    for (const args of [
      ["--listen", "127.0.0.1:9", "config", "explain", "listen", "--json"],
      ["config", "explain", "listen", "--json", "--listen", "127.0.0.1:9"],
    ]) {
      const { code, out } = await runWith(args);
      assert.equal(code, 0);
      const { keys } = JSON.parse(out) as { keys: { value: string; source: string }[] };
      assert.deepEqual([keys[0]?.value, keys[0]?.source], ["127.0.0.1:9", "flag --listen"]);
    }
  });

  test("prints failures as two lines, or as JSON, with the code of the table", async () => {
    const plain = await runWith(["config", "explain", "listn"]);
    assert.equal(plain.code, 2);
    assert.match(plain.err, /^error: Cannot explain "listn".*\nhint: {2}Did you mean "listen"\?\n$/);
    const json = await runWith(["--json", "config", "explain", "listn"]);
    assert.equal((JSON.parse(json.err) as { error: { code: string } }).error.code, "usage");
  });
});

async function runWith(args: string[]): Promise<{ code: number; out: string; err: string }> {
  const written = { out: "", err: "" };
  const code = await runProgram({
    args,
    environment: { HOME: import.meta.dirname },
    stdout: { write: (text) => (written.out += text) },
    stderr: { write: (text) => (written.err += text) },
    stopped: new AbortController().signal,
    version: "1.2.3",
  });
  return { code, ...written };
}
