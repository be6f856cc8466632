import { nowMs } from "../base/clock.ts";
import { clientNetwork } from "./client-network.ts";

/**
 * Slows down the guessing of secrets: for each pair of account and address, for an account that many addresses guess,
 * and for an address that guesses many accounts.
 *
 * Where somebody signed in from an address within the last day, that pair is held up by its own wrong guesses only:
 * else a stranger could keep the owner out.
 */
export interface Lockout {
  /** Milliseconds until a guess is looked at again; 0 where it is now. */
  remainingMs(account: string, address: string): number;
  /** Counts a guess as wrong before it is looked at, so that guesses in parallel do not pass as one; returns the pair's count. */
  count(account: string, address: string): number;
  /** Takes back the last count: the guess was never looked at. */
  withdraw(account: string, address: string): void;
  /** Forgets a pair: its guess was right. What others guessed is not forgotten. */
  clear(account: string, address: string): void;
}

/** Wrong guesses that cost nothing: few for a pair, more where several people may be mistaken. */
const freeFailures = { pair: 5, account: 50, address: 50 } as const;

/** The delay after the first guess too many; it doubles with each further one. */
const firstDelayMs = 1000;
const longestDelayMs = 15 * 60_000;

/** Guesses are forgotten after this long without one. */
const memoryMs = 60 * 60_000;

/** How long a pair that signed in is spared what others do. */
const trustedMs = 24 * 60 * 60_000;

/** Entries that are remembered of each kind; above, the one longest untouched is forgotten. */
const entryCount = 10_000;

/** Opens a lockout with an empty, bounded memory. */
export function openLockout(): Lockout {
  const pairs = openTally(freeFailures.pair);
  const accounts = openTally(freeFailures.account);
  const networks = openTally(freeFailures.address);
  const trusted = new Map<string, number>();

  return {
    remainingMs(account, address) {
      const network = clientNetwork(address);
      const pair = pairOf(account, network);
      const own = pairs.remainingMs(pair);
      if (nowMs() - (trusted.get(pair) ?? -Infinity) < trustedMs) return own;
      return Math.max(own, accounts.remainingMs(account), networks.remainingMs(network));
    },
    count(account, address) {
      const network = clientNetwork(address);
      accounts.add(account);
      networks.add(network);
      return pairs.add(pairOf(account, network));
    },
    withdraw(account, address) {
      const network = clientNetwork(address);
      pairs.takeBack(pairOf(account, network));
      accounts.takeBack(account);
      networks.takeBack(network);
    },
    clear(account, address) {
      const network = clientNetwork(address);
      const pair = pairOf(account, network);
      pairs.forget(pair);
      accounts.takeBack(account);
      networks.takeBack(network);
      remember(trusted, pair, nowMs());
    },
  };
}

interface Tally {
  add(key: string): number;
  takeBack(key: string): void;
  forget(key: string): void;
  remainingMs(key: string): number;
}

interface Guesses {
  readonly failures: number;
  readonly lastAt: number;
  /** What `lastAt` was before the last guess, for taking that back. */
  readonly beforeAt: number;
}

function openTally(freeCount: number): Tally {
  const entries = new Map<string, Guesses>();
  const failuresOf = (key: string): number => {
    const known = entries.get(key);
    return known === undefined || nowMs() - known.lastAt > memoryMs ? 0 : known.failures;
  };
  return {
    add(key) {
      const failures = failuresOf(key) + 1;
      const lastAt = nowMs();
      remember(entries, key, { failures, lastAt, beforeAt: entries.get(key)?.lastAt ?? lastAt });
      return failures;
    },
    takeBack(key) {
      const known = entries.get(key);
      if (known === undefined) return;
      if (known.failures <= 1) entries.delete(key);
      else entries.set(key, { ...known, failures: known.failures - 1, lastAt: known.beforeAt });
    },
    forget: (key) => void entries.delete(key),
    remainingMs(key) {
      const known = entries.get(key);
      const delay = delayMs(failuresOf(key) - freeCount);
      // A clock that was set back makes nobody wait who had nothing to wait for.
      return known === undefined || delay === 0 ? 0 : Math.max(0, known.lastAt + delay - nowMs());
    },
  };
}

function remember<Value>(entries: Map<string, Value>, key: string, value: Value): void {
  entries.delete(key);
  entries.set(key, value);
  const oldest = entries.size > entryCount ? entries.keys().next() : undefined;
  if (oldest?.done === false) entries.delete(oldest.value);
}

function delayMs(surplus: number): number {
  return surplus < 0 ? 0 : Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(30, surplus));
}

function pairOf(account: string, network: string): string {
  return `${network} ${account}`;
}
