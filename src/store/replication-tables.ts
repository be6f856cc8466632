import { type Digest } from "../model/digest.ts";

/** Another registry that images go to or come from. */
interface PeersTable {
  readonly id: string;
  name: string;
  kind: string;
  url: string;
  username: string | null;
  /** Sealed with the key file of the peers, bound to id and address. */
  secret: string | null;
  ca_pem: string | null;
  /** 1 takes any certificate. */
  insecure: number;
  /** JSON list of hosts. */
  trusted_hosts: string;
  readonly created_at: number;
  changed_at: number;
  checked_at: number | null;
  /** Null where the last look was well, else what was wrong. */
  check_problem: string | null;
}

/** What travels where, and when. */
interface ReplicationRulesTable {
  readonly id: string;
  readonly name: string;
  readonly peer: string;
  readonly direction: "push" | "pull";
  /** JSON document of filter, destination, trigger and bounds. */
  settings: string;
  enabled: number;
  readonly created_at: number;
  changed_at: number;
  readonly created_by: string;
}

/** One start of a rule. */
interface ReplicationExecutionsTable {
  readonly id: string;
  readonly rule: string;
  readonly trigger: "manual" | "schedule" | "event";
  readonly actor: string;
  readonly run_id: string | null;
  readonly started_at: number;
  ended_at: number | null;
  /** Why the list of tasks could not be made. */
  problem: string | null;
}

/** One image that an execution moves; its state is that of its run. */
interface ReplicationTasksTable {
  readonly id: string;
  readonly execution: string;
  readonly rule: string;
  readonly operation: "copy" | "delete";
  readonly source: string;
  readonly destination: string;
  readonly reference: string;
  readonly run_id: string;
  readonly created_at: number;
  /** `copied`, `unchanged`, `deleted`, `absent`, `skipped`; null before the end. */
  outcome: string | null;
  /** Why it was skipped. */
  note: string | null;
  sent_bytes: number;
  sent_count: number;
}

/** Where a transfer of one blob stands: an upload of ours or an address of the peer. */
interface TransfersTable {
  readonly id: string;
  place: string;
  touched_at: number;
}

/** A project whose content comes from a peer. */
interface ProxyProjectsTable {
  readonly project: string;
  peer: string;
  /** What stands before the repository's name at the peer; empty for nothing. */
  namespace: string;
  /** JSON list of patterns; empty lets all through. */
  allowed: string;
  fresh_seconds: number;
  missing_seconds: number;
  /** The host whose images clients ask for with `?ns=`. */
  mirrored_host: string | null;
  readonly created_at: number;
}

/** What a peer said last about a tag or digest; without a digest it had none. */
interface ProxyAnswersTable {
  readonly repository: string;
  readonly reference: string;
  digest: Digest | null;
  checked_at: number;
}

/** The tables of replication and proxy caches. */
export interface ReplicationTables {
  peers: PeersTable;
  replication_rules: ReplicationRulesTable;
  replication_executions: ReplicationExecutionsTable;
  replication_tasks: ReplicationTasksTable;
  transfers: TransfersTable;
  proxy_projects: ProxyProjectsTable;
  proxy_answers: ProxyAnswersTable;
}
