import { severities, type Finding, type ScanReport } from "../../model/finding.ts";
import type { ScannedImage } from "./sarif.ts";

const headings = ["SEVERITY", "VULNERABILITY", "PACKAGE", "INSTALLED", "FIXED IN", "TITLE"] as const;
const titleWidth = 60;

/** The report as plain text for a terminal: counts, findings worst first, and how old each feed is. */
export function table(report: ScanReport, image: ScannedImage): string {
  const rows = report.findings.map(rowOf);
  const widths = headings.map((heading, column) => Math.max(heading.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd();
  const counts = severities.map(
    (severity) => [severity, report.findings.filter((finding) => finding.severity === severity).length] as const,
  );
  const summary = counts.filter(([, count]) => count > 0).map(([severity, count]) => `${count} ${severity}`);
  return [
    `${printable(image.name)}: ${report.packageCount} packages, ${summary.length === 0 ? "no findings" : summary.join(", ")}`,
    ...(report.coverage === "no-data"
      ? [
          "NO DATA: no feed covers this distribution, so this says nothing about the image. It is not clean, it is unknown.",
        ]
      : []),
    ...(rows.length === 0 ? [] : ["", line(headings), ...rows.map(line)]),
    "",
    ...report.feeds.map(
      (feed) =>
        `feed ${printable(feed.feed)}: ${feed.recordCount} records, newest ${feed.dataAt ?? "none"}, ${feed.covers ? "covers the distribution" : "does not cover the distribution"}`,
    ),
    "",
  ].join("\n");
}

function rowOf(finding: Finding): string[] {
  const title = printable(finding.title);
  return [
    finding.severity,
    printable(finding.id),
    printable(finding.package.name),
    printable(finding.package.version),
    finding.fixedVersion === undefined ? "-" : printable(finding.fixedVersion),
    title.length <= titleWidth ? title : `${title.slice(0, titleWidth - 1)}…`,
  ];
}

/** Advisory texts come from strangers: no control character of theirs may reach a terminal. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ");
}
