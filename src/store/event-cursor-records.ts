import { nowMs } from "../base/clock.ts";
import { type Database } from "./database.ts";

/** How far a follower of events has come. */
export interface EventCursor {
  readonly name: string;
  /** The last event that it has handled. */
  readonly sequence: number;
  /** How often it has failed, one time after the other, at what comes next. */
  readonly failureCount: number;
  readonly failure: string | undefined;
}

/** The cursor of a follower; a new one starts at `start`. It is marked as alive. */
export async function openEventCursor(db: Database, name: string, start: number): Promise<EventCursor> {
  const row = await db
    .insertInto("event_cursors")
    .values({ name, sequence: start, failure_count: 0, failure: null, seen_at: nowMs() })
    .onConflict((conflict) => conflict.column("name").doUpdateSet({ seen_at: nowMs() }))
    .returningAll()
    .executeTakeFirstOrThrow();
  return { name, sequence: row.sequence, failureCount: row.failure_count, failure: row.failure ?? undefined };
}

/** Moves a cursor on, which forgets its failures, or records that its follower failed. */
export async function moveEventCursor(
  db: Database,
  name: string,
  change: { readonly sequence: number } | { readonly failureCount: number; readonly failure: string },
): Promise<void> {
  const set =
    "sequence" in change
      ? { sequence: change.sequence, failure_count: 0, failure: null }
      : { failure_count: change.failureCount, failure: change.failure };
  await db
    .updateTable("event_cursors")
    .set({ ...set, seen_at: nowMs() })
    .where("name", "=", name)
    .execute();
}

/** Forgets a follower: what it has not seen holds back no purging any more. */
export async function forgetEventCursor(db: Database, name: string): Promise<void> {
  await db.deleteFrom("event_cursors").where("name", "=", name).execute();
}

/** The cursors of all followers, by name. */
export async function listEventCursors(db: Database): Promise<(EventCursor & { readonly seenAt: number })[]> {
  const rows = await db.selectFrom("event_cursors").selectAll().orderBy("name").execute();
  return rows.map((row) => ({
    name: row.name,
    sequence: row.sequence,
    failureCount: row.failure_count,
    failure: row.failure ?? undefined,
    seenAt: row.seen_at,
  }));
}
