/** The rules for all repositories of the mirror, or for one. */
interface MirrorPoliciesTable {
  /** `*`, or the name of a repository. */
  readonly scope: string;
  /** JSON of what is chosen. */
  rules: string;
  changed_at: number;
  changed_by: string;
}

/** A dated permission to get what rules keep back. */
interface MirrorExceptionsTable {
  readonly id: string;
  /** A pattern over package URLs. */
  readonly pattern: string;
  /** Null for all repositories. */
  readonly repository: string | null;
  readonly reason: string;
  readonly author: string;
  readonly created_at: number;
  expires_at: number;
}

/** What rules were against when it was asked for. */
interface MirrorFindingsTable {
  readonly repository: string;
  readonly name: string;
  readonly version: string;
  readonly rule: string;
  /** Whether it was given out all the same. */
  mode: string;
  reason: string;
  use_count: number;
  readonly first_at: number;
  last_at: number;
}

/** The tables of the rules of the package mirror. */
export interface MirrorPolicyTables {
  mirror_policies: MirrorPoliciesTable;
  mirror_exceptions: MirrorExceptionsTable;
  mirror_findings: MirrorFindingsTable;
}
