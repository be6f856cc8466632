import { nowMs } from "../base/clock.ts";
import { noteAccountsUsed } from "../store/accounts-records.ts";
import { notePersonalTokensUsed } from "../store/accounts-token-records.ts";
import { type Store } from "../store/store.ts";

/** Remembers when accounts and tokens were last used, and writes it down now and then: no request waits for it. */
export interface Uses {
  note(account: string, token?: string): void;
  /** Writes down what is not yet. */
  flush(): Promise<void>;
  /** Flushes a last time. */
  close(): Promise<void>;
}

const flushMs = 30_000;

/** Opens the uses of a store. */
export function openUses(store: Store): Uses {
  let accounts = new Map<string, number>();
  let tokens = new Map<string, number>();
  let flushing = Promise.resolve();

  async function write(): Promise<void> {
    if (accounts.size + tokens.size === 0) return;
    const [usedAccounts, usedTokens] = [accounts, tokens];
    accounts = new Map();
    tokens = new Map();
    await store.transaction(async (db) => {
      await noteAccountsUsed(db, usedAccounts);
      await notePersonalTokensUsed(db, usedTokens);
    });
  }

  const flush = async (): Promise<void> => {
    // One at a time, and a failure is not the next one's; the instants that it lost come with the next use.
    const turn = flushing.then(write);
    flushing = turn.catch(() => undefined);
    await turn;
  };
  const timer = setInterval(() => void flush().catch(() => undefined), flushMs);
  timer.unref();
  return {
    note(account, token) {
      accounts.set(account, nowMs());
      if (token !== undefined) tokens.set(token, nowMs());
    },
    flush,
    async close() {
      clearInterval(timer);
      await flush();
    },
  };
}
