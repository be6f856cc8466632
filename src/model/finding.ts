import type { Package } from "./package.ts";

/** Severities from worst to least; `unknown` is not harmless. */
export const severities = ["critical", "high", "medium", "low", "negligible", "unknown"] as const;
/** How bad a vulnerability is. */
export type Severity = (typeof severities)[number];

/** The match of one advisory to one package of one image. */
export interface Finding {
  /** CVE or, where there is none, the advisory's own id. */
  readonly id: string;
  /** Other names of the same vulnerability. */
  readonly aliases: readonly string[];
  readonly package: Pick<Package, "type" | "name" | "version" | "architecture" | "source" | "sourceVersion">;
  readonly severity: Severity;
  /** Who rated it, such as `nvd` or `ubuntu`; `none` where nobody did. */
  readonly severitySource: string;
  /** The first version without the vulnerability, or undefined where there is none yet. */
  readonly fixedVersion: string | undefined;
  readonly title: string;
  /** Why it matches, in a sentence a person can check: versions, order, range, feed. */
  readonly reason: string;
  /** The feed that holds the advisory. */
  readonly feed: string;
  readonly links: readonly string[];
}

/** What a feed could say about an image: silence of a feed without data is never "clean". */
export interface FeedState {
  readonly feed: string;
  /** Instant of the newest content, ISO 8601, or undefined where the feed holds nothing. */
  readonly dataAt: string | undefined;
  /** Whether the feed covers the distribution or ecosystem of the image. */
  readonly covers: boolean;
  readonly recordCount: number;
}

/** The outcome of matching one image against all feeds at one instant. */
export interface ScanReport {
  readonly schemaVersion: 1;
  readonly scannedAt: string;
  readonly packageCount: number;
  readonly findings: readonly Finding[];
  readonly feeds: readonly FeedState[];
  /** `complete` only if at least one feed covers the image and holds data. */
  readonly coverage: "complete" | "no-data";
}
