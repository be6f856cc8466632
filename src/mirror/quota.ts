import { ageMs, nowMs } from "../base/clock.ts";
import { mirrorUsedBytes } from "../store/mirror-entry-records.ts";
import { type MirrorRepository } from "./contract.ts";
import { type Site } from "./site.ts";

/** What a repository holds is counted anew this often; in between it is added up. */
const countedMs = 60_000;
/** So often where it would not do: something may have been cleaned away. */
const recountedMs = 1000;

/** Whether a repository may hold so many bytes more, which then count as held. */
export async function hasRoom(
  { store, used }: Site,
  { name, quotaBytes }: MirrorRepository,
  addedBytes: number,
): Promise<boolean> {
  if (quotaBytes === undefined) return true;
  const fits = async (freshMs: number): Promise<boolean> => {
    const known = used.get(name);
    const isKnown = known !== undefined && ageMs(known.countedAt) < freshMs;
    const counted = isKnown ? known : { bytes: await mirrorUsedBytes(store.db, name), countedAt: nowMs() };
    used.set(name, counted);
    if (counted.bytes + addedBytes > quotaBytes) return false;
    counted.bytes += addedBytes;
    return true;
  };
  return (await fits(countedMs)) || (await fits(recountedMs));
}
