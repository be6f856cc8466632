import type { ScanReport } from "../../client/api-types.ts";
import { severities, type Severity } from "../../model/finding.ts";
import { cut, tableLines } from "./table.ts";
import type { Paint } from "./terminal.ts";

/** Lines of a table of findings, the worst first; empty where there are none. */
export function findingLines(findings: ScanReport["findings"], paint: Paint): string[] {
  if (findings.length === 0) return [];
  const look: Partial<Record<Severity, (text: string) => string>> = { critical: paint.bad, high: paint.warn };
  const sorted = findings.toSorted((a, b) => severities.indexOf(a.severity) - severities.indexOf(b.severity));
  const rows = sorted.map((finding) => [
    finding.id,
    (look[finding.severity] ?? String)(finding.severity),
    cut(finding.package.name, 40),
    cut(finding.package.version, 32),
    cut(finding.fixedVersion ?? "none yet", 32),
    cut(finding.title, 60),
  ]);
  return tableLines(["ID", "SEVERITY", "PACKAGE", "INSTALLED", "FIXED IN", "TITLE"], rows, paint);
}
