import type { Severity } from "./finding.ts";

/** The worst severity that a project may be told to let pass; `none` lets no finding pass. */
export const severityBounds = ["critical", "high", "medium", "low", "negligible", "none"] as const;
/** One of {@link severityBounds}. */
export type SeverityBound = (typeof severityBounds)[number];

/** What a project asks of an image before it gives it out; a project without one gives out everything. */
export interface PullGate {
  /** The site's own policy (`gate.block`) must let it pass. */
  readonly requireVerdict: boolean;
  /** The worst severity that is let pass; undefined sets no bound. */
  readonly maxSeverity: SeverityBound | undefined;
  /** Whether findings without a fixed version are let pass. */
  readonly allowUnfixed: boolean;
  /** A signature by a trusted key must be there. */
  readonly requireSignature: boolean;
  /** Public keys in PEM; where empty, the release key of this server is the trusted one. */
  readonly trustedKeys: readonly string[];
}

/** What a scan read, and what it did not. */
export interface ScanScope {
  /** Package databases that were read: `dpkg`, `apk`. */
  readonly databases: readonly string[];
  /** What was not looked at, so that nothing found there means nothing. */
  readonly omitted: readonly string[];
}

/** Findings in numbers. */
export interface ScanSummary {
  readonly severities: Readonly<Record<Severity, number>>;
  readonly total: number;
  /** Those with a fixed version. */
  readonly fixable: number;
  /** `no-data`: no feed covers the image, so that nothing found means nothing. */
  readonly coverage: "complete" | "no-data";
}
