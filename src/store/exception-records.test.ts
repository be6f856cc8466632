import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isoSeconds, nowMs, shiftClock } from "../base/clock.ts";
import { createException, expireException, listExceptionEvents, listExceptions } from "./exception-records.ts";
import { openStore } from "./store.ts";

test("an exception is recorded, ended early once, and both are events", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "mintmark-exceptions-"));
  const store = await openStore({ dataDir });
  try {
    const input = {
      vulnerability: "CVE-2026-0001",
      package: "zlib",
      repository: undefined,
      reason: "not reachable",
      author: "ada",
      expiresAt: isoSeconds(nowMs() + 3_600_000),
    };
    const created = await store.transaction((db) => createException(db, input));
    assert.deepEqual({ ...created, id: "", createdAt: "" }, { ...input, id: "", createdAt: "" });
    assert.deepEqual(await listExceptions(store.db), [created]);
    const ended = await store.transaction((db) => expireException(db, created.id, { actor: "bob", reason: "fixed" }));
    assert.ok(Date.parse(ended.expiresAt) <= nowMs());
    await store.transaction((db) => expireException(db, created.id, { actor: "eve", reason: "again" }));
    const events = await listExceptionEvents(store.db, created.id);
    assert.deepEqual(
      events.map((event) => [event.kind, event.actor, event.reason]),
      [
        ["created", "ada", "not reachable"],
        ["expired", "bob", "fixed"],
      ],
    );
    assert.deepEqual(await listExceptions(store.db), [ended], "an ended exception is still listed");
    await assert.rejects(expireException(store.db, "none", { actor: "a", reason: "b" }), { code: "not_found" });
    shiftClock(7_200_000);
    await assert.rejects(createException(store.db, input), { code: "exception_invalid" });
    await assert.rejects(createException(store.db, { ...input, expiresAt: "soon" }), { code: "exception_invalid" });
    shiftClock(-7_200_000);
  } finally {
    await store.close();
    await rm(dataDir, { recursive: true });
  }
});
