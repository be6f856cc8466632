/** Rows of the exception tables that migration 0004 makes. Instants are integer milliseconds. */
export interface ExceptionTables {
  exceptions: ExceptionTable;
  exception_events: ExceptionEventTable;
}

/** A dated permission to ignore a finding; nothing but its end ever changes, and only to earlier. */
export interface ExceptionTable {
  id: string;
  vulnerability: string;
  /** Null: every package. */
  package: string | null;
  /** Null: every repository. */
  repository: string | null;
  reason: string;
  author: string;
  created_at: number;
  expires_at: number;
}

/** What happened to an exception, who did it and why; append-only. */
export interface ExceptionEventTable {
  id: string;
  exception_id: string;
  kind: "created" | "expired";
  at: number;
  actor: string;
  reason: string;
}
