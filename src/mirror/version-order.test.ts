import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { compareVersions } from "./version-order.ts";

test("versions stand in SemVer's order", () => {
  const ordered = [
    "0.0.0-0",
    "0.0.1",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.0.1",
    "1.2.0",
    "1.10.0",
    "9007199254740993.0.0",
    "9007199254740994.0.0",
  ];
  for (const [at, one] of ordered.entries())
    for (const [otherAt, other] of ordered.entries())
      assert.equal(compareVersions(one, other), Math.sign(at - otherAt), `${one} against ${other}`);
  assert.equal(compareVersions("1.0.0+a", "1.0.0+b"), 0);
  assert.equal(compareVersions("1.0", "1.0.0.0"), 0);
});

test("the order is an order", () => {
  const number = fc.integer({ min: 0, max: 11 }).map(String);
  const label = fc.oneof(number, fc.constantFrom("a", "b", "rc", "a1"));
  const version = fc
    .tuple(fc.array(number, { minLength: 1, maxLength: 4 }), fc.array(label, { maxLength: 3 }))
    .map(([numbers, labels]) => numbers.join(".") + (labels.length > 0 ? `-${labels.join(".")}` : ""));
  fc.assert(
    fc.property(version, version, version, (a, b, c) => {
      assert.equal(compareVersions(a, b) + compareVersions(b, a), 0);
      const [first, second, third] = [a, b, c].toSorted(compareVersions);
      assert.ok(compareVersions(first!, third!) <= 0 && compareVersions(second!, third!) <= 0);
    }),
  );
});
