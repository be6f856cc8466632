import { sleep } from "../../base/clock.ts";
import { silentLog } from "../../base/log.ts";
import { openQueue, type Queue } from "../../jobs/jobs.ts";
import { type Digest } from "../../model/digest.ts";
import { getRun } from "../../store/run-records.ts";
import { openTestRegistry, type TestRegistry } from "../test-registry.ts";
import { type Collection, openCollection } from "./collection.ts";
import { type ScrubReport } from "./scrub.ts";
import { type CollectionReport, type CollectionRequest } from "./settings.ts";

/** A test registry with collection, for the tests of this folder. */
export interface TestCollection {
  readonly site: TestRegistry;
  readonly queue: Queue;
  readonly collection: Collection;
  /** What the factory needs besides; tests fill it. */
  readonly held: Map<Digest, string>;
  /** Collects to the end; without any grace and with a trash of an hour unless said otherwise. */
  collect(request?: Partial<CollectionRequest>): Promise<CollectionReport>;
  scrub(from?: string): Promise<ScrubReport>;
  close(): Promise<void>;
}

/** Opens a test registry with collection. */
export async function openTestCollection(): Promise<TestCollection> {
  const site = await openTestRegistry();
  const queue = await openQueue({ store: site.store, log: silentLog, concurrency: 2 });
  const held = new Map<Digest, string>();
  const collection = openCollection({
    store: site.store,
    queue,
    log: silentLog,
    settings: { graceMs: 0, deleteUntagged: true, untaggedMs: 0, trashMs: 3_600_000, uploadMs: 3_600_000 },
    scrubBytesPerSecond: 1e9,
    heldBlobs: async () => held,
  });
  const outputOf = async (id: string): Promise<unknown> => {
    await queue.drain();
    const run = await getRun(site.store.db, id);
    if (run?.state !== "succeeded") throw new Error(`the job ended as ${run?.state}: ${run?.failure?.message}`);
    return run.output;
  };
  return {
    site,
    queue,
    collection,
    held,
    async collect(request = {}) {
      // A file's time is finer than the clock's: what came in this very millisecond is fresh.
      await sleep(3);
      return (await outputOf(await collection.start({ actor: "test", ...request }))) as CollectionReport;
    },
    scrub: async (from) =>
      (await outputOf(
        await collection.startScrub({ actor: "test", ...(from === undefined ? {} : { from }) }),
      )) as ScrubReport,
    async close() {
      await queue.close();
      await site.close();
    },
  };
}
