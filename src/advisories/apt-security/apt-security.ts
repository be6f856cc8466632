import { mapParallel } from "../../base/pool.ts";
import type { Distribution, Package } from "../../model/package.ts";
import type { Advisory, Rating } from "../../store/advisories-records.ts";
import { parseChangelog, vulnerabilitiesOf, type ChangelogEntry } from "./changelog.ts";

/** The version of a package that a signed security suite offers. */
export interface SecurityCandidate {
  readonly name: string;
  readonly architecture: string;
  readonly source: string;
  readonly candidateVersion: string;
  readonly candidateSourceVersion: string;
  /** `bookworm-security` … */
  readonly suite: string;
  /** `Date` of the signed index, seconds since 1970. */
  readonly dateSeconds: number;
}

/** What the feed needs; the version order is handed in because it belongs to another room. */
export interface SecuritySuiteInput {
  readonly packages: readonly Package[];
  /** What the suites hold in all, however little of it is about the packages; undefined where none was read. */
  readonly suites: { readonly packageCount: number; readonly dateSeconds: number } | undefined;
  readonly candidates: readonly SecurityCandidate[];
  readonly distribution: Distribution;
  /** OSV ecosystem of the distribution, such as `Debian:12`. */
  readonly ecosystem: string;
  /** The changelog of a source package at a version, or undefined where none can be had. */
  readonly changelogOf: (source: string, version: string) => Promise<string | undefined>;
  readonly compare: (a: string, b: string) => number;
}

/**
 * The advisories that the security suite implies for installed packages.
 *
 * A source that is installed below its candidate gives one advisory for each CVE that the changelog names in the entries
 * above the installed version up to the candidate, fixed in the oldest such entry. Where they name none, or there is no
 * changelog, it gives one advisory `<DISTRIBUTION>-UPDATE:<source>:<candidate source version>`, so that an update without
 * a CVE is still seen. The rating is the urgency of the entry as the scheme `changelog-urgency`; the scan room says which severity that is.
 */
export async function securityAdvisories(input: SecuritySuiteInput): Promise<Advisory[]> {
  const outdated = outdatedSources(input);
  const found = await mapParallel(outdated, 4, async (source) =>
    advisoriesOf(source, await changelogFor(source, input), input),
  );
  return found.flat();
}

interface OutdatedSource {
  readonly source: string;
  /** Lowest installed source version. */
  readonly installed: string;
  readonly candidate: SecurityCandidate;
}

function outdatedSources({ packages, candidates, compare }: SecuritySuiteInput): OutdatedSource[] {
  const offers = new Map<string, SecurityCandidate>();
  for (const candidate of candidates) {
    const key = `${candidate.name}:${candidate.architecture}`;
    const known = offers.get(key);
    if (known === undefined || compare(known.candidateVersion, candidate.candidateVersion) < 0)
      offers.set(key, candidate);
  }
  const outdated = new Map<string, OutdatedSource>();
  for (const item of packages) {
    const candidate = item.type === "deb" ? offers.get(`${item.name}:${item.architecture}`) : undefined;
    if (
      candidate === undefined ||
      candidate.source !== item.source ||
      compare(item.sourceVersion, candidate.candidateSourceVersion) >= 0
    )
      continue;
    const known = outdated.get(item.source);
    if (known === undefined || compare(item.sourceVersion, known.installed) < 0)
      outdated.set(item.source, { source: item.source, installed: item.sourceVersion, candidate });
  }
  return [...outdated.values()].sort((a, b) => (a.source < b.source ? -1 : 1));
}

/** The entries above the installed version up to the candidate, oldest first; none where there is no changelog. */
async function changelogFor(
  { source, installed, candidate }: OutdatedSource,
  { changelogOf, compare }: SecuritySuiteInput,
): Promise<ChangelogEntry[]> {
  const text = await changelogOf(source, candidate.candidateSourceVersion);
  return parseChangelog(text ?? "")
    .filter(
      (entry) => compare(entry.version, installed) > 0 && compare(entry.version, candidate.candidateSourceVersion) <= 0,
    )
    .sort((a, b) => compare(a.version, b.version));
}

function advisoriesOf(
  outdated: OutdatedSource,
  entries: readonly ChangelogEntry[],
  input: SecuritySuiteInput,
): Advisory[] {
  const { source, candidate } = outdated;
  const advisories = new Map<string, Advisory>();
  const make = (id: string, version: string, about: { title: string; urgency: string | undefined }): Advisory => ({
    id,
    aliases: [],
    title: about.title.slice(0, 240),
    ratings: ratingsOf(about.urgency),
    links: [],
    modifiedAt: candidate.dateSeconds * 1000,
    affected: [
      {
        ecosystem: input.ecosystem,
        name: source,
        ranges: [
          [
            ["introduced", "0"],
            ["fixed", version],
          ],
        ],
        versions: [],
      },
    ],
  });
  for (const entry of entries) {
    for (const [id, title] of vulnerabilitiesOf(entry))
      if (!advisories.has(id)) advisories.set(id, make(id, entry.version, { title, urgency: entry.urgency }));
  }
  if (advisories.size > 0) return [...advisories.values()];
  const version = candidate.candidateSourceVersion;
  const title = `${candidate.suite} offers ${source} ${version}; ${entries.length === 0 ? "its changelog could not be read" : "its changelog names no CVE"}`;
  return [
    make(`${input.distribution.id.toUpperCase()}-UPDATE:${source}:${version}`, version, {
      title,
      urgency: entries.at(-1)?.urgency,
    }),
  ];
}

function ratingsOf(urgency: string | undefined): Rating[] {
  return urgency === undefined ? [] : [{ scheme: "changelog-urgency", value: urgency }];
}
