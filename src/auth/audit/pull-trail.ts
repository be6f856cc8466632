import { messageOf } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { addAuditEvents, type AuditEvent } from "../../store/event-records.ts";
import type { Store } from "../../store/store.ts";

/** A manifest that was given out. */
export interface Pull {
  readonly actor: string;
  readonly address: string;
  readonly repository: string;
  readonly digest: string;
  /** Undefined where the digest itself was asked for. */
  readonly tag: string | undefined;
}

/** Puts pulls into the audit trail without holding them up. */
export interface PullTrail {
  /** Returns at once; the event is written within a second. Equal pulls of that second are one event with a count. */
  record(this: void, pull: Pull): void;
  /** Writes what is left. */
  close(): Promise<void>;
}

const delayMs = 1000;

/** Different pulls that are written at once. */
const batchCount = 500;

/** Different pulls that are kept while the database cannot take them. */
const keptCount = 20_000;

/** Opens the trail of pulls of a store. */
export function openPullTrail({ store, log }: { readonly store: Store; readonly log: Log }): PullTrail {
  const waiting = new Map<string, { readonly pull: Pull; count: number }>();
  let lostCount = 0;
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> | undefined;

  async function write(): Promise<void> {
    const entries = [...waiting.entries()].slice(0, batchCount);
    for (const [key] of entries) waiting.delete(key);
    try {
      await store.transaction(
        async (db) =>
          await addAuditEvents(
            db,
            entries.map(([, { pull, count }]) => eventOf(pull, count)),
          ),
      );
      if (lostCount > 0)
        log.error({ lostCount }, "pulls are missing in the audit trail: the database did not take them");
      lostCount = 0;
    } catch (error) {
      log.warn({ reason: messageOf(error) }, "cannot write pulls into the audit trail; trying again");
      for (const [key, { pull, count }] of entries)
        waiting.set(key, { pull, count: count + (waiting.get(key)?.count ?? 0) });
      throw error;
    }
  }

  function later(): void {
    timer ??= setTimeout(() => {
      timer = undefined;
      flush();
    }, delayMs).unref();
  }

  function flush(): void {
    writing ??= write()
      .catch(() => undefined)
      .finally(() => {
        writing = undefined;
        if (waiting.size > 0) later();
      });
  }

  return {
    record(pull) {
      const key = `${pull.actor}\n${pull.address}\n${pull.repository}\n${pull.digest}\n${pull.tag ?? ""}`;
      const same = waiting.get(key);
      if (same !== undefined) same.count += 1;
      else if (waiting.size < keptCount) waiting.set(key, { pull, count: 1 });
      else lostCount += 1;
      if (waiting.size === batchCount) flush();
      else later();
    },
    async close() {
      clearTimeout(timer);
      await writing;
      while (waiting.size > 0) await write();
      clearTimeout(timer);
    },
  };
}

function eventOf({ actor, address, repository, digest, tag }: Pull, count: number): AuditEvent {
  return {
    actor,
    address,
    action: "image.pulled",
    subject: `${repository}@${digest}`,
    details: { ...(tag === undefined ? {} : { tag }), ...(count === 1 ? {} : { count }) },
  };
}
