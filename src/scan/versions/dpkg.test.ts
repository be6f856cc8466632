import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { compareDpkg } from "./dpkg.ts";

const atoms = ["0", "1", "9", "10", "007", "~", "~~", "+", ".", "-", "a", "B", "z", "deb12u1", "rc", "dfsg", "really"];
const upstream = fc.array(fc.constantFrom(...atoms), { maxLength: 6 }).map((parts) => `${parts.join("")}`);
const version = fc
  .tuple(
    fc.constantFrom("", "0:", "1:", "02:"),
    fc.nat(30),
    upstream,
    fc.option(
      upstream.map((text) => text.replaceAll("-", "")),
      { nil: undefined },
    ),
  )
  .map(
    ([epoch, first, rest, revision]) =>
      `${epoch}${first}${revision === undefined ? rest.replaceAll("-", "") : rest}${revision === undefined ? "" : `-1${revision}`}`,
  );

test("published orders hold", () => {
  const ordered = ["1.0~~", "1.0~~a", "1.0~", "1.0", "1.0-1", "1.0a", "1.0+", "1.0.1", "1.1", "1.10", "1:0~", "1:0.1"];
  for (const [index, item] of ordered.entries()) {
    for (const [other, right] of ordered.entries())
      assert.equal(Math.sign(compareDpkg(item, right)), Math.sign(index - other), `${item} ? ${right}`);
  }
  assert.equal(compareDpkg("1.0", "0:1.0"), 0);
  assert.equal(compareDpkg("1.0", "1.0-0"), 0);
  assert.equal(compareDpkg("1.01", "1.1"), 0);
  assert.ok(compareDpkg("1:1.2.11.dfsg-4", "1:1.2.11.dfsg-4.1") < 0);
  assert.ok(compareDpkg("3.0.11-1~deb12u2", "3.0.11-1") < 0);
  assert.ok(compareDpkg("5.6.1+really5.4.5-1", "5.6.1-1") > 0);
  assert.ok(compareDpkg("99999999999999999999999", "100000000000000000000000") < 0);
});

test("the order is total", () => {
  fc.assert(
    fc.property(
      fc.oneof(version, fc.string({ maxLength: 8 })),
      fc.oneof(version, fc.string({ maxLength: 8 })),
      version,
      (a, b, c) => {
        assert.equal(compareDpkg(a, a), 0);
        assert.equal(Math.sign(compareDpkg(a, b)), -Math.sign(compareDpkg(b, a)) || 0);
        const [x, y, z] = [a, b, c].sort(compareDpkg) as [string, string, string];
        assert.ok(compareDpkg(x, y) <= 0 && compareDpkg(y, z) <= 0 && compareDpkg(x, z) <= 0);
      },
    ),
    { numRuns: 2000 },
  );
});

test("the order is dpkg's own", (context) => {
  try {
    execFileSync("dpkg", ["--version"], { stdio: "ignore" });
  } catch {
    context.skip("dpkg is not installed: nothing to compare with");
    return;
  }
  const pairs = fc.sample(fc.tuple(version, version), { numRuns: 400, seed: 4 });
  const folder = mkdtempSync(join(tmpdir(), "mintmark-dpkg-"));
  try {
    writeFileSync(join(folder, "pairs"), pairs.map(([a, b]) => `${a} ${b}\n`).join(""));
    const loop =
      'while read -r a b; do if dpkg --compare-versions "$a" lt "$b"; then echo -1; elif dpkg --compare-versions "$a" eq "$b"; then echo 0; else echo 1; fi; done <pairs';
    const answers = execFileSync("sh", ["-c", loop], {
      cwd: folder,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    })
      .trim()
      .split("\n");
    assert.equal(answers.length, pairs.length);
    for (const [index, [a, b]] of pairs.entries())
      assert.equal(Math.sign(compareDpkg(a, b)), Number(answers[index]), `${a} ? ${b}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
