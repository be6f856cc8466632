import { randomBytes } from "node:crypto";

let offsetMs = 0;

/** The current time in milliseconds since 1970; the only reader of the system clock. */
export function nowMs(): number {
  return Date.now() + offsetMs;
}

/** How long ago an instant was, in milliseconds; what lies in the future, since the clock went back, is older than all. */
export function ageMs(at: number): number {
  const age = nowMs() - at;
  return age < 0 ? Infinity : age;
}

/** The current time as an ISO 8601 string in UTC, to the second. */
export function nowIso(): string {
  return isoSeconds(nowMs());
}

/** An instant in milliseconds as ISO 8601 in UTC, to the second. */
export function isoSeconds(ms: number): string {
  return new Date(Math.floor(ms / 1000) * 1000).toISOString().replace(".000Z", "Z");
}

/** Milliseconds of a monotonic clock, for measuring; its zero means nothing. */
export function tickMs(): number {
  return performance.now();
}

/** Moves the clock by a number of milliseconds; tests turn time with it and must turn it back. */
export function shiftClock(ms: number): void {
  offsetMs += ms;
}

/** The instant and the count within it of the newest identifier. */
let newest = { ms: 0, count: 0 };
/** The first identifier of a millisecond counts from below this, so that there is room above it. */
const firstCountLimit = 0x400;
const countLimit = 0x1000;

/**
 * A new identifier that sorts by creation: UUID version 7 with a counter in `rand_a` (RFC 9562 section 5.7 and method 1
 * of section 6.2). In one process each is greater than the one before, a clock that is set back included.
 */
export function newId(): string {
  const bytes = randomBytes(16);
  const ms = nowMs();
  if (ms > newest.ms) newest = { ms, count: bytes.readUInt16BE(6) % firstCountLimit };
  else if (newest.count + 1 < countLimit) newest = { ms: newest.ms, count: newest.count + 1 };
  else newest = { ms: newest.ms + 1, count: 0 };
  bytes.writeUIntBE(newest.ms, 0, 6);
  bytes.writeUInt16BE(0x7000 | newest.count, 6);
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** A secret of `byteCount` random bytes in base64url. */
export function newSecret(byteCount = 32): string {
  return randomBytes(byteCount).toString("base64url");
}

/** Waits, or ends early when the signal fires. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    }
    signal?.addEventListener("abort", done);
  });
}
