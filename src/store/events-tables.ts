import type { ChainedFacts } from "./event-chain.ts";

/** Something that was changed, refused or given out. Rows are only added; the oldest leave by purging. */
export interface EventsTable extends ChainedFacts {
  /** The hash of the event before it. */
  readonly previous_hash: string;
  readonly hash: string;
}

/**
 * Where the chain of events stands: the row `head` is its last event, `anchor` the last one that was purged.
 *
 * Who adds an event updates `head` first: on PostgreSQL that row is the lock which keeps the sequence without gaps.
 */
interface EventHeadsTable {
  readonly name: "head" | "anchor";
  sequence: number;
  hash: string;
  /** The instant of that event. */
  at: number;
}

/** How far a follower has come. */
interface EventCursorsTable {
  readonly name: string;
  /** The last event that it has handled. */
  sequence: number;
  /** How often it failed at what comes next. */
  failure_count: number;
  /** Why, for the reader. */
  failure: string | null;
  /** When it was last alive; one that is long gone holds nothing back. */
  seen_at: number;
}

/** The tables of events. */
export interface EventTables {
  events: EventsTable;
  event_heads: EventHeadsTable;
  event_cursors: EventCursorsTable;
}
