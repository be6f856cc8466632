import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { run as runProgram } from "../base/child.ts";
import { sleep } from "../base/clock.ts";
import { silentLog } from "../base/log.ts";
import { listEventCursors } from "../store/event-cursor-records.ts";
import { addAuditEvent, addAuditEvents } from "../store/event-records.ts";
import { openStore, type Store } from "../store/store.ts";
import { type EventFollower, followEvents } from "./jobs.ts";

async function withStore(work: (store: Store) => Promise<void>): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), "follow-"));
  const store = await openStore({ dataDir });
  try {
    await work(store);
  } finally {
    await store.close();
    await rm(dataDir, { recursive: true });
  }
}

const event = (subject: string, action = "tag.moved"): { actor: string; action: string; subject: string } => ({
  actor: "a",
  action,
  subject,
});

describe("following events", () => {
  test("hands over what is committed, in order, from where it left off", async () => {
    await withStore(async (store) => {
      await addAuditEvent(store.db, event("before"));
      const seen: string[] = [];
      const follow = async (): Promise<EventFollower> =>
        await followEvents({
          store,
          log: silentLog,
          name: "witness",
          batchCount: 2,
          handle: async (events) => void seen.push(...events.map(({ subject }) => subject)),
        });
      const first = await follow();
      await addAuditEvents(
        store.db,
        ["one", "two", "three"].map((subject) => event(subject)),
      );
      await assert.rejects(
        store.transaction(async (db) => {
          await addAuditEvent(db, event("rolled back"));
          throw new Error("no");
        }),
      );
      await first.drain();
      assert.deepEqual(seen, ["one", "two", "three"]);
      await first.close();
      await addAuditEvent(store.db, event("while away"));
      const second = await follow();
      await second.drain();
      await second.close();
      assert.deepEqual(seen, ["one", "two", "three", "while away"]);
    });
  });

  test("tells of the asked actions only, and from the start where asked so", async () => {
    await withStore(async (store) => {
      for (let index = 0; index < 25; index++)
        await addAuditEvent(store.db, event(String(index), index % 5 === 0 ? "image.pushed" : "image.pulled"));
      const seen: string[] = [];
      const follower = await followEvents({
        store,
        log: silentLog,
        name: "pushes",
        actions: ["image.pushed"],
        from: "start",
        batchCount: 2,
        handle: async (events) => void seen.push(...events.map(({ subject }) => subject)),
      });
      await follower.drain();
      await follower.close();
      assert.deepEqual(seen, ["0", "5", "10", "15", "20"]);
      assert.equal((await listEventCursors(store.db))[0]?.sequence, 25, "the place is kept on closing");
    });
  });

  test("tries again in order when the handler fails, and records why", async () => {
    await withStore(async (store) => {
      const tries: string[] = [];
      const follower = await followEvents({
        store,
        log: silentLog,
        name: "clumsy",
        batchCount: 1,
        retryDelayMs: () => 5,
        handle: async ([next]) => {
          tries.push(next!.subject);
          if (tries.length < 3) throw new Error("not yet");
        },
      });
      await addAuditEvents(store.db, [event("one"), event("two")]);
      await follower.drain();
      assert.deepEqual(tries, ["one", "one", "one", "two"]);
      const [cursor] = await listEventCursors(store.db);
      assert.deepEqual([cursor?.failureCount, cursor?.failure], [0, undefined]);
      await follower.close();
      const stuck = await followEvents({
        store,
        log: silentLog,
        name: "stuck",
        from: "start",
        handle: async () => await Promise.reject(new Error("never")),
      });
      while ((await listEventCursors(store.db)).every(({ failure }) => failure !== "never")) await sleep(5);
      await stuck.close();
    });
  });

  test("stops a handler that is at work when it closes, and gives it the batch again", async () => {
    await withStore(async (store) => {
      const seen: string[] = [];
      const started = Promise.withResolvers<void>();
      const follower = await followEvents({
        store,
        log: silentLog,
        name: "slow",
        handle: async ([first], signal) => {
          seen.push(first!.subject);
          started.resolve();
          await sleep(60_000, signal);
          signal.throwIfAborted();
        },
      });
      await addAuditEvent(store.db, event("one"));
      await started.promise;
      await follower.close();
      const again = await followEvents({
        store,
        log: silentLog,
        name: "slow",
        handle: async ([first]) => void seen.push(first!.subject),
      });
      await again.drain();
      await again.close();
      assert.deepEqual(seen, ["one", "one"]);
    });
  });

  test("kill -9 in the handler, after it and between: each event comes at least once, in order", async () => {
    const folder = await mkdtemp(join(tmpdir(), "follow-kill-"));
    try {
      const child = fileURLToPath(new URL("fixtures/killed-follower.ts", import.meta.url));
      for (const point of ["in 2", "after 3", "in 5", "after 7"]) {
        const { code, stderr } = await runProgram(process.execPath, [child, folder, point]);
        assert.equal(code, 137, `killed ${point}: ${stderr}`);
      }
      const { code, stderr } = await runProgram(process.execPath, [child, folder, "never"]);
      assert.equal(code, 0, stderr);
      const journal = (await readFile(join(folder, "journal"), "utf8")).trimEnd().split("\n").map(Number);
      assert.deepEqual([...new Set(journal)], [1, 2, 3, 4, 5, 6, 7, 8], "no event is missed or overtaken");
      assert.equal(journal.length, 8 + 4, "only what was at work when the process died comes again");
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
