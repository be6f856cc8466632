import { readDocument } from "./document.ts";
import type { ExceptionUse, LintException } from "./exceptions.ts";
import type { LintSettings, LintSeverity } from "./rule.ts";
import { lintRules } from "./rules.ts";

/** One finding in a Containerfile. */
export interface LintFinding {
  readonly rule: string;
  readonly severity: LintSeverity;
  /** As the caller named it. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly message: string;
  readonly advice: string;
}

/** The findings of one file, and what was let pass. */
export interface LintReport {
  readonly file: string;
  readonly findings: readonly LintFinding[];
  /** Findings that a dated exception covers today. */
  readonly excepted: readonly { readonly finding: LintFinding; readonly exception: LintException }[];
}

/** What a file is judged by, beside the rules. */
export interface LintInput {
  readonly file: string;
  readonly text: string;
  readonly settings: LintSettings;
  /** Severities of `lint.yaml` that replace the rules' own. */
  readonly severities: Readonly<Record<string, LintSeverity>>;
  readonly exceptions: ExceptionUse;
}

/** The settings where there is neither a lock nor a `lint.yaml`. */
export const plainSettings: LintSettings = {
  hasLock: false,
  awaitsLock: false,
  registries: undefined,
  labels: {},
  isStrictLabels: false,
};

/**
 * Judges a Containerfile by every rule.
 *
 * Findings come in the order of their lines. Inline comments `# hadolint ignore=DL3003` hold for the next
 * instruction, `# hadolint global ignore=…` for the file; both hold for `DL` rules only, ours need a dated exception.
 */
export function lintContainerfile({ file, text, settings, severities, exceptions }: LintInput): LintReport {
  const document = readDocument(text);
  const silenced = inlineIgnores(
    document.lines,
    document.instructions.map(({ line }) => line),
  );
  const findings: LintFinding[] = [];
  const excepted: LintReport["excepted"][number][] = [];
  for (const rule of lintRules) {
    const severity = severities[rule.id] ?? rule.severity;
    if (rule.isOff === true && severities[rule.id] === undefined) continue;
    for (const hit of rule.check(document, settings)) {
      if (silenced(rule.id, hit.line)) continue;
      const message = hit.about === undefined ? rule.title : `${rule.title}: ${hit.about}`;
      const finding = { rule: rule.id, severity, file, line: hit.line, message, advice: rule.advice };
      const exception = exceptions.find(finding);
      if (exception === undefined) findings.push(finding);
      else excepted.push({ finding, exception });
    }
  }
  return { file, findings: findings.toSorted((a, b) => a.line - b.line || (a.rule < b.rule ? -1 : 1)), excepted };
}

/** Whether any finding makes the command fail. */
export function hasErrors(reports: readonly LintReport[]): boolean {
  return reports.some(({ findings }) => findings.some(({ severity }) => severity === "error"));
}

function inlineIgnores(lines: readonly string[], starts: readonly number[]): (rule: string, line: number) => boolean {
  const everywhere = new Set<string>();
  const at = new Map<number, Set<string>>();
  lines.forEach((text, index) => {
    const match = /^\s*#\s*hadolint\s+(global\s+)?ignore\s*=\s*([\w,\s]+)/.exec(text);
    if (match === null) return;
    const rules = match[2]!.split(/[,\s]+/).filter((rule) => rule.startsWith("DL") && rule !== "DL1001");
    const next = starts.find((line) => line > index + 1);
    const known = match[1] !== undefined ? everywhere : (at.get(next ?? 0) ?? new Set<string>());
    for (const rule of rules) known.add(rule);
    if (match[1] === undefined && next !== undefined) at.set(next, known);
  });
  return (rule, line) => everywhere.has(rule) || at.get(line)?.has(rule) === true;
}
