import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { shiftClock } from "../base/clock.ts";
import { openLockout } from "./lockout.ts";

describe("the lockout of guessing", () => {
  test("lets a few guesses through, then waits twice as long after each, up to a quarter of an hour", () => {
    const lockout = openLockout();
    const waits: number[] = [];
    for (let guess = 0; guess < 20; guess++) {
      lockout.count("admin", "192.0.2.1");
      waits.push(Math.round(lockout.remainingMs("admin", "192.0.2.1") / 1000));
    }
    assert.deepEqual(waits.slice(0, 8), [0, 0, 0, 0, 1, 2, 4, 8]);
    assert.equal(waits.at(-1), 900);
    assert.equal(lockout.remainingMs("admin", "192.0.2.2"), 0, "another address");
    assert.equal(lockout.remainingMs("robot$ci", "192.0.2.1"), 0, "another account");
  });

  test("ends with a right guess, with a guess that was never looked at, and with an hour of silence", () => {
    const lockout = openLockout();
    for (let guess = 0; guess < 5; guess++) lockout.count("a", "x");
    lockout.withdraw("a", "x");
    assert.equal(lockout.remainingMs("a", "x"), 0);
    assert.equal(lockout.count("a", "x"), 5);
    assert.ok(lockout.remainingMs("a", "x") > 0);
    lockout.clear("a", "x");
    assert.equal(lockout.count("a", "x"), 1);
    for (let guess = 0; guess < 10; guess++) lockout.count("a", "x");
    shiftClock(61 * 60_000);
    try {
      assert.equal(lockout.remainingMs("a", "x"), 0);
      assert.equal(lockout.count("a", "x"), 1);
    } finally {
      shiftClock(-61 * 60_000);
    }
  });

  test("remembers a bounded number of pairs", () => {
    const lockout = openLockout();
    for (let guess = 0; guess < 6; guess++) lockout.count("first", "x");
    for (let at = 0; at < 10_000; at++) lockout.count(`name ${at}`, "x");
    assert.equal(lockout.remainingMs("first", "x"), 0);
  });
});
