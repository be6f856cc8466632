import type { Kysely } from "kysely";

/**
 * One step forward of the schema; there is no way back but the snapshot that is taken before.
 *
 * A released migration is never edited: a change is a new one.
 */
export interface Migration {
  /** 1, 2, 3 … without gaps. */
  readonly version: number;
  readonly name: string;
  /** Runs inside a transaction together with the record that it ran. Portable SQL only: SQLite and PostgreSQL. */
  up(db: Kysely<unknown>): Promise<void>;
}
