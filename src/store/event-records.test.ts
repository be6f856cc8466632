import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import { sql } from "kysely";
import { nowMs, shiftClock } from "../base/clock.ts";
import { sha256Hex } from "../base/hash.ts";
import { withOrigin } from "../base/origin.ts";
import { openDatabase } from "./database.ts";
import { eventHash, genesisHash } from "./event-chain.ts";
import { chainEnds, followedFloor, purgeEvents, readChain } from "./event-chain-records.ts";
import { openEventCursor } from "./event-cursor-records.ts";
import { addAuditEvent, addAuditEvents, auditHead, type AuditEvent, listAuditEvents } from "./event-records.ts";
import { searchEvents } from "./event-search-records.ts";
import { migrations } from "./migrations/migrations.ts";
import { migrate } from "./schema.ts";
import { openStore, type Store } from "./store.ts";

async function withStore(work: (store: Store) => Promise<void>): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), "events-"));
  const store = await openStore({ dataDir });
  try {
    await work(store);
  } finally {
    await store.close();
    await rm(dataDir, { recursive: true });
  }
}

const event = (subject: string, more: Partial<AuditEvent> = {}): AuditEvent => ({
  actor: "alice",
  action: "tag.moved",
  subject,
  ...more,
});

async function assertChained(store: Store): Promise<void> {
  const { head, anchor } = await chainEnds(store.db);
  let { sequence, hash } = anchor;
  for (const row of await readChain(store.db, { after: 0, limit: 10_000 })) {
    assert.equal(row.sequence, sequence + 1);
    assert.equal(row.previous_hash, hash);
    assert.equal(row.hash, eventHash(hash, row));
    ({ sequence, hash } = row);
  }
  assert.deepEqual([head.sequence, head.hash], [sequence, hash]);
}

describe("the chain of events", () => {
  test("numbers without gaps, each hash over the one before, whatever is written", async () => {
    await withStore(async (store) => {
      const text = fc.string({ unit: "binary", maxLength: 40 });
      const hostile = fc.record({
        actor: text,
        action: text,
        subject: fc.oneof(text, fc.constant("half a pair \uD800 and \0 zero"), fc.constant("x".repeat(5000))),
        project: fc.option(text, { nil: undefined }),
        address: fc.option(text, { nil: undefined }),
        details: fc.dictionary(text, fc.jsonValue()) as fc.Arbitrary<Record<string, unknown>>,
      });
      await fc.assert(
        fc.asyncProperty(fc.array(hostile, { maxLength: 5 }), async (events) => {
          await addAuditEvents(store.db, events);
          await assertChained(store);
        }),
        { numRuns: 30 },
      );
      await listAuditEvents(store.db, { limit: 1000 });
    });
  });

  test("has the documented encoding", () => {
    const facts = {
      sequence: 1,
      id: "i",
      at: 2,
      actor: "a\n",
      address: null,
      action: "x.y",
      project: "p",
      subject: "s",
      details: '{"k":"v"}',
    };
    const encoded = `["mintmark-event-1","${genesisHash}",1,"i",2,"a\\n",null,"x.y","p","s","{\\"k\\":\\"v\\"}"]`;
    assert.equal(eventHash(genesisHash, facts), sha256Hex(encoded));
  });

  test("belongs to the transaction of the change, and to one writer at a time", async () => {
    await withStore(async (store) => {
      await addAuditEvent(store.db, event("one"));
      await assert.rejects(
        store.transaction(async (db) => {
          await addAuditEvent(db, event("gone"));
          throw new Error("rolled back");
        }),
      );
      await Promise.all(
        Array.from({ length: 20 }, async (_, index) => await addAuditEvent(store.db, event(`${index}`))),
      );
      assert.equal((await auditHead(store.db)).sequence, 21);
      await assertChained(store);
      await assert.rejects(
        store.transaction(
          async (db) => void (await Promise.all([addAuditEvent(db, event("a")), addAuditEvent(db, event("b"))])),
        ),
        /one after the other/,
      );
      await assertChained(store);
    });
  });

  test("adds many at once", async () => {
    await withStore(async (store) => {
      await addAuditEvents(store.db, []);
      await addAuditEvents(
        store.db,
        Array.from({ length: 700 }, (_, index) => event(String(index))),
      );
      assert.equal((await auditHead(store.db)).sequence, 700);
      await assertChained(store);
    });
  });

  test("finds project and address by themselves, and cuts what is too long", async () => {
    await withStore(async (store) => {
      await withOrigin({ address: "192.0.2.7" }, async () => {
        await addAuditEvent(store.db, event("team/app@sha256:00", { action: "image.pushed" }));
        await addAuditEvent(store.db, event("robot$ci", { action: "robot.created" }));
        await addAuditEvent(store.db, event("app:1", { project: "other", address: "192.0.2.8" }));
      });
      await addAuditEvent(store.db, event("x", { details: { long: "y".repeat(100_000) } }));
      const events = await listAuditEvents(store.db, { limit: 10 });
      assert.deepEqual(
        events.map(({ project, address }) => [project, address]),
        [
          ["team", "192.0.2.7"],
          [undefined, "192.0.2.7"],
          ["other", "192.0.2.8"],
          ["x", undefined],
        ],
      );
      assert.equal(events[3]?.details["cut"], true);
      assert.ok(JSON.stringify(events[3].details).length < 2000);
    });
  });

  test("carries the events of an older data folder over", async () => {
    const folder = await mkdtemp(join(tmpdir(), "events-old-"));
    const file = openDatabase(join(folder, "old.db"), { readOnly: false });
    try {
      await migrate(file, { migrations: migrations.slice(0, 6), snapshotFolder: join(folder, "snapshots") });
      for (let index = 0; index < 1500; index++)
        await sql`insert into events (id, at, actor, action, subject, details)
          values (${`id-${String(index).padStart(5, "0")}`}, ${index}, 'alice', 'x.y', ${`s${index}`}, '{"k":1}')`.execute(
          file.db,
        );
      await migrate(file, { migrations, snapshotFolder: join(folder, "snapshots") });
      const store = { db: file.db } as Store;
      await assertChained(store);
      assert.equal((await auditHead(file.db)).sequence, 1500);
      await addAuditEvent(file.db, event("new"));
      await assertChained(store);
      const [first] = await listAuditEvents(file.db, { limit: 1 });
      assert.deepEqual([first?.subject, first?.details], ["s0", { k: 1 }]);
    } finally {
      await file.close();
      await rm(folder, { recursive: true });
    }
  });

  test("is purged from its beginning on, by age, never beyond what followers have seen", async () => {
    await withStore(async (store) => {
      const purge = async (before: number): Promise<number> =>
        await store.transaction(
          async (db) =>
            await purgeEvents(db, { before, floor: await followedFloor(db), limit: 100, actor: "schedule" }),
        );
      const start = nowMs();
      for (const subject of ["one", "two", "three"]) await addAuditEvent(store.db, event(subject));
      await openEventCursor(store.db, "slow", 2);
      shiftClock(10_000);
      try {
        await addAuditEvent(store.db, event("four"));
        assert.equal(await purge(start), 0);
        assert.equal(await purge(start + 5000), 2);
        await assertChained(store);
        const { anchor } = await chainEnds(store.db);
        assert.equal(anchor.sequence, 2);
        const events = await listAuditEvents(store.db, { limit: 10 });
        assert.deepEqual(
          events.map(({ subject }) => subject),
          ["three", "four", "audit"],
        );
        assert.equal(events[2]?.details["hash"], anchor.hash);
        assert.equal(await purge(start + 5000), 0, "the follower has not seen more");
        shiftClock(31 * 24 * 3_600_000);
        assert.equal(await purge(nowMs() + 1), 3, "a follower that is gone holds nothing");
        shiftClock(-31 * 24 * 3_600_000);
        await assertChained(store);
      } finally {
        shiftClock(-10_000);
      }
    });
  });
});

describe("searching events", () => {
  test("narrows by each member, pages both ways by sequence, and takes a text as it is", async () => {
    await withStore(async (store) => {
      const start = nowMs();
      await addAuditEvents(store.db, [
        event("team/a@sha256:1", { action: "image.pushed", actor: "ci" }),
        event("team/a:latest", { action: "tag.moved" }),
        event("other/b@sha256:2", { action: "image.deleted", details: { reason: "100%_Sure\\" } }),
        event("imagery", { action: "images.x" }),
        event("robot$ci", { action: "robot.created", address: "192.0.2.99" }),
      ]);
      const find = async (search: Parameters<typeof searchEvents>[1]): Promise<number[]> =>
        (await searchEvents(store.db, search, { newestFirst: false, limit: 10 })).events.map(
          ({ sequence }) => sequence,
        );
      assert.deepEqual(await find({}), [1, 2, 3, 4, 5]);
      assert.deepEqual(await find({ actor: "ci" }), [1]);
      assert.deepEqual(await find({ action: "image.*" }), [1, 3]);
      assert.deepEqual(await find({ action: "image.deleted" }), [3]);
      assert.deepEqual(await find({ project: "team" }), [1, 2]);
      assert.deepEqual(await find({ since: start - 1000, until: start - 1 }), []);
      assert.deepEqual(await find({ since: start, project: "other" }), [3]);
      assert.deepEqual(await find({ text: "LATEST" }), [2]);
      assert.deepEqual(await find({ text: "0%_sure" }), [3]);
      assert.deepEqual(await find({ text: "a%" }), []);
      assert.deepEqual(await find({ text: "192.0.2.99" }), [5]);
      const page = await searchEvents(store.db, { action: "image.*" }, { newestFirst: true, limit: 1 });
      assert.deepEqual([page.events[0]?.sequence, page.next], [3, 3]);
      const next = await searchEvents(store.db, { action: "image.*" }, { newestFirst: true, limit: 1, beyond: 3 });
      assert.deepEqual([next.events[0]?.sequence, next.next], [1, 1]);
      const end = await searchEvents(store.db, { action: "image.*" }, { newestFirst: true, limit: 1, beyond: 1 });
      assert.deepEqual([end.events, end.next], [[], undefined]);
    });
  });

  test("looks for a text through all of a long trail, in both directions", async () => {
    await withStore(async (store) => {
      for (let part = 0; part < 23; part++)
        await addAuditEvents(
          store.db,
          Array.from({ length: 1000 }, (_, index) => event(`s${part * 1000 + index + 1}.`)),
        );
      for (const newestFirst of [true, false])
        for (const wanted of [1, 9999, 10_000, 10_001, 20_000, 22_999, 23_000]) {
          const found = await searchEvents(store.db, { text: `S${wanted}.` }, { newestFirst, limit: 5 });
          assert.deepEqual(
            found.events.map(({ sequence }) => sequence),
            [wanted],
          );
          assert.equal(found.next, undefined);
        }
    });
  });
});
