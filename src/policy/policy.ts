/**
 * The policy room: facts in, verdict out.
 *
 * It owns the rules of the gate and the form of exceptions. It promises to be pure (no clock, no files, no chance: the
 * same input gives the same verdict for ever), to deny where nothing is known, and to give every statement with its rule,
 * so that a verdict can be read and argued with.
 */
import { canonicalJson } from "../base/json.ts";
import type { Finding, ScanReport, Severity } from "../model/finding.ts";
import type { Exception, Verdict, VerdictReason } from "../model/verdict.ts";

export {
  blockedSeverities,
  blockingFindings,
  needsScan,
  refusalMessage,
  type BlockingFinding,
  type RefusedImage,
} from "./pull-gate.ts";

/** The rules of a gate. */
export interface Policy {
  readonly name: string;
  /** Severities that deny an image. */
  readonly block: readonly Severity[];
  /** Whether a blocked severity denies also where no fixed version exists; where not, it warns. */
  readonly unfixedToo: boolean;
}

/** The gate that counts where nobody configured one: critical denies, fixed or not. */
export const defaultPolicy: Policy = { name: "default", block: ["critical"], unfixedToo: true };

/** Everything that a verdict depends on. */
export interface Facts {
  readonly report: ScanReport;
  readonly exceptions: readonly Exception[];
  /** Repository of the image without host and tag. */
  readonly repository: string;
  /** ISO 8601; the instant of the judgement. */
  readonly now: string;
  readonly policy: Policy;
  /** SHA-256 in hex of {@link policyDocument}; computed by the caller, since this room has no crypto. */
  readonly policySha256: string;
}

/**
 * Judges an image: it passes if no reason denies.
 *
 * Rules: `no-data` denies where no feed covers the image; `severity-<name>` denies a blocked severity; `unfixed-<name>`
 * warns of one without a fix where the policy lets it; `severity-unknown` warns; `exception` allows what one excuses;
 * `exception-expired` and `exception-unused` warn. An exception excuses blocked and unknown findings; it never excuses
 * missing data.
 */
export function judge(facts: Facts): Verdict {
  const { report, policy } = facts;
  const inScope = facts.exceptions.filter(
    (exception) => exception.repository === undefined || exception.repository === facts.repository,
  );
  const now = Date.parse(facts.now);
  // An end that cannot be read is no end in the future: the exception does not count.
  const current = inScope.filter((exception) => Date.parse(exception.expiresAt) > now);
  const expired = inScope.filter((exception) => !current.includes(exception));
  const used = new Set<string>();
  const reasons: VerdictReason[] = report.coverage === "no-data" ? [noData(report)] : [];
  for (const finding of report.findings) {
    const concern = concernOf(finding, policy);
    if (concern === undefined) continue;
    const exception = current.find((candidate) => excuses(candidate, finding));
    if (exception !== undefined) used.add(exception.id);
    reasons.push(exception === undefined ? concern : allowed(finding, exception));
  }
  for (const exception of expired) {
    if (report.findings.some((finding) => concernOf(finding, policy) !== undefined && excuses(exception, finding)))
      reasons.push(expiredReason(exception));
  }
  for (const exception of current) if (!used.has(exception.id)) reasons.push(unusedReason(exception));
  return {
    schemaVersion: 1,
    result: reasons.some((reason) => reason.outcome === "deny") ? "fail" : "pass",
    judgedAt: facts.now,
    policy: { name: policy.name, sha256: facts.policySha256 },
    reasons,
  };
}

/** The policy as canonical JSON: equal rules give equal bytes, whatever the order they were written in. */
export function policyDocument(policy: Policy): string {
  return canonicalJson({
    schemaVersion: 1,
    name: policy.name,
    block: [...new Set(policy.block)].sort(),
    unfixedToo: policy.unfixedToo,
  });
}

function noData(report: ScanReport): VerdictReason {
  const feeds = report.feeds.map((feed) => feed.feed).join(", ");
  return {
    rule: "no-data",
    outcome: "deny",
    message: `No advisory feed with content covers the image (${feeds === "" ? "there is no feed" : `feeds: ${feeds}`}): nothing found is not nothing there`,
  };
}

/** What the policy has against a finding, or undefined where it has nothing. */
function concernOf(finding: Finding, policy: Policy): VerdictReason | undefined {
  const { severity, fixedVersion } = finding;
  const about = { finding: { id: finding.id, package: finding.package.name, severity } };
  const named = `${finding.id} in ${finding.package.name} ${finding.package.version}`;
  if (policy.block.includes(severity)) {
    const fix = fixedVersion === undefined ? "there is no fixed version yet" : `fixed in ${fixedVersion}`;
    if (fixedVersion !== undefined || policy.unfixedToo)
      return {
        rule: `severity-${severity}`,
        outcome: "deny",
        message: `${named} is ${severity} (rated by ${finding.severitySource}): ${fix}`,
        ...about,
      };
    return {
      rule: `unfixed-${severity}`,
      outcome: "warn",
      message: `${named} is ${severity} (rated by ${finding.severitySource}), but ${fix}`,
      ...about,
    };
  }
  if (severity !== "unknown") return undefined;
  return { rule: "severity-unknown", outcome: "warn", message: `${named} has no rating that we can read`, ...about };
}

function excuses(exception: Exception, finding: Finding): boolean {
  const isNamed = exception.vulnerability === finding.id || finding.aliases.includes(exception.vulnerability);
  const { name, source } = finding.package;
  return isNamed && (exception.package === undefined || exception.package === name || exception.package === source);
}

function allowed(finding: Finding, exception: Exception): VerdictReason {
  return {
    rule: "exception",
    outcome: "allow",
    message: `${finding.id} in ${finding.package.name} ${finding.package.version} (${finding.severity}) is excused until ${exception.expiresAt} by ${exception.author}: ${exception.reason}`,
    finding: { id: finding.id, package: finding.package.name, severity: finding.severity },
    exception: exception.id,
  };
}

function expiredReason(exception: Exception): VerdictReason {
  return {
    rule: "exception-expired",
    outcome: "warn",
    message: `The exception for ${exception.vulnerability} by ${exception.author} ended at ${exception.expiresAt} and excuses nothing any more`,
    exception: exception.id,
  };
}

function unusedReason(exception: Exception): VerdictReason {
  return {
    rule: "exception-unused",
    outcome: "warn",
    message: `The exception for ${exception.vulnerability} by ${exception.author} excuses nothing in this image: it can go if that holds everywhere`,
    exception: exception.id,
  };
}

/** A new exception as it comes from a file, a form or a command line, or everything that is wrong with it. */
export type ParsedException =
  | { readonly exception: Omit<Exception, "id" | "createdAt"> }
  | { readonly problems: readonly string[] };

/**
 * Checks an exception that somebody asks for: vulnerability, reason, author and an end are mandatory.
 *
 * An end may be a date (`2027-01-31`: the start of that day in UTC) or an ISO 8601 instant with its zone. `package` and
 * `repository` narrow it. All problems are told at once; the caller turns them into a Failure `exception_invalid`.
 */
export function parseException(input: Readonly<Record<string, unknown>>, now: string): ParsedException {
  const problems: string[] = [];
  const text = (member: string, form: RegExp, wanted: string): string => {
    const value = input[member];
    const trimmed = typeof value === "string" ? value.trim() : "";
    if (!form.test(trimmed)) problems.push(`"${member}" must be ${wanted}`);
    return trimmed;
  };
  const optional = (member: string): string | undefined =>
    input[member] === undefined || input[member] === null
      ? undefined
      : text(member, /^[^\s\p{Cc}]{1,255}$/u, "a name without spaces");
  const vulnerability = text("vulnerability", /^[A-Za-z0-9][A-Za-z0-9:._~+-]{2,199}$/, "an id such as CVE-2026-12345");
  const packageName = optional("package");
  const repository = optional("repository");
  const reason = text("reason", /^[^\p{Cc}][\s\S]{9,1999}$/u, "a sentence of 10 to 2000 characters that says why");
  const author = text("author", /^[^\p{Cc}]{1,200}$/u, "the name of who answers for it");
  const expiresAt = text(
    "expiresAt",
    /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))?$/,
    "a date such as 2027-01-31 or an instant with its zone",
  );
  const end = Date.parse(expiresAt);
  if (Number.isNaN(end) && !problems.some((problem) => problem.startsWith('"expiresAt"')))
    problems.push(`"expiresAt" is no day of the calendar`);
  if (end <= Date.parse(now))
    problems.push(`"expiresAt" must lie in the future: an exception without an end, or behind its end, is none`);
  const known = new Set(["vulnerability", "package", "repository", "reason", "author", "expiresAt"]);
  for (const member of Object.keys(input))
    if (!known.has(member)) problems.push(`"${member}" is not a member of an exception`);
  if (problems.length > 0) return { problems };
  return {
    exception: {
      vulnerability,
      package: packageName,
      repository,
      reason,
      author,
      expiresAt: new Date(end).toISOString().replace(".000Z", "Z"),
    },
  };
}
