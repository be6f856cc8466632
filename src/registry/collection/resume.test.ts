import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { newId, sleep } from "../../base/clock.ts";
import type { RunContext } from "../../jobs/jobs.ts";
import { findCollectionRun } from "../../store/collection-run-records.ts";
import { type Digest } from "../../model/digest.ts";
import { collect } from "./collect.ts";
import { type CollectionReport } from "./settings.ts";
import { openTestCollection } from "./test-collection.ts";

describe("a collection that is stopped", () => {
  test("goes on where it was, and its report tells of both halves", async () => {
    const test1 = await openTestCollection();
    const { site } = test1;
    try {
      for (let number = 0; number < 40; number += 1) {
        await site.image("app", { layer: `layer ${number}` });
        await site.store.blobs.put(Buffer.from(`orphan ${number}`));
      }
      await sleep(3);
      const settings = { graceMs: 0, deleteUntagged: true, untaggedMs: 0, trashMs: 0, uploadMs: 0 };
      const heldBlobs = async (): Promise<Map<Digest, string>> => new Map();
      const runId = newId();
      const phases = new Set<string>();
      let attempts = 0;
      let report: CollectionReport;
      for (; ; attempts += 1) {
        const stop = new AbortController();
        const job: RunContext = {
          runId,
          input: { actor: "test" },
          signal: stop.signal,
          attempt: attempts + 1,
          step: async () => await Promise.reject(new Error("no steps")),
          emit: () => undefined,
        };
        // Each attempt is stopped a little later than the one before.
        const timer = setTimeout(() => stop.abort(new Error("stopped")), attempts * 4);
        try {
          report = await collect({ store: site.store, settings, heldBlobs }, job);
          break;
        } catch (error) {
          if (!stop.signal.aborted) throw error;
          phases.add((await findCollectionRun(site.store.db, runId))!.phase);
        } finally {
          clearTimeout(timer);
        }
      }
      // The layers, the empty config, and the orphans.
      assert.deepEqual([report.trashedManifests, report.trashedBlobs, report.removedBlobs], [40, 41, 81]);
      assert.ok(attempts > 1 && phases.size > 1, `${attempts} attempts in ${[...phases].join(", ")}`);
      assert.deepEqual(await Array.fromAsync(site.store.blobs.list()), []);
    } finally {
      await test1.close();
    }
  });
});
