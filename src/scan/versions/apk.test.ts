import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compareApk } from "./apk.ts";

test("versions are ordered as apk orders them", () => {
  const ordered = [
    [
      "1.0_alpha-r0",
      "1.0_alpha1-r0",
      "1.0_beta-r0",
      "1.0_pre2-r0",
      "1.0_rc1-r0",
      "1.0_rc1-r1",
      "1.0-r0",
      "1.0_cvs1-r0",
      "1.0_git2-r0",
      "1.0_p1-r0",
    ],
    ["3.3.1-r3", "3.3.2-r0", "3.3.2-r1", "3.3.2-r10", "3.3.10-r0"],
    ["1.2.9", "1.2.10", "1.2.10a", "1.2.10b", "1.2.10.1"],
    ["0.20200101", "0.20210101", "1", "1-r0"],
    ["9.9.9999999999999999998", "9.9.9999999999999999999"],
  ];
  for (const versions of ordered)
    for (const [at, version] of versions.entries())
      for (const [other, later] of versions.entries())
        assert.equal(Math.sign(compareApk(version, later)), Math.sign(at - other), `${version} and ${later}`);
});

test("a leading zero behind a dot makes a fraction of a number", () => {
  assert.ok(compareApk("1.01", "1.1") < 0);
  assert.ok(compareApk("1.001", "1.01") < 0);
  assert.equal(compareApk("1.0", "1.0"), 0);
});

test("the order is the same from both sides, whatever stands there", () => {
  const version = fc.oneof(
    fc.string({ maxLength: 12 }),
    fc
      .array(fc.constantFrom("1", "0", "12", ".", "_rc", "_p", "-r", "a", "_"), { maxLength: 8 })
      .map((parts) => parts.join("")),
  );
  fc.assert(
    fc.property(version, version, (a, b) => {
      assert.equal(Math.sign(compareApk(a, b)) + Math.sign(compareApk(b, a)), 0);
      assert.equal(compareApk(a, a), 0);
    }),
  );
});
