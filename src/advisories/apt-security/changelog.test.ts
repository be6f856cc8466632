import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseChangelog, vulnerabilitiesOf } from "./changelog.ts";

const text = `openssl (3.0.17-1~deb12u3) bookworm-security; urgency=high (HIGH for users of x)

  * CVE-2025-9230 (Out-of-bounds read & write in RFC 3211 KEK Unwrap)
  * Fix a thing that
    is also known as CVE-2025-9232,
    cve-2025-1111.
  [ Somebody ]
  * Nothing to see.

 -- Somebody <some@body.example>  Sat, 27 Sep 2025 13:31:23 +0200

openssl (3.0.17-1~deb12u2) bookworm; urgency=medium; binary-only=yes

  * Rebuild.

 -- Somebody <some@body.example>  Sat, 26 Jul 2025 18:49:54 +0200

Old text without a head.
`;

test("entries keep version, urgency and items", () => {
  const entries = parseChangelog(text);
  assert.deepEqual(
    entries.map((entry) => [entry.source, entry.version, entry.urgency]),
    [
      ["openssl", "3.0.17-1~deb12u3", "high"],
      ["openssl", "3.0.17-1~deb12u2", "medium"],
    ],
  );
  assert.deepEqual(
    [...vulnerabilitiesOf(entries[0]!)],
    [
      ["CVE-2025-9230", "CVE-2025-9230 (Out-of-bounds read & write in RFC 3211 KEK Unwrap)"],
      ["CVE-2025-9232", "Fix a thing that is also known as CVE-2025-9232, cve-2025-1111."],
      ["CVE-2025-1111", "Fix a thing that is also known as CVE-2025-9232, cve-2025-1111."],
    ],
  );
  assert.equal(vulnerabilitiesOf(entries[1]!).size, 0);
});

test("what was written is read back", () => {
  const version = fc.stringMatching(/^\d[0-9a-z.+~-]{0,8}$/);
  const line = fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/);
  const entry = fc.record(
    {
      source: fc.stringMatching(/^[a-z][a-z0-9+.-]{1,8}$/),
      version,
      urgency: fc.constantFrom("low", "medium", "high"),
      lines: fc.array(line, { maxLength: 4 }),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 4 }), (entries) => {
      const written = entries.map(
        (one) =>
          `${one.source} (${one.version}) bookworm-security; urgency=${one.urgency}\n\n${one.lines.map((item) => `  ${item}\n`).join("")}\n -- A <a@b.example>  Sat, 26 Jul 2025 18:49:54 +0200\n\n`,
      );
      assert.deepEqual(parseChangelog(written.join("")), entries);
    }),
  );
});

test("no text makes it throw", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), (any) =>
      parseChangelog(any).every((entry) => vulnerabilitiesOf(entry).size >= 0),
    ),
  );
});
