import type { LintResult } from "./lint-files.ts";
import type { LintSeverity } from "./rule.ts";
import { lintRules } from "./rules.ts";

const levels: Readonly<Record<LintSeverity, "error" | "warning" | "note">> = {
  error: "error",
  warning: "warning",
  info: "note",
  style: "note",
};

/**
 * Findings as a SARIF 2.1.0 log; what an exception covers is a suppressed result with its reason.
 *
 * Source: OASIS SARIF 2.1.0.
 */
export function lintSarif({ reports, expired }: LintResult, toolVersion: string) {
  const all = reports.flatMap(({ findings, excepted }) => [
    ...findings.map((finding) => ({ finding, reason: undefined })),
    ...excepted.map(({ finding, exception }) => ({ finding, reason: exception.reason })),
  ]);
  const used = lintRules.filter(({ id }) => all.some(({ finding }) => finding.rule === id));
  return {
    $schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: {
          driver: {
            name: "mintmark lint",
            version: toolVersion,
            rules: used.map(({ id, title, advice, severity }) => ({
              id,
              shortDescription: { text: title },
              help: { text: advice },
              defaultConfiguration: { level: levels[severity] },
            })),
          },
        },
        invocations: [
          {
            executionSuccessful: true,
            toolConfigurationNotifications: expired.map(({ path, exception }) => ({
              level: "error",
              message: { text: `${path}: the exception for ${exception.rule} ended on ${exception.until}` },
            })),
          },
        ],
        results: all.map(({ finding, reason }) => ({
          ruleId: finding.rule,
          ruleIndex: used.findIndex(({ id }) => id === finding.rule),
          level: levels[finding.severity],
          message: { text: `${finding.message}. ${finding.advice}` },
          locations: [
            {
              physicalLocation: {
                artifactLocation: { uri: finding.file },
                region: { startLine: finding.line },
              },
            },
          ],
          ...(reason === undefined ? {} : { suppressions: [{ kind: "external", justification: reason }] }),
        })),
      },
    ],
  };
}
