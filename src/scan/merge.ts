import { severities, type Finding } from "../model/finding.ts";
import type { Package } from "../model/package.ts";
import type { AdvisoryDescription, Candidate } from "../store/advisories-records.ts";
import type { RangeMatch, VersionOrder } from "./ranges.ts";
import { severityOf, type RatedSeverity } from "./severity/severity.ts";

/** One candidate that matches one package, with what its advisory says. */
export interface Match {
  readonly package: Package;
  readonly candidate: Candidate;
  readonly range: RangeMatch;
  readonly description: AdvisoryDescription;
}

/**
 * Turns matches into findings: one for each vulnerability of each package, worst first.
 *
 * Where several feeds report one, the best-ranked severity, the lowest fix and the longest title are kept, links and names
 * are united, and the reason names every feed. An advisory that bundles several CVEs gives a finding for each.
 */
export function findingsOf(matches: readonly Match[], orderOf: (type: string) => VersionOrder): Finding[] {
  const groups = new Map<string, Match[]>();
  for (const match of matches) {
    for (const id of vulnerabilityIds(match.description)) {
      const { name, version, architecture } = match.package;
      const key = `${id}\0${name}\0${version}\0${architecture}`;
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [match]);
      else group.push(match);
    }
  }
  const findings = [...groups].map(([key, group]) =>
    merged(key.slice(0, key.indexOf("\0")), group, orderOf(group[0]!.package.type)),
  );
  return findings.sort(compareFindings);
}

const cveForm = /^CVE-\d{4}-\d{4,}$/;

function vulnerabilityIds({ id, aliases }: AdvisoryDescription): string[] {
  const cves = [...new Set([id, ...aliases].filter((name) => cveForm.test(name)))];
  return cves.length === 0 ? [id] : cves;
}

function merged(id: string, group: readonly Match[], compare: VersionOrder): Finding {
  const rated = group.map((match) => ({ match, rated: ratingOf(match) })).sort((a, b) => a.rated.rank - b.rated.rank);
  const { match: best, rated: rating } = rated[0]!;
  const { type, name, version, architecture, source, sourceVersion } = best.package;
  const fixes = group.flatMap(({ range }) => range.fixedVersion ?? []).sort(compare);
  return {
    id,
    aliases: [...new Set(group.flatMap(({ description }) => otherNames(id, description)))].sort(),
    package: { type, name, version, architecture, source, sourceVersion },
    severity: rating.severity,
    severitySource: rating.source,
    fixedVersion: fixes[0],
    title: group
      .map(({ description }) => description.title)
      .reduce((longest, title) => (title.length > longest.length ? title : longest)),
    reason: group.map(reasonOf).join(" "),
    feed: best.candidate.feed,
    links: [...new Set(group.flatMap(({ description }) => description.links))],
  };
}

/** A bundle of several CVEs is one name of each of them; its CVEs are not names of one another. */
function otherNames(id: string, description: AdvisoryDescription): string[] {
  return [description.id, ...description.aliases].filter((name) => name !== id && !cveForm.test(name));
}

function ratingOf({ candidate, description }: Match): RatedSeverity {
  return severityOf(candidate.rating === undefined ? description.ratings : [candidate.rating, ...description.ratings]);
}

function reasonOf({ package: item, candidate, range, description }: Match): string {
  return `Feed ${candidate.feed} says in ${description.id} that the source package ${item.source} is affected ${describedRange(range)}; ${item.sourceVersion} is installed (${item.type === "deb" ? "dpkg" : item.type} order).`;
}

function describedRange({ range }: RangeMatch): string {
  return range.startsWith("every version") || range.startsWith("in the list") ? `(${range})` : range;
}

function compareFindings(a: Finding, b: Finding): number {
  const severity = severities.indexOf(a.severity) - severities.indexOf(b.severity);
  return (
    severity ||
    compareText(a.id, b.id) ||
    compareText(a.package.name, b.package.name) ||
    compareText(a.package.architecture, b.package.architecture)
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
