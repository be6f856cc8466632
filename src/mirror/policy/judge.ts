import { isoSeconds } from "../../base/clock.ts";
import { readGlob } from "../../model/glob.ts";
import { type Severity, severities } from "../../model/finding.ts";
import { comparedPattern } from "../compared-names.ts";
import type { Format, VersionFacts } from "../format.ts";
import type { MirrorRules } from "./rules.ts";
import { isInRange, readRange, type VersionOrder } from "./version-range.ts";

/** What is known against some versions of a package. */
export interface KnownAdvisory {
  readonly id: string;
  readonly title: string;
  readonly isMalicious: boolean;
  readonly severity: Severity;
  affects(version: string): boolean;
}

/** A dated permission. */
interface RuleException {
  readonly id: string;
  /** A pattern over package URLs; without a version it is about all of them. */
  readonly pattern: string;
  readonly reason: string;
  /** Milliseconds since 1970. */
  readonly until: number;
}

/** Why a version is kept back, or would be. */
export interface Withheld {
  /** `*` for all versions. */
  readonly version: string;
  readonly rule: "age" | "blocked" | "malicious" | "vulnerable";
  /** A sentence for the person whose client is refused. */
  readonly reason: string;
  /** When it ends by itself; milliseconds since 1970. */
  readonly until?: number;
}

/** A question about versions of one package. */
export interface Question {
  readonly rules: MirrorRules;
  readonly exceptions: readonly RuleException[];
  readonly name: string;
  /** Where the format writes one name in several ways, rules hold for all of them. */
  readonly format: Pick<Format, "comparedName"> | undefined;
  readonly versions: readonly Pick<VersionFacts, "version" | "publishedAt">[];
  readonly advisories: readonly KnownAdvisory[];
  readonly purl: (version: string | undefined) => string;
  /** Undefined where the versions have no known order: then ranges match equal text only. */
  readonly compare: VersionOrder | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** What rules say of versions. */
export interface Judgement {
  readonly withheld: readonly Withheld[];
  /** What an exception lets through, with its id. */
  readonly excepted: readonly (Withheld & { readonly exception: string })[];
  /** When the answer may change by itself. */
  readonly until: number | undefined;
}

const dayMs = 24 * 60 * 60 * 1000;

/** Judges versions by rules: the first rule that is against a version tells the reason. */
export function judge(question: Question): Judgement {
  const withheld: Withheld[] = [];
  const excepted: (Withheld & { exception: string })[] = [];
  const ends: number[] = [];
  const rules = compiled(question);
  const exceptions = question.exceptions
    .filter(({ until }) => until > question.now)
    .map((one) => compiledException(one, question.format));
  const place = (found: Withheld): void => {
    const purl = question.purl(found.version === "*" ? undefined : found.version);
    const exception = exceptions.find(({ matches }) => matches(purl));
    if (exception === undefined) withheld.push(found);
    else {
      excepted.push({ ...found, exception: exception.id });
      ends.push(exception.until);
    }
    if (found.until !== undefined) ends.push(found.until);
  };
  const isExcepted = exceptions.some(({ matches }) =>
    question.versions.some(({ version }) => matches(question.purl(version))),
  );
  // A name of which one version is let through is judged version by version.
  if (rules.all !== undefined && !isExcepted) place({ version: "*", ...rules.all });
  // What holds for all of them need not be said of each.
  const versions = withheld.length > 0 ? [] : question.versions;
  for (const version of versions) {
    const reason = rules.against(version);
    if (reason !== undefined) place({ version: version.version, ...reason });
  }
  return { withheld, excepted, until: ends.length === 0 ? undefined : Math.min(...ends) };
}

type Reason = Omit<Withheld, "version">;

interface CompiledRules {
  /** Why no version at all is given out. */
  readonly all: Reason | undefined;
  against(version: Question["versions"][number]): Reason | undefined;
}

function compiled({ rules, name, format, advisories, compare = sameText, now }: Question): CompiledRules {
  const isNamed = (pattern: string): boolean => matcher(pattern)(name) || foldedMatcher(pattern, format)(name);
  const blocked = rules.blocked
    .filter((rule) => isNamed(rule.name))
    .map((rule) => ({ ...rule, range: readRange(rule.versions ?? "*") }));
  const whole = blocked.find(({ versions }) => versions === undefined);
  const isAgeless = rules.minimumAgeDays === 0 || rules.ageExempt.some(isNamed);
  return {
    all: whole === undefined ? undefined : blockedReason(name, whole.reason),
    against({ version, publishedAt }) {
      const block = blocked.find(({ range }) => !("invalid" in range) && isInRange(version, range, compare));
      if (block !== undefined) return blockedReason(`${name} ${version}`, block.reason);
      const worst = worstOf(advisories, rules, version);
      if (worst !== undefined) return advisoryReason(`${name} ${version}`, worst);
      return isAgeless ? undefined : ageReason({ title: `${name} ${version}`, publishedAt, rules, now });
    },
  };
}

function sameText(a: string, b: string): number {
  return a === b ? 0 : Number.NaN;
}

function matcher(pattern: string): (text: string) => boolean {
  const glob = readGlob(pattern);
  return "invalid" in glob ? () => false : (text) => glob.matches(text);
}

/** Matches names in the form in which a format compares them; nothing where it has no such form. */
function foldedMatcher(pattern: string, format: Question["format"]): (text: string) => boolean {
  const folded = format?.comparedName;
  if (format === undefined || folded === undefined) return () => false;
  const matches = matcher(comparedPattern(format, pattern));
  return (text) => matches(folded(text));
}

function blockedReason(title: string, reason: string): Reason {
  return { rule: "blocked", reason: `${title} is blocked here: ${reason}` };
}

function worstOf(advisories: readonly KnownAdvisory[], rules: MirrorRules, version: string): KnownAdvisory | undefined {
  const against = advisories.filter((advisory) => isAgainst(advisory, rules) && advisory.affects(version));
  return against.toSorted(
    (a, b) =>
      Number(b.isMalicious) - Number(a.isMalicious) || severities.indexOf(a.severity) - severities.indexOf(b.severity),
  )[0];
}

/** Severities stand from the worst on; what nobody rated has a rule of its own, for it could stop every build. */
function isAgainst({ isMalicious, severity }: KnownAdvisory, rules: MirrorRules): boolean {
  const { malicious, maximumSeverity, unknownSeverity } = rules;
  if (isMalicious) return malicious;
  if (maximumSeverity === "none") return false;
  if (severity === "unknown") return unknownSeverity === "withhold";
  return severities.indexOf(severity) < severities.indexOf(maximumSeverity);
}

function advisoryReason(title: string, { id, isMalicious, severity, title: about }: KnownAdvisory): Reason {
  const told = about === "" ? "" : `: ${about}`;
  return isMalicious
    ? { rule: "malicious", reason: `${title} is known to be malicious (${id})${told}` }
    : { rule: "vulnerable", reason: `${title} has a known ${severityWord(severity)}vulnerability (${id})${told}` };
}

function severityWord(severity: Severity): string {
  return severity === "unknown" ? "" : `${severity} `;
}

function ageReason(question: {
  readonly title: string;
  readonly publishedAt: number | undefined;
  readonly rules: MirrorRules;
  readonly now: number;
}): Reason | undefined {
  const { title, publishedAt, rules, now } = question;
  const days = rules.minimumAgeDays;
  const rule = `versions are held back until they are ${days} ${days === 1 ? "day" : "days"} old`;
  if (publishedAt === undefined)
    return rules.unknownAge === "allow"
      ? undefined
      : { rule: "age", reason: `${title} does not say when it was published, and ${rule}` };
  const until = publishedAt + days * dayMs;
  if (until <= now) return undefined;
  return {
    rule: "age",
    reason: `${title} was published at ${isoSeconds(publishedAt)}, and ${rule}: wait until ${isoSeconds(until)}`,
    until,
  };
}

interface CompiledException extends RuleException {
  matches(purl: string): boolean;
}

/** A pattern is matched against the package URL as it is, with its name decoded, and without its version. */
function compiledException(exception: RuleException, format: Question["format"]): CompiledException {
  const matches = matcher(exception.pattern);
  const matchesFolded = matcher(foldedUrl(exception.pattern, (text) => comparedPattern(format ?? {}, text)));
  const folded = format?.comparedName;
  return {
    ...exception,
    matches(purl) {
      const bare = purl.replace(/[?#].*$/, "");
      const plain = decoded(bare);
      const forms = [bare, plain, withoutVersion(bare), withoutVersion(plain)];
      return (
        forms.some(matches) || (folded !== undefined && forms.some((one) => matchesFolded(foldedUrl(one, folded))))
      );
    },
  };
}

/** A package URL with its name in another form; what is no part of the name stays. */
function foldedUrl(purl: string, fold: (name: string) => string): string {
  const [, type = "", name = "", rest = ""] = /^(pkg:[^/]*\/)([^@]*)(.*)$/s.exec(purl) ?? [];
  return type === "" ? purl : `${type}${fold(name)}${rest}`;
}

function withoutVersion(purl: string): string {
  const at = purl.lastIndexOf("@");
  return at > purl.lastIndexOf("/") ? purl.slice(0, at) : purl;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
