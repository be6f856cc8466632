import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { newId, nowMs, shiftClock } from "./clock.ts";

describe("newId", () => {
  test("gives a UUID of version 7 that holds the instant", () => {
    const before = nowMs();
    const id = newId();
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.ok(Number.parseInt(id.replace("-", "").slice(0, 12), 16) >= before);
  });

  test("gives each greater than the one before, within a millisecond and beyond what one can count", () => {
    const ids = Array.from({ length: 20_000 }, newId);
    assert.deepEqual(ids, ids.toSorted());
    assert.equal(new Set(ids).size, ids.length);
  });

  test("goes on where the clock is set back", () => {
    const before = newId();
    shiftClock(-60_000);
    try {
      assert.ok(newId() > before);
    } finally {
      shiftClock(60_000);
    }
  });
});
