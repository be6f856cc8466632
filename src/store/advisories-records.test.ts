import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import {
  describeAdvisories,
  dropRetired,
  findCandidates,
  findRecordAges,
  holdsFence,
  insertAdvisories,
  listFeeds,
  listRecordKeys,
  publishGeneration,
  retireAdvisories,
  takeFence,
  undoUnpublished,
  type Advisory,
} from "./advisories-records.ts";
import { openStore, type Store } from "./store.ts";

async function withStore(work: (store: Store) => Promise<void>): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), "mintmark-advisories-"));
  const store = await openStore({ dataDir });
  try {
    await work(store);
  } finally {
    await store.close();
    await rm(dataDir, { recursive: true });
  }
}

function advisory(id: string, modifiedAt: number): Advisory {
  const affected = [
    {
      ecosystem: "Debian:12",
      name: "zlib",
      ranges: [[["introduced", "0"] as const]],
      versions: ["1"],
      rating: { scheme: "Debian", value: "low" },
    },
  ];
  return {
    id,
    aliases: ["CVE-2026-0001"],
    title: "t",
    ratings: [],
    links: ["https://x.example"],
    modifiedAt,
    affected,
  };
}

test("an advisory comes back as it went in, once its generation is published", async () => {
  await withStore(async ({ db }) => {
    const { fence, generation } = await takeFence(db, "f", "here");
    assert.equal(generation, 1);
    assert.ok(await holdsFence(db, "f", fence));
    await insertAdvisories(db, { feed: "f", generation }, [advisory("A-1", 7)]);
    assert.deepEqual(await findCandidates(db, "Debian:12", ["zlib"]), []);
    const feed = {
      name: "f",
      source: "here",
      generation,
      dataAt: 7,
      importedAt: 9,
      recordCount: 1,
      ecosystems: { "Debian:12": 1 },
    };
    await publishGeneration(db, feed);
    assert.deepEqual(await listFeeds(db), [feed]);
    assert.equal(await holdsFence(db, "f", fence), false, "a published import may write no more");
    const [candidate] = await findCandidates(db, "Debian:12", ["zlib", "zip"]);
    const { key, ...rest } = candidate!;
    assert.deepEqual(rest, {
      feed: "f",
      name: "zlib",
      ranges: [[["introduced", "0"]]],
      versions: ["1"],
      rating: { scheme: "Debian", value: "low" },
    });
    const { modifiedAt: _age, affected: _affected, ...description } = advisory("A-1", 7);
    assert.deepEqual([...(await describeAdvisories(db, [key, "unknown"]))], [[key, description]]);
    assert.deepEqual([...(await findRecordAges(db, "f", ["A-1", "A-2"]))], [["A-1", { key, modifiedAt: 7 }]]);
    assert.deepEqual(await listRecordKeys(db, "f", ""), [{ id: "A-1", key }]);
    assert.deepEqual(await listRecordKeys(db, "f", "A-1"), []);
  });
});

test("readers see the published state after any mix of imports that end or die", async () => {
  const ids = fc.uniqueArray(fc.integer({ min: 0, max: 8 }), { maxLength: 6 });
  const imports = fc.array(fc.record({ ids, dies: fc.boolean() }), { minLength: 1, maxLength: 5 });
  await withStore(async ({ db }) => {
    let feedNumber = 0;
    await fc.assert(
      fc.asyncProperty(imports, async (rounds) => {
        const feed = `f${feedNumber++}`;
        let expected: string[] = [];
        let age = 0;
        for (const round of rounds) {
          const { generation } = await takeFence(db, feed, "here");
          while (await undoUnpublished(db, feed, generation - 1));
          age++;
          const known = await listRecordKeys(db, feed, "");
          await retireAdvisories(
            db,
            generation,
            known.map((record) => record.key),
          );
          const records = round.ids.map((id) => advisory(`A-${id}`, age));
          await insertAdvisories(db, { feed, generation }, records);
          if (!round.dies) {
            await publishGeneration(db, {
              name: feed,
              source: "here",
              generation,
              dataAt: age,
              importedAt: age,
              recordCount: records.length,
              ecosystems: {},
            });
            while (await dropRetired(db, feed, generation));
            expected = records.map((record) => `${record.id}@${age}`).sort();
          }
          const ages = await findRecordAges(
            db,
            feed,
            Array.from({ length: 9 }, (_, id) => `A-${id}`),
          );
          assert.deepEqual([...ages].map(([id, record]) => `${id}@${record.modifiedAt}`).sort(), expected);
          const visible = (await findCandidates(db, "Debian:12", ["zlib"])).filter(
            (candidate) => candidate.feed === feed,
          );
          assert.equal(visible.length, expected.length);
        }
      }),
      { numRuns: 25 },
    );
  });
});
