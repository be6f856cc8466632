import { nowMs } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { addMirrorFindings, dropMirrorFindings, type MirrorFinding } from "../../store/mirror-policy-records.ts";
import type { Store } from "../../store/store.ts";

/** What rules were against; gathered in memory and written down now and then. */
export interface Findings {
  note(finding: Pick<MirrorFinding, "repository" | "name" | "version" | "rule" | "mode" | "reason">): void;
  flush(): Promise<void>;
  close(): Promise<void>;
}

const flushMs = 5000;
/** More kinds of findings than this between two writes are not told apart: memory stays small. */
const pendingMax = 10_000;
const keptMs = 90 * 24 * 60 * 60 * 1000;
/** Findings of one transaction: others wait for it. */
const partCount = 500;

/** Opens the findings of a store; each new one is a line of the log too. */
export function openFindings(store: Store, log: Log): Findings {
  let pending = new Map<string, Omit<MirrorFinding, "firstAt">>();
  let writing = Promise.resolve();
  async function write(): Promise<void> {
    if (pending.size === 0) return;
    const all = [...pending.values()];
    pending = new Map();
    for (let start = 0; start < all.length; start += partCount)
      await store.transaction(async (db) => await addMirrorFindings(db, all.slice(start, start + partCount)));
    await dropMirrorFindings(store.db, nowMs() - keptMs);
  }
  const flush = async (): Promise<void> => {
    const turn = writing.then(write);
    writing = turn.catch(() => undefined);
    await turn;
  };
  const timer = setInterval(() => {
    flush().catch((error: unknown) =>
      log.error({ err: error }, "findings of the mirror's rules could not be written down"),
    );
  }, flushMs);
  timer.unref();
  return {
    note(finding) {
      const id = [finding.repository, finding.name, finding.version, finding.rule].join("\0");
      const known = pending.get(id);
      if (known === undefined && pending.size >= pendingMax) return;
      if (known === undefined)
        log.warn(
          finding,
          finding.mode === "enforce"
            ? "the mirror refused a version"
            : "the mirror gave out a version that its rules are against",
        );
      pending.set(id, { ...finding, count: (known?.count ?? 0) + 1, lastAt: nowMs() });
    },
    flush,
    async close() {
      clearInterval(timer);
      await flush();
    },
  };
}
