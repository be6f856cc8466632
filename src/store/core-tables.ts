import type { Generated } from "kysely";

/** Rows of the tables that migration 0001 makes. Instants are integer milliseconds, documents are JSON as text. */
export interface CoreTables {
  migrations: MigrationTable;
  runs: RunTable;
  run_steps: RunStepTable;
  run_events: RunEventTable;
}

/** Which migrations a database has been through. */
interface MigrationTable {
  version: number;
  name: string;
  /** SHA-256 of version and name: a renamed or renumbered migration is noticed. */
  checksum: string;
  applied_at: number;
}

/** One piece of durable work; see run-records.ts for what moves between the states. */
export interface RunTable {
  id: string;
  definition: string;
  definition_version: number;
  input: string;
  state: string;
  /** Runs with one key never run at the same time; a unique index holds it. */
  concurrency_key: string | null;
  /** At most one queued or running run has this key; a unique index holds it. */
  dedupe_key: string | null;
  /** Not claimed before this instant. */
  due_at: number;
  /** How often the run was claimed. */
  attempt: Generated<number>;
  /** How often its handler failed. */
  failure_count: Generated<number>;
  /** How often its owner died without having finished a step. */
  crash_count: Generated<number>;
  cancel_requested: Generated<number>;
  lease_owner: string | null;
  lease_until: number | null;
  output: string | null;
  failure: string | null;
  created_at: number;
  started_at: number | null;
  ended_at: number | null;
}

/** One step of a run and what it gave. */
export interface RunStepTable {
  run_id: string;
  name: string;
  state: string;
  input_digest: string;
  /** The attempt of the run that ran the step last. */
  attempt: number;
  output: string | null;
  failure: string | null;
  started_at: number;
  ended_at: number | null;
}

/** One thing that happened in a run, numbered from 1 without gaps. */
interface RunEventTable {
  run_id: string;
  sequence: number;
  at: number;
  event: string;
}
