import { type Selectable } from "kysely";
import { nowMs } from "../base/clock.ts";
import { type Database } from "./database.ts";
import { eventHash } from "./event-chain.ts";
import { addAuditEvent } from "./event-records.ts";
import type { EventsTable } from "./events-tables.ts";

/** One place of the chain. */
export interface ChainPlace {
  readonly sequence: number;
  readonly hash: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** The ends of the chain: its last event, and the last one that was purged (sequence 0 where none was). */
export async function chainEnds(db: Database): Promise<{ readonly head: ChainPlace; readonly anchor: ChainPlace }> {
  const rows = await db.selectFrom("event_heads").selectAll().execute();
  const place = (name: "head" | "anchor"): ChainPlace => {
    const { sequence, hash, at } = rows.find((row) => row.name === name)!;
    return { sequence, hash, at };
  };
  return { head: place("head"), anchor: place("anchor") };
}

/** The rows of the chain as they are stored, after a sequence number, in order. */
export async function readChain(
  db: Database,
  page: { readonly after: number; readonly limit: number },
): Promise<Selectable<EventsTable>[]> {
  return await db
    .selectFrom("events")
    .selectAll()
    .where("sequence", ">", page.after)
    .orderBy("sequence")
    .limit(page.limit)
    .execute();
}

/** The hash that a stored event must have where it follows one with another hash; event-chain.ts tells how it is made. */
export function hashOfRow(previousHash: string, row: Selectable<EventsTable>): string {
  return eventHash(previousHash, row);
}

/** The sequence number beyond another of the event that says it follows a hash. Reads through the chain. */
export async function findSuccessor(
  db: Database,
  of: { readonly hash: string; readonly beyond: number },
): Promise<number | undefined> {
  const row = await db
    .selectFrom("events")
    .select("sequence")
    .where("previous_hash", "=", of.hash)
    .where("sequence", ">", of.beyond)
    .executeTakeFirst();
  return row?.sequence;
}

/** Which events may be purged. */
export interface Purge {
  /** Events before this instant, in milliseconds since 1970. */
  readonly before: number;
  /** None beyond this sequence number. */
  readonly floor: number;
  /** At most as many in one transaction. */
  readonly limit: number;
  readonly actor: string;
}

/**
 * Purges the oldest events and moves the anchor to the last of them; that is an event itself. Call it in a transaction.
 *
 * @returns how many were purged
 */
export async function purgeEvents(db: Database, { before, floor, limit, actor }: Purge): Promise<number> {
  // The first that must stay: instants may go back where the clock was set, the sequence does not.
  const rows = await db
    .selectFrom("events")
    .select(["sequence", "hash", "at"])
    .where("sequence", "<=", floor)
    .orderBy("sequence")
    .limit(limit)
    .execute();
  const stays = rows.findIndex(({ at }) => at >= before);
  const last = rows.at(stays === -1 ? -1 : stays - 1);
  if (last === undefined || stays === 0) return 0;
  const { numDeletedRows } = await db.deleteFrom("events").where("sequence", "<=", last.sequence).executeTakeFirst();
  await db
    .updateTable("event_heads")
    .set({ sequence: last.sequence, hash: last.hash, at: last.at })
    .where("name", "=", "anchor")
    .execute();
  const details = { sequence: last.sequence, hash: last.hash, at: last.at, purgedCount: Number(numDeletedRows) };
  await addAuditEvent(db, { actor, action: "audit.purged", subject: "audit", details });
  return Number(numDeletedRows);
}

/** A follower that was not alive for this long holds back no purging. */
const followerGoneMs = 30 * 24 * 60 * 60_000;

/** The last event that every living follower has handled; events beyond it must not be purged. */
export async function followedFloor(db: Database): Promise<number> {
  const row = await db
    .selectFrom("event_cursors")
    .select((expression) => expression.fn.min("sequence").as("floor"))
    .where("seen_at", ">", nowMs() - followerGoneMs)
    .executeTakeFirst();
  return row?.floor ?? Number.MAX_SAFE_INTEGER;
}
