import type { Severity } from "../../model/finding.ts";
import type { Rating } from "../../store/advisories-records.ts";
import { cvss2Score } from "./cvss2.ts";
import { cvss3Score } from "./cvss3.ts";

/** A severity, who or what gave it, and how much that counts: lower is better. */
export interface RatedSeverity {
  readonly severity: Severity;
  /** `debian`, `ubuntu`, `cvss-3.1`, `cvss-2.0`, `database`, `changelog-urgency` or `none`. */
  readonly source: string;
  readonly rank: number;
}

/** What is said where nobody rated: unknown is not harmless. */
const unrated: RatedSeverity = { severity: "unknown", source: "none", rank: 9 };

/**
 * The severity that counts among ratings: the distribution's own for this package, then CVSS 3, the database's word,
 * CVSS 2, the urgency of a changelog.
 *
 * A CVSS 4 vector is not computed: its score comes from a table that we do not carry, so the database's word beside it
 * counts, and without one the severity is `unknown` with the source `cvss-4.0`, not `none`.
 */
export function severityOf(ratings: readonly Rating[]): RatedSeverity {
  let best = unrated;
  for (const rating of ratings) {
    const rated = severityOfRating(rating);
    if (rated.rank < best.rank) best = rated;
  }
  return best;
}

function severityOfRating({ scheme, value }: Rating): RatedSeverity {
  switch (scheme.toLowerCase()) {
    case "debian":
    case "ubuntu":
      return named(value, scheme.toLowerCase(), 0);
    case "cvss_v3":
      return scored(cvss3Score(value), cvss3Severity, {
        source: value.startsWith("CVSS:3.0") ? "cvss-3.0" : "cvss-3.1",
        rank: 1,
      });
    case "database":
      return named(value, "database", 2);
    case "cvss_v2":
      return scored(cvss2Score(value), cvss2Severity, { source: "cvss-2.0", rank: 3 });
    case "changelog-urgency":
      return named(value, "changelog-urgency", 4);
    case "cvss_v4":
      return { severity: "unknown", source: "cvss-4.0", rank: 8 };
    default:
      return unrated;
  }
}

function scored(
  score: number | undefined,
  severity: (score: number) => Severity,
  by: Omit<RatedSeverity, "severity">,
): RatedSeverity {
  return score === undefined ? unrated : { severity: severity(score), ...by };
}

/** CVSS v3.1 specification section 5; its "None" is our negligible. */
function cvss3Severity(score: number): Severity {
  return score >= 9 ? "critical" : score >= 7 ? "high" : score >= 4 ? "medium" : score > 0 ? "low" : "negligible";
}

/** The bands that NVD used for version 2; they know no critical. */
function cvss2Severity(score: number): Severity {
  return score >= 7 ? "high" : score >= 4 ? "medium" : "low";
}

/**
 * Words of distributions and databases. Debian marks doubtful urgencies with stars (`low**`) and calls what it need not
 * fix `unimportant`; `emergency` is an urgency of changelogs (Debian Policy 5.6.17) and as bad as critical.
 */
const words: ReadonlyMap<string, Severity> = new Map([
  ["emergency", "critical"],
  ["critical", "critical"],
  ["high", "high"],
  ["important", "high"],
  ["medium", "medium"],
  ["moderate", "medium"],
  ["low", "low"],
  ["minor", "low"],
  ["negligible", "negligible"],
  ["unimportant", "negligible"],
]);

function named(value: string, source: string, rank: number): RatedSeverity {
  const severity = words.get(value.trim().toLowerCase().replace(/\*+$/, ""));
  return severity === undefined ? unrated : { severity, source, rank };
}
