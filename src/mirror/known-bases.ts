import { ageMs, nowMs } from "../base/clock.ts";
import { forgetMirrorRenderingsFor } from "../store/mirror-rendering-records.ts";
import { type Store } from "../store/store.ts";

/**
 * The addresses under which clients use the repositories, where no public address is configured.
 *
 * Whoever may read a repository can call us by any name, and each name has documents of its own. Only so many are stored;
 * what is made for others is given out and forgotten.
 */
export interface KnownBases {
  /** Whether documents are stored for an address; the one that was not used for longest makes room, if that was long. */
  admit(repository: string, base: string): Promise<boolean>;
}

const basesMax = 8;
/** An address that was used since is in use; a stream of new ones does not push it out. */
const idleMs = 60 * 60_000;

/** Opens the addresses of a store; after a start those that come first are known. */
export function openKnownBases(store: Store): KnownBases {
  const known = new Map<string, Map<string, number>>();
  return {
    async admit(repository, base) {
      const uses = known.get(repository) ?? new Map<string, number>();
      known.set(repository, uses);
      const isNew = !uses.has(base);
      if (isNew && uses.size >= basesMax) {
        const [oldest, usedAt] = [...uses].reduce((least, one) => (one[1] < least[1] ? one : least));
        if (ageMs(usedAt) < idleMs) return false;
        uses.delete(oldest);
        uses.set(base, nowMs());
        await forgetMirrorRenderingsFor(store.db, { repository, base: oldest });
      }
      uses.set(base, nowMs());
      return true;
    },
  };
}
