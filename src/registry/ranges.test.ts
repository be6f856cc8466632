import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { parseContentRange, parseRange } from "./ranges.ts";

describe("ranges", () => {
  const cases: readonly (readonly [string | undefined, unknown])[] = [
    [undefined, undefined],
    ["bytes=500-1499", { start: 500, end: 1499 }],
    ["bytes=500-", { start: 500, end: 1999 }],
    ["bytes=-500", { start: 1500, end: 1999 }],
    ["bytes=-5000", { start: 0, end: 1999 }],
    ["bytes=1500-5000", { start: 1500, end: 1999 }],
    ["bytes=500-0", "unsatisfiable"],
    ["bytes=2000-", "unsatisfiable"],
    ["bytes=5000-10000", "unsatisfiable"],
    ["bytes=-0", "unsatisfiable"],
    ["bytes=-", undefined],
    ["bytes=0-1,5-6", undefined],
    ["lines=1-2", undefined],
    [`bytes=${"9".repeat(30)}-`, undefined],
  ];
  for (const [header, expected] of cases)
    test(`reads "${header ?? "no header"}" of 2000 bytes`, () => assert.deepEqual(parseRange(header, 2000), expected));

  test("finds nothing in an empty blob", () => {
    assert.equal(parseRange("bytes=0-", 0), "unsatisfiable");
    assert.equal(parseRange("bytes=-1", 0), "unsatisfiable");
  });

  test("always stays inside the blob", () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.nat(5000), (first, last, size) => {
        const range = parseRange(`bytes=${first}-${last}`, size);
        if (typeof range === "object") assert.ok(range.start <= range.end && range.end < size);
      }),
    );
  });

  test("reads the range of a chunk", () => {
    assert.deepEqual(parseContentRange("0-99"), { start: 0, end: 99 });
    assert.deepEqual(parseContentRange("bytes 0-99/200"), { start: 0, end: 99 });
    for (const bad of ["", "0", "5-4", "a-b", "-5", "0-99-100"]) assert.equal(parseContentRange(bad), undefined);
  });
});
