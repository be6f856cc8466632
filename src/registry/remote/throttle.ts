import { nowMs, sleep } from "../../base/clock.ts";

/** Lets so many bytes a second through; shared by all transfers that it bounds together. */
export interface Throttle {
  /** Waits until the bytes may pass; ends early when the signal fires. */
  take(byteCount: number, signal?: AbortSignal): Promise<void>;
}

/** A throttle that lets everything through at once. */
export const unthrottled: Throttle = { take: async () => undefined };

/**
 * A token bucket that holds one second's worth: short bursts pass, the mean does not exceed the rate.
 *
 * @param bytesPerSecond at least 1; undefined bounds nothing
 */
export function openThrottle(bytesPerSecond: number | undefined): Throttle {
  if (bytesPerSecond === undefined) return unthrottled;
  const perMs = bytesPerSecond / 1000;
  let left = bytesPerSecond;
  let countedAt = nowMs();
  return {
    async take(byteCount, signal) {
      const now = nowMs();
      left = Math.min(bytesPerSecond, left + Math.max(0, now - countedAt) * perMs);
      countedAt = now;
      // The bucket may go below zero: who comes next waits for what was taken before, in the order of asking.
      left -= byteCount;
      if (left < 0) await sleep(Math.ceil(-left / perMs), signal);
    },
  };
}

/** A stream that passes through a throttle. */
export async function* throttled(
  source: AsyncIterable<Uint8Array>,
  throttle: Throttle,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    await throttle.take(chunk.byteLength, signal);
    yield chunk;
  }
}
