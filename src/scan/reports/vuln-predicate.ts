import type { ScanReport } from "../../model/finding.ts";
import type { ScannedImage } from "./sarif.ts";

/**
 * The report as the predicate that cosign calls `vuln`: the scanner, the age of its data, and the whole result.
 *
 * Source: cosign specs/COSIGN_VULN_ATTESTATION_SPEC.md.
 */
export function vulnPredicate(report: ScanReport, image: ScannedImage) {
  const newest = report.feeds
    .flatMap((feed) => (feed.covers && feed.dataAt !== undefined ? [feed.dataAt] : []))
    .sort()
    .at(-1);
  return {
    invocation: { parameters: null, uri: "", event_id: "", "builder.id": "" },
    scanner: {
      uri: `pkg:generic/mintmark@${image.toolVersion}`,
      version: image.toolVersion,
      db: {
        uri: report.feeds.map((feed) => feed.feed).join(" "),
        version: "",
        ...(newest === undefined ? {} : { lastUpdate: newest }),
      },
      result: report,
    },
    metadata: { scanStartedOn: report.scannedAt, scanFinishedOn: report.scannedAt },
  };
}
