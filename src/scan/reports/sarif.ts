import type { Finding, ScanReport, Severity } from "../../model/finding.ts";

/** The image that a report is about, as its formats name it. */
export interface ScannedImage {
  /** Reference as people write it. */
  readonly name: string;
  /** Digest of the image. */
  readonly digest: string;
  readonly toolVersion: string;
}

/**
 * The report as a SARIF 2.1.0 log: one rule for each vulnerability, one result for each package that has it.
 *
 * `security-severity` is the middle of the severity's CVSS band, since a finding keeps no score; the location is the
 * package database of the image. Without data the log holds a notification, so that no viewer takes it for clean.
 * Source: OASIS SARIF 2.1.0.
 */
export function sarif(report: ScanReport, image: ScannedImage) {
  const first = new Map<string, Finding>();
  for (const finding of report.findings) if (!first.has(finding.id)) first.set(finding.id, finding);
  const ids = [...first.keys()];
  const indexOf = new Map(ids.map((id, index) => [id, index]));
  return {
    $schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: { driver: { name: "mintmark", version: image.toolVersion, rules: [...first.values()].map(ruleOf) } },
        automationDetails: { id: `${image.name}/${image.digest}` },
        invocations: [
          {
            executionSuccessful: report.coverage === "complete",
            endTimeUtc: report.scannedAt,
            toolExecutionNotifications:
              report.coverage === "complete"
                ? []
                : [
                    {
                      level: "error",
                      message: {
                        text: "No advisory feed covers the distribution: the absence of results says nothing.",
                      },
                    },
                  ],
          },
        ],
        results: report.findings.map((finding) => resultOf(finding, indexOf.get(finding.id)!, image)),
      },
    ],
  };
}

const levels: Readonly<Record<Severity, "error" | "warning" | "note">> = {
  critical: "error",
  high: "error",
  medium: "warning",
  low: "note",
  negligible: "note",
  unknown: "warning",
};

const bandMiddles: Readonly<Record<Severity, string>> = {
  critical: "9.5",
  high: "8.0",
  medium: "5.5",
  low: "2.0",
  negligible: "0.1",
  unknown: "5.0",
};

function ruleOf(finding: Finding) {
  const link = finding.links.find((candidate) => candidate.startsWith("https://"));
  const title = finding.title === "" ? finding.id : finding.title;
  return {
    id: finding.id,
    name: "VulnerablePackage",
    shortDescription: { text: `${finding.id} in ${finding.package.source}` },
    fullDescription: { text: title },
    ...(link === undefined ? {} : { helpUri: link }),
    defaultConfiguration: { level: levels[finding.severity] },
    properties: {
      "security-severity": bandMiddles[finding.severity],
      tags: ["vulnerability", "security", finding.severity],
    },
  };
}

function resultOf(finding: Finding, ruleIndex: number, image: ScannedImage) {
  const { name, version, architecture } = finding.package;
  const fix = finding.fixedVersion === undefined ? "there is no fixed version yet" : `fixed in ${finding.fixedVersion}`;
  return {
    ruleId: finding.id,
    ruleIndex,
    level: levels[finding.severity],
    message: { text: `${finding.id}: ${name} ${version} is affected, ${fix}. ${finding.reason}` },
    locations: [
      {
        physicalLocation: { artifactLocation: { uri: "var/lib/dpkg/status" }, region: { startLine: 1 } },
        logicalLocations: [
          { fullyQualifiedName: `${image.name}@${image.digest}/${name}:${architecture}`, kind: "package" },
        ],
      },
    ],
    partialFingerprints: { "vulnerabilityPackage/v1": `${finding.id}:${name}:${architecture}` },
  };
}
