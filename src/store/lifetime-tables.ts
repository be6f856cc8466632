import { type Digest } from "../model/digest.ts";

/** What a project says about the lifetime of its tags; no row is nothing said. Read by every push, so it is one row. */
interface ProjectLifetimeTable {
  readonly project: string;
  /** JSON list of rules. */
  immutability: string;
  /** JSON list of rules. */
  hold_rules: string;
  /** The policy in YAML as it was given; null where there is none. */
  retention: string | null;
  retention_set_by: string | null;
  retention_set_at: number | null;
  /** Null is no limit. */
  quota_bytes: number | null;
  /** When it was warned that the quota is nearly used up; null once there is room again. */
  quota_warned_at: number | null;
  /** When a refusal was last put into the audit trail. */
  quota_refused_at: number | null;
}

/** Bytes of the distinct blobs and manifests of a project; kept true by triggers on their tables. */
interface ProjectUsageTable {
  readonly project: string;
  readonly bytes: number;
}

/** That a manifest of a repository cannot be deleted until an instant. Rows stay after their end. */
interface HoldsTable {
  readonly id: string;
  readonly repository: string;
  readonly digest: Digest;
  readonly until_at: number;
  readonly author: string;
  readonly reason: string;
  readonly created_at: number;
  released_at: number | null;
  released_by: string | null;
  release_reason: string | null;
}

/** One execution of a retention policy, or its dry run. */
interface RetentionRunsTable {
  readonly id: string;
  readonly project: string;
  readonly actor: string;
  readonly dry_run: number;
  state: "queued" | "running" | "succeeded" | "failed";
  readonly created_at: number;
  started_at: number | null;
  ended_at: number | null;
  kept_count: number;
  dropped_count: number;
  freed_bytes: number;
  failure: string | null;
  /** Whether outcomes of this run are kept; old runs keep their sums alone. */
  has_outcomes: number;
}

/** What a run decided about one tag, or about one digest without a tag. */
interface RetentionOutcomesTable {
  readonly run_id: string;
  readonly position: number;
  readonly repository: string;
  readonly tag: string | null;
  readonly digest: Digest;
  readonly decision: "kept" | "dropped";
  readonly reason: string;
  readonly freed_bytes: number;
}

/** The tables of lifetime. */
export interface LifetimeTables {
  project_lifetime: ProjectLifetimeTable;
  project_usage: ProjectUsageTable;
  holds: HoldsTable;
  retention_runs: RetentionRunsTable;
  retention_outcomes: RetentionOutcomesTable;
}
