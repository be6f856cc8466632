/**
 * The scan room: says which known vulnerabilities the packages of an image have.
 *
 * It owns the version orders, the evaluation of affected ranges, the severities and the report formats (table, SARIF,
 * cosign's vuln predicate). It promises that each finding carries a reason that a person can check by hand, that one
 * vulnerability of one package is one finding whatever number of feeds report it, and that a report never looks clean
 * because nothing was known: its coverage says `no-data` then. Advisories come in through a lookup; it keeps no state.
 */
import { nowIso } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import type { ScanReport } from "../model/finding.ts";
import type { Distribution, Package } from "../model/package.ts";
import type { AdvisoryLookup, Candidate } from "../store/advisories-records.ts";
import { ecosystemOf } from "./ecosystems.ts";
import { findingsOf, type Match } from "./merge.ts";
import { matchExtent, type RangeMatch, type VersionOrder } from "./ranges.ts";
import { sarif, type ScannedImage } from "./reports/sarif.ts";
import { table } from "./reports/table.ts";
import { vulnPredicate } from "./reports/vuln-predicate.ts";
import { compareApk } from "./versions/apk.ts";
import { compareDpkg } from "./versions/dpkg.ts";

export { matchExtent } from "./ranges.ts";
export { severityOf } from "./severity/severity.ts";

/**
 * Matches the packages of an image against everything that a lookup knows about its distribution.
 *
 * Packages are looked up by source package (apk: origin) and compared by source version: advisories know no binary
 * rebuilds. Packages of types without a version order here are counted and not matched.
 */
export async function match(
  packages: readonly Package[],
  distribution: Distribution,
  lookup: AdvisoryLookup,
): Promise<ScanReport> {
  const ecosystem = ecosystemOf(distribution);
  const feeds = await lookup.feeds(ecosystem ?? "");
  const matches = ecosystem === undefined ? [] : await matchesOf(packages, ecosystem, lookup);
  return {
    schemaVersion: 1,
    scannedAt: nowIso(),
    packageCount: packages.length,
    findings: findingsOf(matches, orderOf),
    feeds,
    coverage: feeds.some((feed) => feed.covers && feed.dataAt !== undefined && feed.recordCount > 0)
      ? "complete"
      : "no-data",
  };
}

const attempts = 3;

/** Asks again where an import replaced records between two questions: a finding must not get lost over that. */
async function matchesOf(packages: readonly Package[], ecosystem: string, lookup: AdvisoryLookup): Promise<Match[]> {
  const bySource = Map.groupBy(
    packages.filter((item) => versionOrder(item.type) !== undefined),
    (item) => item.source,
  );
  for (let attempt = 1; attempt <= attempts; attempt++) {
    const hits = compareAll(bySource, await lookup.candidates(ecosystem, [...bySource.keys()]));
    const descriptions = await lookup.describe([...new Set(hits.map((hit) => hit.candidate.key))]);
    const matches = hits.flatMap((hit) => {
      const description = descriptions.get(hit.candidate.key);
      return description === undefined ? [] : [{ ...hit, description }];
    });
    if (matches.length === hits.length) return matches;
  }
  throw new Failure("conflict", "Cannot scan: the advisories change faster than they can be read", {
    hint: "Scan again when the import has ended",
  });
}

function compareAll(
  bySource: ReadonlyMap<string, readonly Package[]>,
  candidates: readonly Candidate[],
): Omit<Match, "description">[] {
  const hits: Omit<Match, "description">[] = [];
  for (const candidate of candidates) {
    // The binary packages of one source mostly share its version: one comparison serves them all.
    let compared: string | undefined;
    let range: RangeMatch | undefined;
    for (const item of bySource.get(candidate.name) ?? []) {
      if (item.sourceVersion !== compared) range = matchExtent(item.sourceVersion, candidate, orderOf(item.type));
      compared = item.sourceVersion;
      if (range !== undefined) hits.push({ package: item, candidate, range });
    }
  }
  return hits;
}

/** The OSV ecosystem of a distribution, such as `Debian:12` or `Ubuntu:24.04:LTS`; undefined where OSV has none. */
export function ecosystemFor(distribution: Distribution): string | undefined {
  return ecosystemOf(distribution);
}

/** The version order of a package type (`deb`, `apk`), or undefined where there is none here. */
export function versionOrder(type: string): VersionOrder | undefined {
  return type === "deb" ? compareDpkg : type === "apk" ? compareApk : undefined;
}

/** The order of packages that were let in because they have one. */
function orderOf(type: string): VersionOrder {
  return versionOrder(type) ?? compareDpkg;
}

/** The formats that a report can be written in; `json` is the report itself, `cosign-vuln` a predicate to be signed. */
const reportFormats = ["table", "json", "sarif", "cosign-vuln"] as const;
/** One of {@link reportFormats}. */
export type ReportFormat = (typeof reportFormats)[number];

/** Writes a report in a format; equal input gives equal bytes. */
export function writeReport(report: ScanReport, format: ReportFormat, image: ScannedImage): string {
  switch (format) {
    case "table":
      return table(report, image);
    case "json":
      return `${JSON.stringify(report, undefined, 2)}\n`;
    case "sarif":
      return `${JSON.stringify(sarif(report, image), undefined, 2)}\n`;
    case "cosign-vuln":
      return `${JSON.stringify(vulnPredicate(report, image))}\n`;
  }
}
