/** A browser in which somebody is signed in. */
interface SessionsTable {
  /** SHA-256 of the session's secret, in hex: who reads the database can use none. */
  readonly id_hash: string;
  readonly account: string;
  readonly created_at: number;
  readonly expires_at: number;
}

/** The table of sessions. */
export interface SessionTables {
  sessions: SessionsTable;
}
