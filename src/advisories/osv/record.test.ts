import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseJsonRecord, readOsvRecord } from "./record.ts";

const record = {
  schema_version: "1.7.4",
  id: "DEBIAN-CVE-2026-0001",
  modified: "2026-11-01T12:00:00Z",
  upstream: ["CVE-2026-0001"],
  aliases: ["CVE-2026-0001"],
  details: "First line\nsecond line",
  severity: [{ type: "CVSS_V3", score: "CVSS:3.1/…" }],
  database_specific: { severity: "HIGH" },
  references: [
    { type: "WEB", url: "https://example.org/a" },
    { type: "WEB", url: "javascript:alert(1)" },
  ],
  affected: [
    {
      package: { ecosystem: "Debian:12", name: "zlib", purl: "pkg:deb/debian/zlib?arch=source" },
      ranges: [
        { type: "ECOSYSTEM", events: [{ introduced: "0" }, { fixed: "1.2" }] },
        { type: "GIT", repo: "x", events: [{ introduced: "0" }, { fixed: "abcdef" }] },
      ],
      ecosystem_specific: { urgency: "low" },
    },
    { ranges: [] },
  ],
};

test("what a scan needs is kept", () => {
  const read = readOsvRecord(record);
  assert.deepEqual(read, {
    advisory: {
      id: "DEBIAN-CVE-2026-0001",
      aliases: ["CVE-2026-0001"],
      title: "First line second line",
      ratings: [
        { scheme: "CVSS_V3", value: "CVSS:3.1/…" },
        { scheme: "database", value: "HIGH" },
      ],
      links: ["https://example.org/a"],
      modifiedAt: Date.UTC(2026, 10, 1, 12),
      affected: [
        {
          ecosystem: "Debian:12",
          name: "zlib",
          ranges: [
            [
              ["introduced", "0"],
              ["fixed", "1.2"],
            ],
          ],
          versions: [],
          rating: { scheme: "Debian", value: "low" },
        },
      ],
    },
  });
});

test("a withdrawn record affects nothing", () => {
  const read = readOsvRecord({ ...record, withdrawn: "2026-11-02T00:00:00Z" });
  assert.deepEqual("advisory" in read && read.advisory.affected, []);
});

test("a record of the wrong shape is a problem in words, not an exception", () => {
  assert.deepEqual(readOsvRecord({ ...record, id: 7 }), {
    problem: "id: Invalid input: expected string, received number",
  });
  assert.ok("problem" in readOsvRecord({ ...record, modified: "yesterday" }));
  assert.ok("problem" in readOsvRecord({ ...record, affected: [{ package: { ecosystem: "x" } }] }));
  assert.ok(
    "problem" in
      readOsvRecord({
        ...record,
        affected: [{ package: { ecosystem: "x", name: "y" }, ranges: [{ type: "ECOSYSTEM", events: [{ fixed: 1 }] }] }],
      }),
  );
  assert.ok("problem" in parseJsonRecord(Buffer.from("{")));
  assert.ok("value" in parseJsonRecord(Buffer.from("{}")));
  fc.assert(fc.property(fc.anything(), (value) => "problem" in readOsvRecord(value)));
});
