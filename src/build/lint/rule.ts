import type { ContainerDocument } from "./document.ts";

/** How bad a finding is; only errors make the command fail. */
export type LintSeverity = "error" | "warning" | "info" | "style";

/** What the form of a label's value must be. Source: hadolint's label schema. */
export type LabelForm = "text" | "url" | "rfc3339" | "spdx" | "hash" | "semver" | "email";

/** What a rule may know beside the file. */
export interface LintSettings {
  /** Whether a lock pins base images and everything that a build fetches, or will from the first build on. */
  readonly hasLock: boolean;
  /** Whether the file is of a recipe that no lock lies beside yet. */
  readonly awaitsLock: boolean;
  /** Registries that base images may come from; any where undefined. `*` stands for one part of a host name. */
  readonly registries: readonly string[] | undefined;
  /** Labels that an image must have, and the form of their values. */
  readonly labels: Readonly<Record<string, LabelForm>>;
  /** Whether other labels are refused. */
  readonly isStrictLabels: boolean;
}

/** What a rule found. */
export interface Hit {
  /** From 1. */
  readonly line: number;
  /** What stands there; where undefined, the rule's own sentence says it all. */
  readonly about?: string;
}

/** One rule: what it refuses, why, and how it looks when it is right. */
export interface LintRule {
  /** `DL` and four digits as hadolint names it, or `MM` and four digits for one of ours. */
  readonly id: string;
  readonly severity: LintSeverity;
  /** Off unless `lint.yaml` gives it a severity. */
  readonly isOff?: true;
  /** What is wrong, in one sentence without a full stop. */
  readonly title: string;
  /** Why that is bad and what to do. */
  readonly advice: string;
  /** A Containerfile that the rule refuses, and one that it lets pass; both are shown in the reference. */
  readonly bad: string;
  readonly good: string;
  /** Settings under which the two samples are judged, where the defaults say nothing. */
  readonly settings?: Partial<LintSettings>;
  readonly check: (document: ContainerDocument, settings: LintSettings) => Iterable<Hit>;
}
