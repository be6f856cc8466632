import { nowMs } from "../base/clock.ts";
import { type Log } from "../base/log.ts";
import { addMirrorUses, type MirrorEntryName, type MirrorUse } from "../store/mirror-entry-records.ts";
import { type Store } from "../store/store.ts";

/** Remembers when entries were last used, and writes it down now and then: no request waits for it. */
export interface Uses {
  note(entry: MirrorEntryName): void;
  /** Writes down what is not yet. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

const flushMs = 5000;
/** Uses of one transaction: others wait for it. */
const partCount = 500;

/** Opens the uses of a store. */
export function openUses(store: Store, log: Log): Uses {
  let uses = new Map<string, MirrorUse>();
  let flushing = Promise.resolve();

  async function write(): Promise<void> {
    const all = [...uses.values()];
    uses = new Map();
    for (let start = 0; start < all.length; start += partCount)
      await store.transaction(async (db) => await addMirrorUses(db, all.slice(start, start + partCount)));
  }

  const flush = async (): Promise<void> => {
    const turn = flushing.then(write);
    flushing = turn.catch(() => undefined);
    await turn;
  };
  const timer = setInterval(() => {
    flush().catch((error: unknown) => log.error({ err: error }, "uses of the mirror could not be written down"));
  }, flushMs);
  timer.unref();
  return {
    note({ repository, kind, key }) {
      const id = `${repository}\0${kind}\0${key}`;
      const count = (uses.get(id)?.count ?? 0) + 1;
      uses.set(id, { repository, kind, key, count, lastAt: nowMs() });
    },
    flush,
    async close() {
      clearInterval(timer);
      await flush();
    },
  };
}
