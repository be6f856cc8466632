import { nowMs } from "../base/clock.ts";
import { type Database } from "./database.ts";

/** Where a transfer goes on: an upload of ours, or an address of the peer. */
export async function findTransfer(db: Database, id: string): Promise<string | undefined> {
  return (await db.selectFrom("transfers").select("place").where("id", "=", id).executeTakeFirst())?.place;
}

/** Notes where a transfer goes on, also after a restart. */
export async function recordTransfer(db: Database, id: string, place: string): Promise<void> {
  const touched = { place, touched_at: nowMs() };
  await db
    .insertInto("transfers")
    .values({ id, ...touched })
    .onConflict((conflict) => conflict.column("id").doUpdateSet(touched))
    .execute();
}

/** Forgets a transfer that is done. */
export async function forgetTransfer(db: Database, id: string): Promise<void> {
  await db.deleteFrom("transfers").where("id", "=", id).execute();
}

/** Forgets the transfers that nobody went on with since an instant in milliseconds. */
export async function expireTransfers(db: Database, untouchedSince: number): Promise<void> {
  await db.deleteFrom("transfers").where("touched_at", "<", untouchedSince).execute();
}
