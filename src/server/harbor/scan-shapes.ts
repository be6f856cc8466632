import { sha256Hex } from "../../base/hash.ts";
import type { Digest } from "../../model/digest.ts";
import { type Finding, type ScanReport, severities, type Severity } from "../../model/finding.ts";
import type { Descriptor } from "../../model/oci.ts";
import type { ScanSummary } from "../../model/pull-gate.ts";
import type { Factory } from "../../pipeline/factory.ts";
import type { ScanRecord } from "../../store/admission-records.ts";
import { findScans } from "../../store/harbor-scan-records.ts";
import { instant, instantOf } from "./names.ts";

/** The types of reports in Harbor's order. Source: Harbor's pkg/scan/rest/v1/spec.go. */
export const reportTypes = [
  "application/vnd.security.vulnerability.report; version=1.1",
  "application/vnd.scanner.adapter.vuln.report.harbor+json; version=1.0",
] as const;

/** The one type that a client takes first; undefined where it takes none that there is. */
export type ReportTypes = (typeof reportTypes)[number] | undefined;

/** Reads `X-Accept-Vulnerabilities`: types with commas between, the first that there is counts. */
export function acceptedReport(header: string | readonly string[] | undefined): ReportTypes {
  const text = typeof header === "string" ? header : (header ?? []).join(",");
  if (text.trim() === "") return reportTypes[0];
  const asked = text.split(",").map(plain);
  return reportTypes.find(
    (type) => plain(type) === asked.find((one) => reportTypes.some((known) => plain(known) === one)),
  );
}

function plain(type: string): string {
  return type.replaceAll(/\s/g, "").toLowerCase();
}

/** The scanner as reports and overviews name it. */
export const scanner = { name: "Mintmark", vendor: "Mintmark", version: "1.0" } as const;

const severityNames: Readonly<Record<Severity, string>> = {
  critical: "Critical",
  high: "High",
  medium: "Medium",
  low: "Low",
  negligible: "Negligible",
  unknown: "Unknown",
};

/** A severity in Harbor's words. */
export function severityName(severity: Severity): string {
  return severityNames[severity];
}

/** The worst severity of a report; nothing found without any knowledge is `Unknown`, not `None`. */
function worstSeverity({ severities: counts, coverage }: Pick<ScanSummary, "severities" | "coverage">): string {
  const worst = severities.find((severity) => counts[severity] > 0);
  return worst === undefined ? (coverage === "complete" ? "None" : "Unknown") : severityNames[worst];
}

/** The id of the report of an image, which names its log. */
export function reportId(digest: Digest): string {
  const hex = sha256Hex(`report ${digest}`);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

const states: Readonly<Record<string, string>> = {
  queued: "Pending",
  running: "Running",
  done: "Success",
  failed: "Error",
};

/** What is known of the scans behind an artifact. */
export interface Overview {
  scan(type: ReportTypes): unknown;
  sbom(): unknown;
}

interface IndexLike {
  readonly manifests?: readonly Descriptor[];
}

/** The overviews of artifacts by digest; those of an index stand for all of its images. */
export async function overviewsOf(
  factory: Factory,
  rows: readonly { readonly repository: string; readonly digest: Digest }[],
  read: ReadonlyMap<Digest, IndexLike>,
): Promise<ReadonlyMap<Digest, Overview>> {
  const { db } = factory.store;
  const imagesOf = (digest: Digest): readonly Digest[] => [
    digest,
    ...(read.get(digest)?.manifests ?? []).map((child) => child.digest),
  ];
  const all = rows.flatMap(({ digest }) => imagesOf(digest));
  let scans = await findScans(db, all);
  const uncounted = rows.filter(({ digest }) => imagesOf(digest).some((one) => isUncounted(scans.get(one))));
  // Looking at the report of a scan that has just ended counts it.
  for (const { repository, digest } of uncounted) await factory.admission.scans(repository, digest);
  if (uncounted.length > 0) scans = await findScans(db, all);
  const overviews = new Map<Digest, Overview>();
  for (const { digest } of rows) {
    const some = imagesOf(digest).flatMap((one) => scans.get(one) ?? []);
    const shown = some.filter(({ state }) => states[state] !== undefined);
    if (shown.length > 0) overviews.set(digest, overviewOf(digest, shown));
  }
  return overviews;
}

function isUncounted(scan: ScanRecord | undefined): boolean {
  return scan?.state === "done" && scan.summary === undefined;
}

/** Of several images counts the one that is least far. */
const stateOrder = ["failed", "running", "queued", "done"];

function overviewOf(digest: Digest, scans: readonly ScanRecord[]): Overview {
  const state = stateOrder.find((one) => scans.some((scan) => scan.state === one)) ?? "queued";
  const startedAt = Math.min(...scans.map((scan) => scan.startedAt ?? scan.queuedAt));
  const endedAt = Math.max(...scans.map((scan) => scan.endedAt ?? scan.startedAt ?? scan.queuedAt));
  const shared = {
    report_id: reportId(digest),
    scan_status: states[state],
    duration: Math.ceil((endedAt - startedAt) / 1000),
    start_time: instant(startedAt),
    end_time: instant(endedAt),
    scanner,
  };
  return {
    scan(type) {
      if (type === undefined) return undefined;
      const summary = joinedSummary(scans);
      const found = severities.filter((severity) => summary.severities[severity] > 0);
      return {
        [type]: {
          ...shared,
          severity: state === "done" ? worstSeverity(summary) : "",
          summary: {
            total: summary.total,
            fixable: summary.fixable,
            summary: Object.fromEntries(
              found.map((severity) => [severityNames[severity], summary.severities[severity]]),
            ),
          },
          complete_percent: Math.round((100 * scans.filter((scan) => scan.state === "done").length) / scans.length),
        },
      };
    },
    sbom: () => shared,
  };
}

function joinedSummary(scans: readonly ScanRecord[]): ScanSummary {
  const counts = Object.fromEntries(severities.map((severity) => [severity, 0])) as Record<Severity, number>;
  let [total, fixable] = [0, 0];
  for (const { summary } of scans) {
    if (summary === undefined) continue;
    for (const severity of severities) counts[severity] += summary.severities[severity];
    total += summary.total;
    fixable += summary.fixable;
  }
  const isCovered = scans.every(({ summary }) => summary?.coverage === "complete");
  return { severities: counts, total, fixable, coverage: isCovered ? "complete" : "no-data" };
}

/** One image with its report. */
export interface ReportedImage {
  readonly digest: Digest;
  readonly report: ScanReport;
}

/** The reports of the images of one artifact as one; findings of several images are told once. */
export function shownReport(images: readonly ReportedImage[]): unknown {
  const found = new Map<string, { readonly finding: Finding; readonly digests: Digest[] }>();
  for (const { digest, report } of images)
    for (const finding of report.findings) {
      const key = `${finding.id}-${finding.package.name}-${finding.package.version}`;
      const known = found.get(key);
      if (known === undefined) found.set(key, { finding, digests: [digest] });
      else if (!known.digests.includes(digest)) known.digests.push(digest);
    }
  const all = [...found.values()];
  const worst = severities.find((severity) => all.some(({ finding }) => finding.severity === severity));
  const isCovered = images.every(({ report }) => report.coverage === "complete");
  const times = images.map(({ report }) => report.scannedAt).toSorted();
  return {
    generated_at: instantOf(times.at(-1)!),
    scanner,
    severity: worst === undefined ? (isCovered ? "None" : "Unknown") : severityNames[worst],
    vulnerabilities: all.map(({ finding, digests }) => shownFinding(finding, digests)),
  };
}

function shownFinding(finding: Finding, digests: readonly Digest[]): unknown {
  return {
    id: finding.id,
    package: finding.package.name,
    version: finding.package.version,
    fix_version: finding.fixedVersion ?? "",
    severity: severityNames[finding.severity],
    status: statusOf(finding),
    description: finding.title,
    links: finding.links,
    artifact_digests: digests,
    // The scores are not kept; Harbor writes them so where its scanner tells none.
    preferred_cvss: { score_v3: null, score_v2: null, vector_v3: "", vector_v2: "" },
    cwe_ids: [],
    vendor_attributes: {},
  };
}

/** Whether somebody has mended it. */
export function statusOf({ fixedVersion }: Pick<Finding, "fixedVersion">): string {
  return fixedVersion === undefined ? "affected" : "fixed";
}
