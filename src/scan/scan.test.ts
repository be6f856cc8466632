import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ScanReport } from "../model/finding.ts";
import type { Package } from "../model/package.ts";
import type { AdvisoryDescription, AdvisoryLookup, Candidate } from "../store/advisories-records.ts";
import { ecosystemFor, match, versionOrder, writeReport } from "./scan.ts";

const bookworm = { id: "debian", version: "12", codename: "bookworm" };
const image = { name: "base", digest: `sha256:${"ab".repeat(32)}`, toolVersion: "0.1.0" };

function deb(name: string, source: string, sourceVersion: string): Package {
  return { type: "deb", name, version: sourceVersion, architecture: "amd64", source, sourceVersion };
}

interface Entry extends Partial<AdvisoryDescription> {
  readonly id: string;
  readonly feed?: string;
  readonly name: string;
  readonly fixed?: string;
}

function lookupOf(entries: readonly Entry[], recordCount = entries.length): AdvisoryLookup {
  const keyed = entries.map((entry, index) => ({ ...entry, feed: entry.feed ?? "osv/Debian", key: String(index) }));
  return {
    feeds: async (ecosystem) =>
      [...new Set(keyed.map((entry) => entry.feed))].map((feed) => ({
        feed,
        dataAt: "2026-11-01T00:00:00Z",
        covers: ecosystem === "Debian:12",
        recordCount,
      })),
    candidates: async (ecosystem, names) =>
      keyed
        .filter((entry) => ecosystem === "Debian:12" && names.includes(entry.name))
        .map(({ feed, key, name, fixed }): Candidate => ({
          feed,
          key,
          name,
          versions: [],
          ranges: [[["introduced", "0"], ...(fixed === undefined ? [] : [["fixed", fixed] as const])]],
        })),
    describe: async (keys) =>
      new Map(
        keyed
          .filter((entry) => keys.includes(entry.key))
          .map(({ key, id, aliases = [], title = "", ratings = [], links = [] }) => [
            key,
            { id, aliases, title, ratings, links },
          ]),
      ),
  };
}

const critical = { scheme: "CVSS_V3", value: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H" };

test("a binary package is matched by its source and source version", async () => {
  const packages = [
    { ...deb("libssl3", "openssl", "3.0.11-1~deb12u1"), version: "3.0.11-1~deb12u1+b9" },
    deb("openssl", "openssl", "3.0.11-1~deb12u2"),
    deb("zip", "zip", "1"),
  ];
  const report = await match(
    packages,
    bookworm,
    lookupOf([
      {
        id: "DEBIAN-CVE-2023-5363",
        aliases: ["CVE-2023-5363"],
        name: "openssl",
        fixed: "3.0.11-1~deb12u2",
        ratings: [critical],
      },
    ]),
  );
  assert.equal(report.coverage, "complete");
  assert.equal(report.packageCount, 3);
  assert.equal(report.findings.length, 1);
  const [finding] = report.findings;
  assert.equal(finding?.id, "CVE-2023-5363");
  assert.deepEqual(finding?.aliases, ["DEBIAN-CVE-2023-5363"]);
  assert.equal(finding?.package.name, "libssl3");
  assert.equal(finding?.fixedVersion, "3.0.11-1~deb12u2");
  assert.equal(finding?.severity, "critical");
  assert.equal(
    finding?.reason,
    "Feed osv/Debian says in DEBIAN-CVE-2023-5363 that the source package openssl is affected (every version before 3.0.11-1~deb12u2); 3.0.11-1~deb12u1 is installed (dpkg order).",
  );
});

test("what several feeds report is one finding with the best of each", async () => {
  const same = await match(
    [deb("zlib1g", "zlib", "1:1.2")],
    bookworm,
    lookupOf([
      {
        id: "CVE-2026-0001",
        feed: "apt-security",
        name: "zlib",
        fixed: "1:1.3",
        ratings: [{ scheme: "changelog-urgency", value: "high" }],
        links: ["https://a.example"],
      },
      {
        id: "DEBIAN-CVE-2026-0001",
        aliases: ["CVE-2026-0001"],
        name: "zlib",
        title: "A long title",
        ratings: [critical],
        links: ["https://b.example"],
      },
    ]),
  );
  assert.equal(same.findings.length, 1);
  const [finding] = same.findings;
  assert.equal(finding?.severity, "critical");
  assert.equal(finding?.severitySource, "cvss-3.1");
  assert.equal(finding?.fixedVersion, "1:1.3");
  assert.equal(finding?.title, "A long title");
  assert.equal(finding?.feed, "osv/Debian");
  assert.match(finding!.reason, /apt-security/);
  assert.match(finding!.reason, /osv\/Debian/);
  assert.match(finding!.reason, /no fix yet/);
  assert.equal(finding?.links.length, 2);
});

test("an advisory of several CVEs gives a finding for each", async () => {
  const report = await match(
    [deb("a", "a", "1")],
    bookworm,
    lookupOf([{ id: "DSA-1-1", aliases: ["CVE-2026-0001", "CVE-2026-0002"], name: "a", fixed: "2" }]),
  );
  assert.deepEqual(
    report.findings.map((finding) => [finding.id, finding.aliases]),
    [
      ["CVE-2026-0001", ["DSA-1-1"]],
      ["CVE-2026-0002", ["DSA-1-1"]],
    ],
  );
});

test("silence of feeds without data is not clean", async () => {
  const coverage = async (version: string, lookup: AdvisoryLookup): Promise<ScanReport["coverage"]> =>
    (await match([deb("a", "a", "1")], { ...bookworm, version }, lookup)).coverage;
  const one = [{ id: "CVE-2026-0001", name: "b" }];
  assert.equal(await coverage("12", lookupOf(one)), "complete");
  assert.equal(await coverage("13", lookupOf(one)), "no-data");
  assert.equal(await coverage("12", lookupOf([])), "no-data");
  assert.equal(await coverage("12", lookupOf(one, 0)), "no-data");
  assert.equal(await coverage("trixie/sid", lookupOf(one)), "no-data");
});

test("records that an import replaces meanwhile are asked for again", async () => {
  const stable = lookupOf([{ id: "CVE-2026-0001", name: "a" }]);
  let asked = 0;
  const report = await match([deb("a", "a", "1")], bookworm, {
    ...stable,
    describe: async (keys) => (asked++ === 0 ? new Map() : await stable.describe(keys)),
  });
  assert.equal(report.findings.length, 1);
  await assert.rejects(match([deb("a", "a", "1")], bookworm, { ...stable, describe: async () => new Map() }), {
    code: "conflict",
  });
});

test("distributions have their OSV names", () => {
  const name = (id: string, version: string): string | undefined => ecosystemFor({ id, version, codename: "" });
  assert.equal(name("debian", "12"), "Debian:12");
  assert.equal(name("debian", "12.4"), "Debian:12");
  assert.equal(name("ubuntu", "24.04"), "Ubuntu:24.04:LTS");
  assert.equal(name("ubuntu", "25.10"), "Ubuntu:25.10");
  assert.equal(name("ubuntu", "25.04"), "Ubuntu:25.04");
  assert.equal(name("alpine", "3.20.3"), "Alpine:v3.20");
  assert.equal(name("alpine", "edge"), undefined);
  assert.equal(versionOrder("npm"), undefined);
  assert.ok(versionOrder("deb")!("1", "2") < 0);
});

test("the table lets no control character through and says when nothing is known", async () => {
  const hostile = await match(
    [deb("a", "a", "1")],
    bookworm,
    lookupOf([{ id: "X-1", name: "a", title: "red \u001b[31m\u202e\nline" }]),
  );
  const text = writeReport(hostile, "table", image);
  assert.ok(!text.includes("\u001b") && !text.includes("\u202e"));
  assert.match(text, /^base: 1 packages, 1 unknown\n/);
  assert.match(text, /unknown {3}X-1 {12}a /);
  const nothing = await match([], { ...bookworm, version: "99" }, lookupOf([]));
  assert.match(writeReport(nothing, "table", image), /NO DATA/);
});

test("SARIF and the vuln predicate hold every finding, and equal reports give equal bytes", async () => {
  const report = await match(
    [deb("a", "s", "1"), deb("b", "s", "1")],
    bookworm,
    lookupOf([{ id: "CVE-2026-0001", name: "s", fixed: "2", ratings: [critical], links: ["https://x.example"] }]),
  );
  const log = JSON.parse(writeReport(report, "sarif", image)) as {
    runs: [
      {
        results: { ruleIndex: number }[];
        tool: { driver: { rules: { id: string }[] } };
        invocations: [{ executionSuccessful: boolean }];
      },
    ];
  };
  assert.equal(log.runs[0].results.length, 2);
  assert.deepEqual(
    log.runs[0].tool.driver.rules.map((rule) => rule.id),
    ["CVE-2026-0001"],
  );
  assert.equal(log.runs[0].invocations[0].executionSuccessful, true);
  const predicate = JSON.parse(writeReport(report, "cosign-vuln", image)) as {
    scanner: { db: { lastUpdate: string }; result: ScanReport };
    metadata: { scanFinishedOn: string };
  };
  assert.deepEqual(predicate.scanner.result, JSON.parse(writeReport(report, "json", image)));
  assert.equal(predicate.scanner.db.lastUpdate, "2026-11-01T00:00:00Z");
  assert.equal(writeReport(report, "sarif", image), writeReport(structuredClone(report), "sarif", image));
});

test("no set of packages and advisories gives a finding twice or out of order", async () => {
  const entry = fc.record({
    id: fc.constantFrom("CVE-2026-0001", "CVE-2026-0002", "DSA-1"),
    name: fc.constantFrom("a", "b"),
    fixed: fc.constantFrom("1", "2", "3"),
    feed: fc.constantFrom("x", "y"),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { maxLength: 8 }), fc.constantFrom("1", "2", "3"), async (entries, version) => {
      const { findings } = await match(
        [deb("a", "a", version), deb("a-bin", "a", version), deb("b", "b", version)],
        bookworm,
        lookupOf(entries),
      );
      const keys = findings.map((finding) => `${finding.id} ${finding.package.name}`);
      assert.equal(new Set(keys).size, keys.length);
      const expected = entries
        .filter((one) => Number(one.fixed) > Number(version))
        .flatMap((one) => (one.name === "a" ? [`${one.id} a`, `${one.id} a-bin`] : [`${one.id} b`]));
      assert.deepEqual([...keys].sort(), [...new Set(expected)].sort());
    }),
    { numRuns: 60 },
  );
});
