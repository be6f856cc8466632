import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { AuditRecord } from "../../store/event-records.ts";
import { csvHeader, csvLine } from "./csv.ts";

const sample: AuditRecord = {
  sequence: 7,
  id: "i",
  at: 0,
  actor: "alice",
  address: undefined,
  action: "image.deleted",
  project: "team",
  subject: "team/app:1",
  details: { reason: 'old, "unused"' },
  hash: "ab",
};

test("a line has the columns of the header, quoted as RFC 4180 asks", () => {
  assert.equal(
    csvLine(sample),
    '7,1970-01-01T00:00:00.000Z,alice,,image.deleted,team,team/app:1,"{""reason"":""old, \\""unused\\""""}",ab\r\n',
  );
  assert.equal(csvHeader.split(",").length, 9);
});

test("no cell is a formula, and every other text comes back as it was", () => {
  for (const start of ["=", "+", "-", "@", "\t", "\r", "\n", "＝"]) {
    const line = csvLine({ ...sample, actor: `${start}cmd|'/c calc'!A1`, subject: `${start}1,2` });
    assert.deepEqual(parse(line).slice(2, 3), [`'${start}cmd|'/c calc'!A1`]);
    assert.equal(parse(line)[6], `'${start}1,2`);
  }
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const cells = parse(csvLine({ ...sample, actor: text }));
      assert.equal(cells.length, 9);
      assert.equal(cells[2]!.replace(/^'(?=[=+\-@\t\r\n＝＋－＠])/, ""), text);
    }),
  );
});

/** Reads one line of RFC 4180 with the terminator of the record. */
function parse(line: string): string[] {
  const cells: string[] = [];
  const pattern = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n$)/gy;
  for (const [, quoted, plain = ""] of line.matchAll(pattern)) cells.push(quoted?.replaceAll('""', '"') ?? plain);
  return cells;
}
