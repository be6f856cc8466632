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
    for (let at = 0; at < 10_000; at++) lockout.count(`name ${at}`, `y${at}`);
    assert.equal(lockout.remainingMs("first", "x"), 0);
  });

  test("slows down many addresses that guess one account, and not its owner", () => {
    const lockout = openLockout();
    lockout.count("admin", "203.0.113.7");
    lockout.clear("admin", "203.0.113.7");
    let looked = 0;
    for (let bot = 0; bot < 200; bot++) {
      const address = `198.51.100.${bot}`;
      if (lockout.remainingMs("admin", address) > 0) continue;
      lockout.count("admin", address);
      looked += 1;
    }
    assert.equal(looked, 50);
    assert.ok(lockout.remainingMs("admin", "192.0.2.99") > 0, "a stranger");
    assert.equal(lockout.remainingMs("admin", "203.0.113.7"), 0, "the owner, from where the owner was before");
    assert.equal(lockout.remainingMs("robot$ci", "192.0.2.99"), 0, "another account");
  });

  test("slows down one address that guesses many accounts, IPv6 networks as one, and not who signed in from it", () => {
    const lockout = openLockout();
    lockout.count("robot$ci", "2001:db8::1");
    lockout.clear("robot$ci", "2001:db8::1");
    let looked = 0;
    for (let at = 0; at < 200; at++) {
      const address = `2001:db8::${at.toString(16)}`;
      if (lockout.remainingMs(`account-${at}`, address) > 0) continue;
      lockout.count(`account-${at}`, address);
      looked += 1;
    }
    assert.equal(looked, 50);
    assert.equal(lockout.remainingMs("robot$ci", "2001:db8::1"), 0);
    assert.equal(lockout.remainingMs("admin", "2001:db8:0:1::1"), 0, "the next network");
  });

  test("does not let an own account's right guesses pay for wrong ones elsewhere", () => {
    const lockout = openLockout();
    for (let at = 0; at < 49; at++) {
      lockout.count(`account-${at}`, "192.0.2.1");
      lockout.count("mine", "192.0.2.1");
      lockout.clear("mine", "192.0.2.1");
    }
    assert.equal(lockout.remainingMs("other", "192.0.2.1"), 0);
    lockout.count("other", "192.0.2.1");
    assert.ok(lockout.remainingMs("yet-another", "192.0.2.1") > 0);
  });
});
