import type { Digest } from "../model/digest.ts";
import type { ScanReport } from "../model/finding.ts";
import type { Verdict } from "../model/verdict.ts";

/**
 * The predicate of cosign's vulnerability attestation (`--type vuln`), with our scan report as the scanner's result.
 *
 * Source: cosign, specs/COSIGN_VULN_ATTESTATION_SPEC.md.
 */
export function cosignVulnerabilities(report: ScanReport, scanner: { uri: string; version: string }): unknown {
  return {
    invocation: { parameters: null, uri: "", event_id: "", "builder.id": "" },
    scanner: {
      uri: scanner.uri,
      version: scanner.version,
      db: { uri: "", version: newestDate(report) },
      result: report,
    },
    metadata: { scanStartedOn: report.scannedAt, scanFinishedOn: report.scannedAt },
  };
}

/** Who judged what on which statements. */
export interface GateContext {
  readonly verifierId: string;
  /** Names the image. */
  readonly resourceUri: string;
  /** The statements that the gate read: all of them, or none. */
  readonly inputs: readonly { readonly uri: string; readonly digest: Digest }[];
}

/**
 * The gate's verdict as a SLSA verification summary: the one statement that admission needs instead of all the others.
 *
 * Source: SLSA 1.2, verification_summary.
 */
export function verificationSummary(verdict: Verdict, about: GateContext): unknown {
  return {
    verifier: { id: about.verifierId },
    timeVerified: verdict.judgedAt,
    resourceUri: about.resourceUri,
    policy: { uri: `urn:mintmark:policy:${verdict.policy.name}`, digest: { sha256: verdict.policy.sha256 } },
    inputAttestations: about.inputs.map(({ uri, digest }) => ({
      uri,
      digest: { [digest.slice(0, 6)]: digest.slice(7) },
    })),
    verificationResult: verdict.result === "pass" ? "PASSED" : "FAILED",
    verifiedLevels: [],
    slsaVersion: "1.2",
    // A vendor's own field: SLSA wants `<vendor>_<name>` and that it changes no meaning.
    mintmark_reasons: verdict.reasons,
  };
}

function newestDate(report: ScanReport): string {
  return report.feeds.map((feed) => feed.dataAt ?? "").reduce((newest, at) => (at > newest ? at : newest), "");
}
