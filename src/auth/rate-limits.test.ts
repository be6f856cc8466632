import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { shiftClock, tickMs } from "../base/clock.ts";
import { openRateLimits } from "./rate-limits.ts";

const refusal = { code: "rate_limited" };

describe("the limits on requests", () => {
  test("let a minute's worth through at once, then one by one, for each address and each identity", () => {
    const refused: string[] = [];
    const limits = openRateLimits({
      perAddress: 60,
      perIdentity: 30,
      sparesLoopback: false,
      refused: (by) => refused.push(by),
    });
    for (let at = 0; at < 60; at++) limits.countAddress("192.0.2.1");
    assert.throws(() => limits.countAddress("192.0.2.1"), { ...refusal, details: { retryAfterSeconds: 1 } });
    assert.throws(() => limits.countAddress("::ffff:192.0.2.1"), refusal, "the same address in other words");
    limits.countAddress("192.0.2.2");
    for (let at = 0; at < 30; at++) limits.countIdentity("robot$ci");
    assert.throws(() => limits.countIdentity("robot$ci"), { ...refusal, details: { retryAfterSeconds: 2 } });
    assert.deepEqual(refused, ["address", "address", "identity"]);
    shiftClock(2000);
    try {
      limits.countAddress("192.0.2.1");
      limits.countAddress("192.0.2.1");
      assert.throws(() => limits.countAddress("192.0.2.1"), refusal);
      limits.countIdentity("robot$ci");
    } finally {
      shiftClock(-2000);
    }
  });

  test("count nothing where they are 0, nor this machine's own addresses where it is spared", () => {
    const open = openRateLimits({ perAddress: 0, perIdentity: 0, sparesLoopback: false });
    const spared = openRateLimits({ perAddress: 1, perIdentity: 0, sparesLoopback: true });
    for (let at = 0; at < 100; at++) {
      open.countAddress("192.0.2.1");
      open.countIdentity("ada");
      spared.countAddress("127.0.0.1");
      spared.countAddress("::1");
      spared.countAddress("::ffff:127.0.0.1");
    }
    spared.countAddress("192.0.2.1");
    assert.throws(() => spared.countAddress("192.0.2.1"), refusal);
  });

  test("hold a client to its limit while others come in crowds, and cost next to nothing", () => {
    const limits = openRateLimits({ perAddress: 10, perIdentity: 0, sparesLoopback: false });
    for (let at = 0; at < 10; at++) limits.countAddress("192.0.2.1");
    for (let at = 0; at < 9_000; at++) limits.countAddress(`198.51.${at >> 8}.${at & 255}`);
    assert.throws(() => limits.countAddress("192.0.2.1"), refusal);
    const quick = openRateLimits({ perAddress: 1e9, perIdentity: 1e9, sparesLoopback: false });
    const started = tickMs();
    for (let at = 0; at < 100_000; at++) {
      quick.countAddress("192.0.2.1");
      quick.countIdentity("robot$ci");
    }
    // The bar is 2 microseconds a request; a busy machine gets ten times that.
    assert.ok(tickMs() - started < 2000, `${((tickMs() - started) / 100).toFixed(2)} µs a request`);
  });
});
