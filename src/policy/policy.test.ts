import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { severities, type Finding, type ScanReport, type Severity } from "../model/finding.ts";
import type { Exception } from "../model/verdict.ts";
import { defaultPolicy, judge, parseException, policyDocument, type Facts } from "./policy.ts";

const now = "2026-11-20T12:00:00Z";

function finding(id: string, severity: Severity, fixedVersion?: string): Finding {
  const item = {
    type: "deb",
    name: "libssl3",
    version: "1",
    architecture: "amd64",
    source: "openssl",
    sourceVersion: "1",
  };
  return {
    id,
    aliases: [`DEBIAN-${id}`],
    package: item,
    severity,
    severitySource: "cvss-3.1",
    fixedVersion,
    title: "",
    reason: "",
    feed: "f",
    links: [],
  };
}

function exception(changes: Partial<Exception> = {}): Exception {
  return {
    id: "e1",
    vulnerability: "CVE-2026-0001",
    package: undefined,
    repository: undefined,
    reason: "not reachable from outside",
    author: "ada",
    createdAt: "2026-11-01T00:00:00Z",
    expiresAt: "2026-12-01T00:00:00Z",
    ...changes,
  };
}

function facts(findings: readonly Finding[], changes: Partial<Facts> = {}): Facts {
  const report: ScanReport = {
    schemaVersion: 1,
    scannedAt: now,
    packageCount: 1,
    findings,
    feeds: [],
    coverage: "complete",
  };
  return { report, exceptions: [], repository: "base", now, policy: defaultPolicy, policySha256: "00", ...changes };
}

function rules(input: Facts): string {
  const verdict = judge(input);
  return [verdict.result, ...verdict.reasons.map((reason) => reason.rule)].join(" ");
}

const critical = finding("CVE-2026-0001", "critical", "2");

test("critical denies, the rest of the severities pass, unknown warns", () => {
  assert.equal(rules(facts([critical])), "fail severity-critical");
  assert.equal(rules(facts([finding("CVE-2026-0002", "high")])), "pass");
  assert.equal(rules(facts([finding("CVE-2026-0002", "unknown")])), "pass severity-unknown");
  assert.equal(rules(facts([])), "pass");
  assert.equal(
    rules(facts([finding("CVE-2026-0002", "high")], { policy: { ...defaultPolicy, block: ["critical", "high"] } })),
    "fail severity-high",
  );
  assert.equal(
    rules(facts([finding("CVE-2026-0002", "unknown")], { policy: { ...defaultPolicy, block: ["unknown"] } })),
    "fail severity-unknown",
  );
});

test("unfixed findings deny unless the policy says otherwise", () => {
  const open = finding("CVE-2026-0001", "critical");
  assert.equal(rules(facts([open])), "fail severity-critical");
  assert.equal(rules(facts([open], { policy: { ...defaultPolicy, unfixedToo: false } })), "pass unfixed-critical");
  assert.equal(rules(facts([critical], { policy: { ...defaultPolicy, unfixedToo: false } })), "fail severity-critical");
});

test("missing data denies and no exception excuses it", () => {
  const report = { ...facts([]).report, coverage: "no-data" as const };
  assert.equal(rules(facts([], { report })), "fail no-data");
  assert.equal(
    rules(facts([], { report, exceptions: [exception({ vulnerability: "no-data" })] })),
    "fail no-data exception-unused",
  );
});

test("an exception excuses within its scope and its time", () => {
  const verdict = judge(facts([critical], { exceptions: [exception()] }));
  assert.equal(verdict.result, "pass");
  assert.deepEqual(verdict.reasons[0], {
    rule: "exception",
    outcome: "allow",
    message:
      "CVE-2026-0001 in libssl3 1 (critical) is excused until 2026-12-01T00:00:00Z by ada: not reachable from outside",
    finding: { id: "CVE-2026-0001", package: "libssl3", severity: "critical" },
    exception: "e1",
  });
  const given = (changes: Partial<Exception>): string => rules(facts([critical], { exceptions: [exception(changes)] }));
  assert.equal(given({ vulnerability: "DEBIAN-CVE-2026-0001" }), "pass exception");
  assert.equal(given({ package: "openssl", repository: "base" }), "pass exception");
  assert.equal(given({ package: "libssl3" }), "pass exception");
  assert.equal(given({ package: "zlib" }), "fail severity-critical exception-unused");
  assert.equal(given({ repository: "java" }), "fail severity-critical");
  assert.equal(given({ expiresAt: now }), "fail severity-critical exception-expired");
  assert.equal(given({ expiresAt: "never" }), "fail severity-critical exception-expired");
  assert.equal(given({ vulnerability: "CVE-2026-9999" }), "fail severity-critical exception-unused");
  assert.equal(given({ vulnerability: "CVE-2026-9999", expiresAt: now }), "fail severity-critical");
});

test("a verdict fails exactly if a reason denies, and an exception more never denies", () => {
  const anyId = fc.constantFrom("CVE-2026-0001", "CVE-2026-0002");
  const anyFinding = fc
    .tuple(anyId, fc.constantFrom(...severities), fc.option(fc.constant("2"), { nil: undefined }))
    .map((parts) => finding(...parts));
  const anyEnd = fc.constantFrom("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
  const anyException = fc.record({ vulnerability: anyId, expiresAt: anyEnd }).map((changes) => exception(changes));
  const anyInput = fc.record({
    findings: fc.array(anyFinding, { maxLength: 5 }),
    exceptions: fc.array(anyException, { maxLength: 3 }),
    more: anyException,
    unfixedToo: fc.boolean(),
  });
  fc.assert(
    fc.property(anyInput, ({ findings, exceptions, more, unfixedToo }) => {
      const policy = { ...defaultPolicy, unfixedToo };
      const verdict = judge(facts(findings, { exceptions, policy }));
      assert.equal(
        verdict.result === "fail",
        verdict.reasons.some((reason) => reason.outcome === "deny"),
      );
      if (verdict.result === "pass")
        assert.equal(judge(facts(findings, { exceptions: [...exceptions, more], policy })).result, "pass");
      assert.deepEqual(verdict, judge(facts(findings, { exceptions, policy })));
    }),
  );
});

test("equal policies have one document", () => {
  assert.equal(
    policyDocument({ name: "a", block: ["high", "critical", "high"], unfixedToo: true }),
    policyDocument({ unfixedToo: true, block: ["critical", "high"], name: "a" }),
  );
  assert.equal(
    policyDocument(defaultPolicy),
    '{"block":["critical"],"name":"default","schemaVersion":1,"unfixedToo":true}',
  );
});

test("an exception needs vulnerability, reason, author and a future end", () => {
  const good = {
    vulnerability: "CVE-2026-0001",
    reason: "not reachable from outside",
    author: "ada",
    expiresAt: "2027-01-31",
  };
  assert.deepEqual(parseException(good, now), {
    exception: { ...good, package: undefined, repository: undefined, expiresAt: "2027-01-31T00:00:00Z" },
  });
  const problems = (changes: Record<string, unknown>): readonly string[] => {
    const parsed = parseException({ ...good, ...changes }, now);
    return "problems" in parsed ? parsed.problems : [];
  };
  assert.deepEqual(problems({ reason: " ", author: undefined }), [
    '"reason" must be a sentence of 10 to 2000 characters that says why',
    '"author" must be the name of who answers for it',
  ]);
  assert.match(problems({ expiresAt: "2026-11-20" })[0]!, /future/);
  assert.match(problems({ expiresAt: "2027-13-45" })[0]!, /calendar/);
  assert.match(problems({ expiresAt: "tomorrow" })[0]!, /date such as/);
  assert.match(problems({ expiresAt: "2027-01-31T10:00" })[0]!, /zone/);
  assert.match(problems({ package: "two words" })[0]!, /without spaces/);
  assert.match(problems({ packge: "zlib" })[0]!, /not a member/);
  assert.equal(problems({}).length, 0);
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.anything()), (input) => "problems" in parseException(input, now)),
  );
});
