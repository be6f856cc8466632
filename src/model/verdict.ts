import type { Severity } from "./finding.ts";

/** A dated, scoped, reasoned permission to ignore a finding. */
export interface Exception {
  readonly id: string;
  /** The finding's id or an alias. */
  readonly vulnerability: string;
  /** Source or binary package; undefined for every package. */
  readonly package: string | undefined;
  /** Repository; undefined for every repository. */
  readonly repository: string | undefined;
  readonly reason: string;
  readonly author: string;
  readonly createdAt: string;
  /** ISO 8601; from this instant on it no longer counts. */
  readonly expiresAt: string;
}

/** One statement of the gate with the rule behind it. */
export interface VerdictReason {
  /** Name of the rule, such as `severity-critical` or `no-data`. */
  readonly rule: string;
  readonly outcome: "deny" | "warn" | "allow";
  readonly message: string;
  /** The finding that it is about, where it is about one. */
  readonly finding?: { readonly id: string; readonly package: string; readonly severity: Severity };
  /** The exception that lets it pass, where one does. */
  readonly exception?: string;
}

/** The gate's answer on an image, with reasons. */
export interface Verdict {
  readonly schemaVersion: 1;
  readonly result: "pass" | "fail";
  readonly judgedAt: string;
  readonly policy: { readonly name: string; readonly sha256: string };
  readonly reasons: readonly VerdictReason[];
}
