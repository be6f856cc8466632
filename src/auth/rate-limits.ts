import { nowMs } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import { clientNetwork } from "./client-network.ts";

/** Counts requests by address and by identity; each may send a minute's worth at once and then waits. */
export interface RateLimits {
  /** Counts a request before anything is known of it but where it came from. @throws Failure `rate_limited` */
  countAddress(address: string): void;
  /** Counts a request once its sender is known. @throws Failure `rate_limited` */
  countIdentity(name: string): void;
}

/** How many requests a minute; 0 is no limit. */
export interface RateLimitOptions {
  readonly perAddress: number;
  readonly perIdentity: number;
  /** Whether this machine's own addresses are not counted: a proxy beside us speaks for everybody. */
  readonly sparesLoopback: boolean;
  /** Told of every refusal. */
  readonly refused?: (by: "address" | "identity") => void;
}

/** Opens counters of their own, with a bounded memory. */
export function openRateLimits({ perAddress, perIdentity, sparesLoopback, refused }: RateLimitOptions): RateLimits {
  const addresses = openBuckets(perAddress);
  const identities = openBuckets(perIdentity);
  return {
    countAddress(address) {
      if (perAddress === 0 || (sparesLoopback && isLoopbackAddress(address))) return;
      const waitMs = addresses(clientNetwork(address));
      if (waitMs === 0) return;
      refused?.("address");
      throw tooMany("this address", waitMs);
    },
    countIdentity(name) {
      if (perIdentity === 0) return;
      const waitMs = identities(name);
      if (waitMs === 0) return;
      refused?.("identity");
      throw tooMany(`"${name}"`, waitMs);
    },
  };
}

const minuteMs = 60_000;
/** Buckets of one generation; two are kept. */
const bucketCount = 10_000;

/**
 * Takes one from the bucket of a key; gives how many milliseconds are missing, 0 where it had one.
 *
 * A bucket is one number, the instant when it is full again (the "theoretical arrival time" of the generic cell rate
 * algorithm, ITU-T I.371 annex A): a bucket in the past is as good as none, so the older generation is simply dropped.
 */
function openBuckets(perMinute: number): (key: string) => number {
  const intervalMs = minuteMs / perMinute;
  let current = new Map<string, number>();
  let previous = new Map<string, number>();
  return (key) => {
    const now = nowMs();
    const fullAt = Math.max(now, current.get(key) ?? previous.get(key) ?? 0) + intervalMs;
    const waitMs = fullAt - now - minuteMs;
    // A hair of tolerance: sums of fractions must not cost the last request of a minute.
    if (waitMs > 0.001) return waitMs;
    if (current.size >= bucketCount && !current.has(key)) {
      previous = current;
      current = new Map();
    }
    current.set(key, fullAt);
    return 0;
  };
}

function isLoopbackAddress(address: string): boolean {
  return address.startsWith("127.") || address === "::1" || address.startsWith("::ffff:127.");
}

function tooMany(whose: string, waitMs: number): Failure {
  const retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1000));
  return new Failure("rate_limited", `Cannot take the request: too many came from ${whose} within a minute`, {
    hint: `Try again in ${retryAfterSeconds} seconds; limits.requestsPerMinute of the configuration sets the limit`,
    details: { retryAfterSeconds },
  });
}
