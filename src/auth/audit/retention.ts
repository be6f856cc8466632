import { nowMs } from "../../base/clock.ts";
import { followedFloor, purgeEvents } from "../../store/event-chain-records.ts";
import type { Store } from "../../store/store.ts";

const dayMs = 24 * 60 * 60_000;

/** Events that go in one transaction: others write in between. */
const batchCount = 2000;

/**
 * Purges events that are older than `retainDays` and that every follower has had; gives how many went.
 *
 * The chain stays whole from there on: its anchor is the last event that went.
 */
export async function purgeOldEvents(store: Store, retainDays: number): Promise<number> {
  const before = nowMs() - retainDays * dayMs;
  let purgedCount = 0;
  for (;;) {
    const count = await store.transaction(async (db) => {
      const floor = await followedFloor(db);
      return await purgeEvents(db, { before, floor, limit: batchCount, actor: "schedule" });
    });
    purgedCount += count;
    if (count < batchCount) return purgedCount;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
