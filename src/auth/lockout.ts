import { nowMs } from "../base/clock.ts";

/** Slows down the guessing of secrets, for each pair of account and address. */
export interface Lockout {
  /** Milliseconds until a guess is looked at again; 0 where it is now. */
  remainingMs(account: string, address: string): number;
  /** Counts a guess as wrong before it is looked at, so that guesses in parallel do not pass as one; returns the count. */
  count(account: string, address: string): number;
  /** Takes back the last count: the guess was never looked at. */
  withdraw(account: string, address: string): void;
  /** Forgets a pair: its guess was right. */
  clear(account: string, address: string): void;
}

/** Wrong guesses that cost nothing. */
const freeFailureCount = 5;

/** The delay after the first guess too many; it doubles with each further one. */
const firstDelayMs = 1000;
const longestDelayMs = 15 * 60_000;

/** Guesses are forgotten after this long without one. */
const memoryMs = 60 * 60_000;

/** Pairs that are remembered; above, the one longest untouched is forgotten. */
const pairCount = 10_000;

interface Guesses {
  readonly failures: number;
  readonly lastAt: number;
}

/** Opens a lockout with an empty, bounded memory. */
export function openLockout(): Lockout {
  const pairs = new Map<string, Guesses>();

  function failuresOf(pair: string): number {
    const known = pairs.get(pair);
    return known === undefined || nowMs() - known.lastAt > memoryMs ? 0 : known.failures;
  }

  return {
    remainingMs(account, address) {
      const pair = pairOf(account, address);
      const known = pairs.get(pair);
      return known === undefined ? 0 : Math.max(0, known.lastAt + delayMs(failuresOf(pair)) - nowMs());
    },
    count(account, address) {
      const pair = pairOf(account, address);
      const failures = failuresOf(pair) + 1;
      pairs.delete(pair);
      pairs.set(pair, { failures, lastAt: nowMs() });
      const oldest = pairs.size > pairCount ? pairs.keys().next() : undefined;
      if (oldest?.done === false) pairs.delete(oldest.value);
      return failures;
    },
    withdraw(account, address) {
      const pair = pairOf(account, address);
      const known = pairs.get(pair);
      if (known !== undefined) pairs.set(pair, { ...known, failures: Math.max(0, known.failures - 1) });
    },
    clear(account, address) {
      pairs.delete(pairOf(account, address));
    },
  };
}

function delayMs(failures: number): number {
  if (failures < freeFailureCount) return 0;
  return Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(30, failures - freeFailureCount));
}

function pairOf(account: string, address: string): string {
  return `${address} ${account}`;
}
