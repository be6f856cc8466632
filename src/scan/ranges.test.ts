import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { RangeEvent } from "../store/advisories-records.ts";
import { matchExtent } from "./ranges.ts";
import { compareDpkg } from "./versions/dpkg.ts";

function fixOf(version: string, ...ranges: RangeEvent[][]): string | undefined | false {
  const match = matchExtent(version, { ranges, versions: [] }, compareDpkg);
  return match === undefined ? false : match.fixedVersion;
}

test("ranges end before their fix and after their last affected version", () => {
  assert.equal(
    fixOf("1.1", [
      ["introduced", "0"],
      ["fixed", "1.2"],
    ]),
    "1.2",
  );
  assert.equal(
    fixOf("1.2", [
      ["introduced", "0"],
      ["fixed", "1.2"],
    ]),
    false,
  );
  assert.equal(
    fixOf("1.2~rc1", [
      ["introduced", "0"],
      ["fixed", "1.2"],
    ]),
    "1.2",
  );
  assert.equal(
    fixOf("~", [
      ["introduced", "0"],
      ["fixed", "1.2"],
    ]),
    "1.2",
  );
  assert.equal(fixOf("9", [["introduced", "0"]]), undefined);
  assert.equal(
    fixOf("1.2", [
      ["introduced", "1"],
      ["last_affected", "1.2"],
    ]),
    undefined,
  );
  assert.equal(
    fixOf("1.2.1", [
      ["introduced", "1"],
      ["last_affected", "1.2"],
    ]),
    false,
  );
  assert.equal(
    fixOf("0.9", [
      ["introduced", "1"],
      ["fixed", "2"],
    ]),
    false,
  );
});

test("several ranges and unordered events are one set", () => {
  const events: RangeEvent[] = [
    ["fixed", "1.21.3"],
    ["introduced", "1.21.0"],
    ["fixed", "1.20.10"],
    ["introduced", "0"],
  ];
  assert.equal(fixOf("1.20.9", events), "1.20.10");
  assert.equal(fixOf("1.20.11", events), false);
  assert.equal(fixOf("1.21.2", events), "1.21.3");
  assert.equal(
    fixOf(
      "5",
      [["introduced", "0"]],
      [
        ["introduced", "4"],
        ["fixed", "6"],
      ],
    ),
    "6",
  );
});

test("a version of the list is affected, and its fix is the next in the ranges", () => {
  const extent = {
    ranges: [
      [
        ["introduced", "0"],
        ["fixed", "1"],
      ],
      [
        ["introduced", "3"],
        ["fixed", "4"],
      ],
    ] as RangeEvent[][],
    versions: ["2-1"],
  };
  assert.deepEqual(matchExtent("2-1", extent, compareDpkg), {
    range: "in the list of affected versions",
    fixedVersion: "4",
  });
  assert.equal(matchExtent("2-2", extent, compareDpkg), undefined);
});

test("a range agrees with walking its versions one by one", () => {
  const kinds = fc.constantFrom("introduced", "fixed", "last_affected");
  const events = fc.uniqueArray(fc.tuple(kinds, fc.nat(12).map(String)), { maxLength: 6, selector: ([, at]) => at });
  fc.assert(
    fc.property(events, fc.integer({ min: 1, max: 13 }), (list, version) => {
      let affected = false;
      for (let at = 0; at <= version; at++) {
        for (const [kind, point] of list) {
          if (kind === "introduced" && Number(point) === at) affected = true;
          if (kind === "fixed" && Number(point) === at) affected = false;
          if (
            kind === "last_affected" &&
            Number(point) + 1 === at &&
            !list.some(([other, start]) => other === "introduced" && Number(start) === at)
          )
            affected = false;
        }
      }
      const match = matchExtent(
        String(version),
        { ranges: [list as RangeEvent[]], versions: [] },
        (a, b) => Number(a) - Number(b),
      );
      assert.equal(match !== undefined, affected, JSON.stringify(list));
      if (match?.fixedVersion !== undefined) assert.ok(Number(match.fixedVersion) > version);
    }),
    { numRuns: 500 },
  );
});
