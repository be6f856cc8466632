import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import fc from "fast-check";
import { nowMs } from "../../src/base/clock.ts";
import { purgeEvents } from "../../src/store/event-chain-records.ts";
import { addAuditEvents, auditHead } from "../../src/store/event-records.ts";
import { openStore, type Store } from "../../src/store/store.ts";
import { sealChain, verifyChain } from "../../src/auth/auth.ts";

const eventCount = 12;

/** A store with events, and another way into its database: what an intruder has. */
async function withEvents(work: (store: Store, intrude: (sql: string) => void) => Promise<void>): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), "chain-"));
  const store = await openStore({ dataDir });
  const raw = new DatabaseSync(join(dataDir, "mintmark.db"));
  try {
    await addAuditEvents(
      store.db,
      Array.from({ length: eventCount }, (_, index) => ({ actor: "a", action: "tag.moved", subject: `s${index}` })),
    );
    await work(store, (sql) => raw.exec(sql));
  } finally {
    raw.close();
    await store.close();
    await rm(dataDir, { recursive: true });
  }
}

function testKey(): Parameters<typeof sealChain>[1] {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return {
    publicPem: publicKey.export({ type: "spki", format: "pem" }).toString(),
    sign: (bytes) => sign("sha256", bytes, privateKey),
  };
}

const swap = (a: number, b: number): string =>
  `update events set sequence = -1 where sequence = ${a}; update events set sequence = ${a} where sequence = ${b};
   update events set sequence = ${b} where sequence = -1`;

describe("walking the chain", () => {
  test("an untouched chain is intact, an empty one too", async () => {
    await withEvents(async (store) => {
      const report = await verifyChain(store);
      assert.deepEqual(
        [report.isIntact, report.checkedCount, report.head.sequence, report.fault],
        [true, eventCount, eventCount, undefined],
      );
    });
    const dataDir = await mkdtemp(join(tmpdir(), "chain-"));
    const store = await openStore({ dataDir });
    assert.equal((await verifyChain(store)).isIntact, true);
    await store.close();
    await rm(dataDir, { recursive: true });
  });

  test("each change is found where it is, and called what it is", async () => {
    const cases = [
      ["update events set actor = 'b' where sequence = 5", 5, "changed"],
      ["update events set at = at + 1 where sequence = 1", 1, "changed"],
      ["update events set address = '192.0.2.1' where sequence = 7", 7, "changed"],
      ["update events set details = '{ }' where sequence = 12", 12, "changed"],
      ["update events set hash = hash || 'x' where sequence = 3", 3, "changed"],
      ["delete from events where sequence = 1", 1, "missing"],
      ["delete from events where sequence between 4 and 6", 4, "missing"],
      ["delete from events where sequence = 12", 12, "missing"],
      ["delete from events", 1, "missing"],
      [
        "delete from events where sequence = 6; update events set sequence = sequence - 1 where sequence > 6",
        6,
        "changed",
      ],
      [swap(4, 9), 4, "reordered"],
      [swap(11, 12), 11, "reordered"],
      ["update event_heads set hash = 'x' where name = 'head'", 12, "changed"],
    ] as const;
    for (const [sql, sequence, kind] of cases)
      await withEvents(async (store, intrude) => {
        intrude(sql);
        const { isIntact, fault } = await verifyChain(store);
        assert.deepEqual([isIntact, fault?.sequence, fault?.kind], [false, sequence, kind], sql);
      });
  });

  test("any change of any column of any event is found", async () => {
    const columns = [
      "id",
      "at",
      "actor",
      "address",
      "action",
      "project",
      "subject",
      "details",
      "previous_hash",
      "hash",
    ];
    await withEvents(async (store, intrude) => {
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 1, max: eventCount }),
          fc.constantFrom(...columns),
          async (sequence, column) => {
            const expression = column === "at" ? "at + 1" : `coalesce(${column}, '') || 'x'`;
            intrude(`create table kept as select * from events where sequence = ${sequence}`);
            intrude(`update events set ${column} = ${expression} where sequence = ${sequence}`);
            const { fault } = await verifyChain(store);
            intrude(
              `delete from events where sequence = ${sequence}; insert into events select * from kept; drop table kept`,
            );
            assert.equal(fault?.sequence, sequence, column);
            assert.equal((await verifyChain(store)).isIntact, true);
          },
        ),
        { numRuns: 40 },
      );
    });
  });

  test("what was kept outside shows a chain that was written anew or cut off", async () => {
    await withEvents(async (store, intrude) => {
      const { sequence, hash } = await auditHead(store.db);
      await addAuditEvents(store.db, [{ actor: "a", action: "tag.moved", subject: "later" }]);
      assert.equal((await verifyChain(store, { kept: { sequence, hash } })).isIntact, true);
      const other = await verifyChain(store, { kept: { sequence, hash: "0".repeat(64) } });
      assert.deepEqual([other.fault?.sequence, other.fault?.kind], [sequence, "anchor"]);
      const cut = `delete from events where sequence > 8; update event_heads set sequence = 8,
        hash = (select hash from events where sequence = 8) where name = 'head'`;
      intrude(cut);
      assert.equal((await verifyChain(store)).isIntact, true, "by itself a shorter chain is a chain");
      const { fault } = await verifyChain(store, { kept: { sequence, hash } });
      assert.deepEqual([fault?.sequence, fault?.kind], [9, "missing"]);
    });
  });

  test("goes on from where it was purged, and notices a forged purge", async () => {
    await withEvents(async (store, intrude) => {
      const purge = { before: nowMs() + 1, floor: 5, limit: 100, actor: "schedule" };
      await store.transaction(async (db) => await purgeEvents(db, purge));
      const report = await verifyChain(store);
      assert.deepEqual([report.isIntact, report.anchor.sequence, report.checkedCount], [true, 5, eventCount - 5 + 1]);
      const gone = await verifyChain(store, { kept: { sequence: 3, hash: "x" } });
      assert.deepEqual([gone.isIntact, gone.fault?.kind], [false, "anchor"]);
      intrude(`delete from events where sequence <= 8; update event_heads set sequence = 8,
        hash = (select previous_hash from events where sequence = 9) where name = 'anchor'`);
      const { fault } = await verifyChain(store);
      assert.deepEqual([fault?.kind, fault?.sequence], ["anchor", eventCount + 1]);
    });
  });

  test("signed heads hold, and a chain that was written anew does not fit them", async () => {
    const key = testKey();
    await withEvents(async (store, intrude) => {
      await sealChain(store, key);
      await sealChain(store, key);
      assert.equal((await auditHead(store.db)).sequence, eventCount + 1, "nothing new is not sealed again");
      await addAuditEvents(store.db, [{ actor: "a", action: "tag.moved", subject: "later" }]);
      await sealChain(store, key);
      const report = await verifyChain(store, { sealKey: key.publicPem });
      assert.deepEqual([report.isIntact, report.sealCount], [true, 2]);
      const other = await verifyChain(store, { sealKey: testKey().publicPem });
      assert.deepEqual([other.isIntact, other.sealCount], [true, 0], "of another key nothing can be said");
      intrude("delete from events; delete from event_heads");
      intrude(
        `insert into event_heads values ('head', 0, '${"0".repeat(64)}', 0), ('anchor', 0, '${"0".repeat(64)}', 0)`,
      );
      const forged = { sequence: 1, hash: "0".repeat(64), key: "", signature: "AAAA" };
      await addAuditEvents(store.db, [{ actor: "a", action: "tag.moved", subject: "s" }]);
      await sealChain(store, { publicPem: key.publicPem, sign: () => Buffer.from(forged.signature, "base64") });
      const { fault } = await verifyChain(store, { sealKey: key.publicPem });
      assert.deepEqual([fault?.kind, fault?.sequence], ["seal", 2]);
    });
  });
});
