import { nowMs } from "../../base/clock.ts";
import { type Log } from "../../base/log.ts";
import { type Digest } from "../../model/digest.ts";
import { addPulls, type PullCount } from "../../store/usage-records.ts";
import { type Store } from "../../store/store.ts";

/** Counts pulls in memory and writes them down together: a pull itself writes nothing. */
export interface PullCounts {
  /** Takes down that a manifest was given out; the tag is undefined where its digest was asked for. */
  record(this: void, pull: { repository: string; digest: Digest; tag: string | undefined }): void;
  /** Whether a pull of a manifest is not written down yet. */
  isPending(repository: string, digest: Digest): boolean;
  /** Writes down what was counted. */
  flush(): Promise<void>;
  /** Writes down the rest and stops. */
  close(): Promise<void>;
}

interface PullCountsOptions {
  readonly store: Store;
  readonly log: Log;
  /** How often is written; default every five seconds. A crash loses no more than this. */
  readonly everyMs?: number;
}

/** Different manifests and tags that are counted before they are written early. */
const pendingCount = 5000;

/** Rows of one transaction: pushes wait no longer for them than for each other. */
const rowsPerTransaction = 200;

/** Opens the pull counts of a store. */
export function openPullCounts({ store, log, everyMs = 5000 }: PullCountsOptions): PullCounts {
  let pending = new Map<string, PullCount>();
  let writing = new Map<string, PullCount>();
  let flushing: Promise<void> | undefined;

  function add(key: string, pull: Omit<PullCount, "count" | "lastAt">): void {
    pending.set(key, { ...pull, count: (pending.get(key)?.count ?? 0) + 1, lastAt: nowMs() });
  }

  async function write(): Promise<void> {
    writing = pending;
    pending = new Map();
    const rows = [...writing.values()];
    try {
      for (let start = 0; start < rows.length; start += rowsPerTransaction)
        await store.transaction(async (db) => await addPulls(db, rows.slice(start, start + rowsPerTransaction)));
    } finally {
      writing = new Map();
    }
  }

  async function flush(): Promise<void> {
    while (flushing !== undefined) await flushing;
    if (pending.size === 0) return;
    flushing = write().finally(() => (flushing = undefined));
    await flushing;
  }

  const flushLogged = (): void =>
    void flush().catch((error: unknown) => log.error({ err: error }, "pulls could not be counted"));
  const timer = setInterval(flushLogged, everyMs).unref();
  return {
    record({ repository, digest, tag }) {
      const key = `${repository}@${digest}`;
      add(key, { repository, tag: undefined, digest });
      if (tag !== undefined) add(`${repository}:${tag}`, { repository, tag, digest });
      if (pending.size >= pendingCount && flushing === undefined) flushLogged();
    },
    isPending: (repository, digest) => pending.has(`${repository}@${digest}`) || writing.has(`${repository}@${digest}`),
    flush,
    async close() {
      clearInterval(timer);
      await flush();
    },
  };
}
