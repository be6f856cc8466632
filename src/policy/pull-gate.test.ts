import assert from "node:assert/strict";
import { test } from "node:test";
import { severities } from "../model/finding.ts";
import { severityBounds, type PullGate } from "../model/pull-gate.ts";
import { blockedSeverities, needsScan, refusalMessage, type BlockingFinding } from "./policy.ts";

const open: PullGate = {
  requireVerdict: false,
  maxSeverity: undefined,
  allowUnfixed: false,
  requireSignature: false,
  trustedKeys: [],
};

test("a bound denies what is worse, and a verdict what the site denies", () => {
  const denied = (gate: Partial<PullGate>): string => blockedSeverities({ ...open, ...gate }, ["low"]).join();
  assert.equal(denied({}), "");
  assert.equal(denied({ maxSeverity: "critical" }), "");
  assert.equal(denied({ maxSeverity: "medium" }), "critical,high");
  assert.equal(denied({ maxSeverity: "none" }), severities.join());
  assert.equal(denied({ requireVerdict: true }), "low");
  assert.equal(denied({ requireVerdict: true, maxSeverity: "high" }), "critical,low");
  for (const [at, maxSeverity] of severityBounds.slice(0, -1).entries())
    assert.equal(blockedSeverities({ ...open, maxSeverity }, []).length, at, maxSeverity);
});

test("a bound alone needs a scan, too: what is not known may be worse", () => {
  assert.equal(needsScan({ ...open, requireSignature: true }), false);
  assert.equal(needsScan({ ...open, maxSeverity: "critical" }), true);
  assert.equal(needsScan({ ...open, requireVerdict: true }), true);
});

test("a refusal names a few findings, counts the rest, is one line, and offers the first a way out", () => {
  const findings = Array.from({ length: 8 }, (_, at): BlockingFinding => ({
    id: `CVE-2026-100${at}`,
    severity: "critical",
    package: "openssl",
    version: "3.0.11-1",
    fixedVersion: at === 0 ? "3.0.15-1" : undefined,
  }));
  const image = { image: "team/app@sha256:abc", platform: undefined, findings, missing: ["no signature: none exists"] };
  const message = refusalMessage("team", "team/app", [image]);
  assert.match(
    message,
    /^The project "team" does not give out team\/app@sha256:abc: no signature: none exists; CVE-2026-1000/,
  );
  assert.match(message, /CVE-2026-1004 .*; and 3 more\. Update the package/);
  assert.doesNotMatch(message, /CVE-2026-1005|\n/);
  const unfixed = refusalMessage("team", "team/app", [{ ...image, missing: [], findings: findings.slice(1, 2) }]);
  assert.match(
    unfixed,
    /no fixed version yet\. Allow each finding until a date: mintmark exception create CVE-2026-1001/,
  );
  const unsigned = refusalMessage("team", "team/app", [{ ...image, findings: [] }]);
  assert.doesNotMatch(unsigned, /exception/, "an exception does not help there");
});
