import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { shiftClock } from "../base/clock.ts";
import { silentLog } from "../base/log.ts";
import { openStore } from "../store/store.ts";
import { nextInstant, openSchedules } from "./schedules.ts";

const hourMs = 60 * 60_000;

test("finds the next instant in UTC, with five fields and with six", () => {
  const sunday = Date.UTC(2026, 10, 22, 12);
  assert.equal(nextInstant("0 4 * * 1", sunday), Date.UTC(2026, 10, 23, 4));
  assert.equal(nextInstant("0 0 4 * * 1", sunday), Date.UTC(2026, 10, 23, 4));
  assert.throws(() => nextInstant("now and then", sunday), { code: "usage" });
});

test("starts what is due once, also what was due while nothing ran", async (context) => {
  const dataDir = await mkdtemp(join(tmpdir(), "mintmark-schedules-"));
  const store = await openStore({ dataDir });
  let moved = 0;
  const pass = (ms: number): void => {
    shiftClock(ms);
    moved += ms;
  };
  context.after(async () => {
    shiftClock(-moved);
    await store.close();
    await rm(dataDir, { recursive: true, force: true });
  });
  let starts = 0;
  const hourly = { name: "gc", cron: "0 * * * *", start: async () => void starts++ };
  const first = openSchedules({ store, log: silentLog });
  await first.set(hourly);
  await first.tick();
  assert.equal(starts, 0, "nothing is due at once");
  first.close();
  pass(5 * hourMs);
  const second = openSchedules({ store, log: silentLog });
  await second.set(hourly);
  await second.tick();
  await second.tick();
  assert.equal(starts, 1, "five missed hours are one start");
  await second.set({ ...hourly, cron: "30 * * * *" });
  await second.tick();
  assert.equal(starts, 1, "a changed expression counts from now");
  await second.remove("gc");
  pass(5 * hourMs);
  await second.tick();
  assert.equal(starts, 1);
  second.close();
});
