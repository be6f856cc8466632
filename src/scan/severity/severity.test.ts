import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { cvss2Score } from "./cvss2.ts";
import { cvss3Score } from "./cvss3.ts";
import { severityOf } from "./severity.ts";

/** Vectors and scores as FIRST and NVD publish them. */
const published3: readonly (readonly [string, number])[] = [
  ["CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8],
  ["CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10],
  ["CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", 7.8],
  ["CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", 7.5],
  ["CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1],
  ["CVSS:3.0/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N", 6.4],
  ["CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N", 3.1],
  ["CVSS:3.0/AV:N/AC:L/PR:L/UI:N/S:C/C:H/I:H/A:H", 9.9],
  ["CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:C/C:N/I:H/A:N", 6.8],
  ["CVSS:3.1/AV:P/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 6.8],
  ["CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:L/I:N/A:N", 5.8],
  ["CVSS:3.1/AV:N/AC:L/PR:L/UI:R/S:C/C:L/I:L/A:N", 5.4],
  ["CVSS:3.1/AV:A/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 8.8],
  ["CVSS:3.1/AV:P/AC:L/PR:N/UI:N/S:U/C:N/I:H/A:N", 4.6],
  ["CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:H/A:N", 7.4],
  ["CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:H/I:H/A:H/E:U/RC:C", 9.6],
  ["CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0],
];

test("CVSS 3 scores are the published ones", () => {
  for (const [vector, score] of published3) assert.equal(cvss3Score(vector), score, vector);
});

test("CVSS 2 scores are the published ones", () => {
  const published: readonly (readonly [string, number])[] = [
    ["AV:N/AC:L/Au:N/C:N/I:N/A:C", 7.8],
    ["AV:N/AC:L/Au:N/C:C/I:C/A:C", 10],
    ["AV:L/AC:H/Au:N/C:C/I:C/A:C", 6.2],
    ["(AV:N/AC:M/Au:N/C:N/I:P/A:N)", 4.3],
    ["AV:N/AC:L/Au:N/C:P/I:P/A:P", 7.5],
    ["AV:L/AC:L/Au:N/C:P/I:N/A:N", 2.1],
    ["AV:N/AC:L/Au:N/C:N/I:N/A:N", 0],
  ];
  for (const [vector, score] of published) assert.equal(cvss2Score(vector), score, vector);
});

test("what is no vector has no score", () => {
  for (const text of [
    "",
    "CVSS:3.1",
    "CVSS:3.1/AV:N",
    "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N",
    `${published3[0]![0]}/AV:L`,
  ]) {
    assert.equal(cvss3Score(text), undefined, text);
    assert.equal(cvss2Score(text), undefined, text);
  }
  fc.assert(fc.property(fc.string(), (text) => cvss3Score(text) === undefined && cvss2Score(text) === undefined));
});

test("scores lie between 0 and 10 in steps of a tenth, and more loss never scores less", () => {
  const pick = (metric: string, values: string): fc.Arbitrary<string> =>
    fc.constantFrom(...values.split("")).map((value) => `${metric}:${value}`);
  const start = fc.tuple(
    pick("AV", "NALP"),
    pick("AC", "LH"),
    pick("PR", "NLH"),
    pick("UI", "NR"),
    pick("S", "UC"),
    pick("C", "HLN"),
    pick("I", "HLN"),
  );
  fc.assert(
    fc.property(start, (parts) => {
      const [none, low, high] = ["N", "L", "H"].map((loss) => cvss3Score(`CVSS:3.1/${parts.join("/")}/A:${loss}`)!) as [
        number,
        number,
        number,
      ];
      for (const score of [none, low, high]) assert.ok(score >= 0 && score <= 10 && Number(score.toFixed(1)) === score);
      assert.ok(none <= low && low <= high);
    }),
  );
});

test("the distribution's word counts before CVSS 3, that before the database's, CVSS 2 and urgencies", () => {
  const cvss3 = { scheme: "CVSS_V3", value: published3[0]![0] };
  const cvss2 = { scheme: "CVSS_V2", value: "AV:N/AC:L/Au:N/C:C/I:C/A:C" };
  const cvss4 = { scheme: "CVSS_V4", value: "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N" };
  const urgency = { scheme: "changelog-urgency", value: "emergency" };
  const word = { scheme: "database", value: "MODERATE" };
  const summary = (...ratings: { scheme: string; value: string }[]): string => {
    const { severity, source } = severityOf(ratings);
    return `${severity} ${source}`;
  };
  assert.equal(summary(cvss3, { scheme: "Ubuntu", value: "low" }), "low ubuntu");
  assert.equal(summary(cvss3, { scheme: "Debian", value: "not yet assigned" }), "critical cvss-3.1");
  assert.equal(summary({ scheme: "Debian", value: "unimportant" }), "negligible debian");
  assert.equal(summary({ scheme: "Debian", value: "low**" }), "low debian");
  assert.equal(summary(urgency, cvss2, word, cvss3), "critical cvss-3.1");
  assert.equal(summary(cvss2, word), "medium database");
  assert.equal(summary(urgency, cvss2), "high cvss-2.0");
  assert.equal(summary(urgency), "critical changelog-urgency");
  assert.equal(summary(cvss4, word), "medium database");
  assert.equal(summary(cvss4), "unknown cvss-4.0");
  assert.equal(summary(), "unknown none");
});
