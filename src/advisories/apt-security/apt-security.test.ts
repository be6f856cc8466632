import assert from "node:assert/strict";
import { test } from "node:test";
import type { Package } from "../../model/package.ts";
import { securityAdvisories, type SecurityCandidate, type SecuritySuiteInput } from "./apt-security.ts";

/** Stands for dpkg's order, which belongs to another room: numbers are enough here. */
const compare = (a: string, b: string): number => Number(a) - Number(b);

function installed(name: string, source: string, sourceVersion: string): Package {
  return { type: "deb", name, version: sourceVersion, architecture: "amd64", source, sourceVersion };
}

function offered(name: string, source: string, version: string): SecurityCandidate {
  return {
    name,
    architecture: "amd64",
    source,
    candidateVersion: version,
    candidateSourceVersion: version,
    suite: "bookworm-security",
    dateSeconds: 1_700_000_000,
  };
}

function input(packages: Package[], candidates: SecurityCandidate[], changelog?: string): SecuritySuiteInput {
  return {
    packages,
    suites: { packageCount: candidates.length, dateSeconds: 1_700_000_000 },
    candidates,
    distribution: { id: "debian", version: "12", codename: "bookworm" },
    ecosystem: "Debian:12",
    changelogOf: async () => changelog,
    compare,
  };
}

const changelog = `s (6) x; urgency=low\n\n  * later than the candidate CVE-2026-0006\n\ns (5) x; urgency=medium\n\n  * again CVE-2026-0004\n  * CVE-2026-0005\n\ns (4) x; urgency=high\n\n  * first CVE-2026-0004\n\ns (3) x; urgency=high\n\n  * installed CVE-2026-0003\n`;

test("the CVEs of the entries above the installed version up to the candidate count, each fixed where it first stands", async () => {
  const advisories = await securityAdvisories(
    input(
      [installed("a", "s", "3"), installed("b", "s", "3")],
      [offered("a", "s", "5"), offered("a", "s", "4"), offered("b", "s", "5")],
      changelog,
    ),
  );
  assert.deepEqual(
    advisories.map(({ id, title, ratings, affected }) => [id, title, ratings[0]?.value, affected[0]?.ranges]),
    [
      [
        "CVE-2026-0004",
        "first CVE-2026-0004",
        "high",
        [
          [
            ["introduced", "0"],
            ["fixed", "4"],
          ],
        ],
      ],
      [
        "CVE-2026-0005",
        "CVE-2026-0005",
        "medium",
        [
          [
            ["introduced", "0"],
            ["fixed", "5"],
          ],
        ],
      ],
    ],
  );
  assert.equal(advisories[0]?.affected[0]?.name, "s");
  assert.equal(advisories[0]?.modifiedAt, 1_700_000_000_000);
});

test("an update without a CVE or without a changelog is still told", async () => {
  const outdated = [installed("a", "s", "3")];
  const silent = await securityAdvisories(
    input(outdated, [offered("a", "s", "4")], "s (4) x; urgency=medium\n\n  * Nothing.\n"),
  );
  assert.deepEqual(
    silent.map(({ id, title, ratings }) => [id, title, ratings]),
    [
      [
        "DEBIAN-UPDATE:s:4",
        "bookworm-security offers s 4; its changelog names no CVE",
        [{ scheme: "changelog-urgency", value: "medium" }],
      ],
    ],
  );
  const unread = await securityAdvisories(input(outdated, [offered("a", "s", "4")]));
  assert.deepEqual(
    unread.map(({ id, title, ratings }) => [id, title, ratings]),
    [["DEBIAN-UPDATE:s:4", "bookworm-security offers s 4; its changelog could not be read", []]],
  );
});

test("what is up to date, newer, foreign or renamed gives nothing", async () => {
  const packages = [
    installed("a", "s", "4"),
    installed("b", "s", "9"),
    { ...installed("c", "s", "1"), architecture: "arm64" },
    installed("d", "other", "1"),
    { ...installed("e", "s", "1"), type: "npm" },
  ];
  const candidates = ["a", "b", "c", "d", "e"].map((name) => offered(name, "s", "4"));
  assert.deepEqual(await securityAdvisories(input(packages, candidates, changelog)), []);
});
