import type { Finding, ScanReport, Severity } from "../model/finding.ts";
import { severities } from "../model/finding.ts";
import type { PullGate } from "../model/pull-gate.ts";
import type { Verdict } from "../model/verdict.ts";

/** The severities that a pull gate denies: those of the site's policy if it is asked for, and those above its bound. */
export function blockedSeverities(gate: PullGate, siteBlock: readonly Severity[]): Severity[] {
  const { maxSeverity } = gate;
  const worse =
    maxSeverity === undefined
      ? []
      : maxSeverity === "none"
        ? severities
        : severities.slice(0, severities.indexOf(maxSeverity));
  return severities.filter(
    (severity) => worse.includes(severity) || (gate.requireVerdict && siteBlock.includes(severity)),
  );
}

/** Whether a gate needs to know what is in an image. */
export function needsScan(gate: PullGate): boolean {
  return gate.requireVerdict || gate.maxSeverity !== undefined;
}

/** A finding that stands in the way, in the words of a refusal. */
export interface BlockingFinding {
  readonly id: string;
  readonly severity: Severity;
  readonly package: string;
  readonly version: string;
  readonly fixedVersion: string | undefined;
}

/** The findings that a verdict denies, worst first. */
export function blockingFindings(report: ScanReport, verdict: Verdict): BlockingFinding[] {
  const denied = new Set(
    verdict.reasons.flatMap(({ outcome, finding }) =>
      outcome === "deny" && finding !== undefined ? [keyOf(finding.id, finding.package)] : [],
    ),
  );
  return report.findings.filter((finding) => denied.has(keyOf(finding.id, finding.package.name))).map(blocking);
}

function keyOf(id: string, name: string): string {
  return `${id}\0${name}`;
}

function blocking(finding: Finding): BlockingFinding {
  const { id, severity, fixedVersion } = finding;
  return { id, severity, package: finding.package.name, version: finding.package.version, fixedVersion };
}

/** One image that is not given out, and why. */
export interface RefusedImage {
  /** `team/app@sha256:…`, shortened to what a person needs. */
  readonly image: string;
  /** The platform, where it is one of several. */
  readonly platform: string | undefined;
  readonly findings: readonly BlockingFinding[];
  /** Everything else that stands in the way, a clause each: no verdict, no signature. */
  readonly missing: readonly string[];
}

/** Findings that a refusal names; the rest is counted. */
const namedFindings = 5;

/**
 * The sentence that a client prints when a pull is refused: what was found, what is missing, and how to be let through.
 *
 * It is one line: clients cut at line ends.
 */
export function refusalMessage(project: string, repository: string, refused: readonly RefusedImage[]): string {
  const parts = refused.map((image) => {
    const named = image.platform === undefined ? "" : `${image.platform}: `;
    return `${named}${[...image.missing, ...findingParts(image.findings)].join("; ")}`;
  });
  const first = refused.flatMap(({ findings }) => findings)[0];
  const ways = first === undefined ? "" : `. ${wayOut(first, repository)}`;
  return `The project "${project}" does not give out ${refused[0]!.image}: ${parts.join(" | ")}${ways}`;
}

function findingParts(findings: readonly BlockingFinding[]): string[] {
  if (findings.length === 0) return [];
  const named = findings.slice(0, namedFindings).map(({ id, severity, package: name, version, fixedVersion }) => {
    const fix = fixedVersion === undefined ? "no fixed version yet" : `fixed in ${fixedVersion}`;
    return `${id} (${severity}) in ${name} ${version}, ${fix}`;
  });
  const rest = findings.length - named.length;
  return [...named, ...(rest > 0 ? [`and ${rest} more`] : [])];
}

function wayOut(finding: BlockingFinding, repository: string): string {
  const update = finding.fixedVersion === undefined ? "" : `Update the package and push again, or allow`;
  const verb = update === "" ? "Allow" : update;
  return `${verb} each finding until a date: mintmark exception create ${finding.id} --package ${finding.package} --repository ${repository} --until 14d --reason "…"`;
}
