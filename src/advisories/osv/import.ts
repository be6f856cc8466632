import { nowMs } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import {
  countGeneration,
  dropRetired,
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
  type Feed,
} from "../../store/advisories-records.ts";
import type { Database } from "../../store/database.ts";
import type { Store } from "../../store/store.ts";
import { parseJsonRecord, readOsvRecord } from "./record.ts";
import type { OsvSource } from "./source.ts";

/** What an import did. */
export interface ImportReport {
  readonly feed: Feed;
  readonly added: number;
  readonly changed: number;
  readonly removed: number;
  readonly unchanged: number;
  /** Records that could not be read; an older version of theirs stays in use. */
  readonly invalidCount: number;
  /** The first of them with what is wrong. */
  readonly invalid: readonly { readonly record: string; readonly problem: string }[];
}

interface ImportOptions {
  readonly feed: string;
  readonly onProgress: ((recordCount: number) => void) | undefined;
  readonly signal: AbortSignal | undefined;
}

/**
 * Imports one feed so that a crash or failure at any moment leaves the old records in use, whole.
 *
 * New versions are written beside the old ones in short transactions under the next generation number, which nobody reads;
 * one small update publishes it. Records whose `modified` did not change are not touched. A later import of the same feed
 * takes the pen from a running one.
 *
 * @throws Failure `advisory_invalid` where no record can be read, `conflict` where another import took over, `cancelled`
 */
export async function importOsv(store: Store, source: OsvSource, options: ImportOptions): Promise<ImportReport> {
  const { feed } = options;
  const run = await begin(store, feed, source.location);
  let batch: RawRecord[] = [];
  for await (const { name, bytes } of source.records()) {
    if (options.signal?.aborted === true)
      throw new Failure("cancelled", `Stopped importing the feed "${feed}" on request`);
    const record = readRaw(run, name, bytes);
    if (record !== undefined) batch.push(record);
    if (batch.length < batchRecords) continue;
    await writeBatch(run, batch);
    batch = [];
    options.onProgress?.(run.seen.size);
  }
  if (batch.length > 0) await writeBatch(run, batch);
  if (run.tally.added + run.tally.changed + run.tally.unchanged === 0)
    throw new Failure(
      "advisory_invalid",
      `Cannot import the feed "${feed}" from "${source.location}": it holds no record that can be read`,
      {
        details: { invalid: run.invalid },
      },
    );
  const removed = source.isComplete ? await retireUnseen(run) : 0;
  const published = await publish(run, source);
  while (await store.transaction((db) => dropRetired(db, feed, run.generation)));
  return { feed: published, ...run.tally, removed, invalid: run.invalid };
}

/** An import under way. */
interface ImportRun {
  readonly store: Store;
  readonly feed: string;
  readonly generation: number;
  /** A transaction that fails once another import has the pen. */
  readonly write: <T>(work: (db: Database) => Promise<T>) => Promise<T>;
  /** Ids of all records, unreadable ones by the name of their file: none of them counts as gone. */
  readonly seen: Set<string>;
  readonly tally: { added: number; changed: number; unchanged: number; invalidCount: number };
  readonly invalid: { record: string; problem: string }[];
  newestAt: number | undefined;
}

interface RawRecord {
  readonly name: string;
  readonly id: string;
  readonly modifiedAt: number;
  readonly value: unknown;
}

/** Records of one transaction: few enough to let others write in between. */
const batchRecords = 200;
const reportedProblems = 20;
const dayMs = 86_400_000;

async function begin(store: Store, feed: string, location: string): Promise<ImportRun> {
  const { fence, generation } = await store.transaction((db) => takeFence(db, feed, location));
  const write = async <T>(work: (db: Database) => Promise<T>): Promise<T> =>
    await store.transaction(async (db) => {
      if (!(await holdsFence(db, feed, fence)))
        throw new Failure("conflict", `Stopped importing the feed "${feed}": another import took over`);
      return await work(db);
    });
  while (await write((db) => undoUnpublished(db, feed, generation - 1)));
  const tally = { added: 0, changed: 0, unchanged: 0, invalidCount: 0 };
  return { store, feed, generation, write, seen: new Set(), tally, invalid: [], newestAt: undefined };
}

/** Reads only id and age: most records of a repeated import need no more. */
function readRaw(run: ImportRun, name: string, bytes: Buffer): RawRecord | undefined {
  const parsed = parseJsonRecord(bytes);
  if ("problem" in parsed) return reject(run, name, parsed.problem);
  const { id, modified } =
    parsed.value !== null && typeof parsed.value === "object"
      ? (parsed.value as { id?: unknown; modified?: unknown })
      : {};
  const modifiedAt = typeof modified === "string" ? Date.parse(modified) : NaN;
  if (typeof id !== "string" || id === "" || Number.isNaN(modifiedAt))
    return reject(run, name, "it lacks an id or a modified time");
  if (run.seen.has(id)) return reject(run, name, `the id "${id}" comes twice`);
  run.seen.add(id);
  return { name, id, modifiedAt, value: parsed.value };
}

function reject(run: ImportRun, name: string, problem: string): undefined {
  run.tally.invalidCount++;
  run.seen.add(name.replace(/^.*\//, "").replace(/\.json$/, ""));
  if (run.invalid.length < reportedProblems)
    run.invalid.push({ record: name.slice(0, 200), problem: problem.slice(0, 300) });
}

async function writeBatch(run: ImportRun, batch: readonly RawRecord[]): Promise<void> {
  const known = await findRecordAges(
    run.store.db,
    run.feed,
    batch.map((record) => record.id),
  );
  const advisories: Advisory[] = [];
  const replaced: string[] = [];
  for (const record of batch) {
    // Some records are dated years ahead; they say nothing about the age of the feed.
    if (record.modifiedAt <= nowMs() + dayMs) run.newestAt = Math.max(run.newestAt ?? 0, record.modifiedAt);
    const old = known.get(record.id);
    if (old?.modifiedAt === record.modifiedAt) {
      run.tally.unchanged++;
      continue;
    }
    const read = readOsvRecord(record.value);
    if ("problem" in read) {
      reject(run, record.id, read.problem);
      continue;
    }
    run.tally[old === undefined ? "added" : "changed"]++;
    if (old !== undefined) replaced.push(old.key);
    advisories.push(read.advisory);
  }
  if (advisories.length === 0) return;
  await run.write(async (db) => {
    await retireAdvisories(db, run.generation, replaced);
    await insertAdvisories(db, run, advisories);
  });
}

/** Retires the records that a complete feed holds no longer; returns how many. */
async function retireUnseen(run: ImportRun): Promise<number> {
  let removed = 0;
  for (let after = ""; ;) {
    const page = await listRecordKeys(run.store.db, run.feed, after);
    const gone = page.filter((record) => !run.seen.has(record.id)).map((record) => record.key);
    if (gone.length > 0) await run.write((db) => retireAdvisories(db, run.generation, gone));
    removed += gone.length;
    const last = page.at(-1);
    if (last === undefined) return removed;
    after = last.id;
  }
}

async function publish(run: ImportRun, source: OsvSource): Promise<Feed> {
  const { store, feed, generation } = run;
  const before = (await listFeeds(store.db)).find((known) => known.name === feed)?.dataAt;
  // One added record does not make the rest of the feed older than it was.
  const dataAt = source.isComplete || before === undefined ? run.newestAt : Math.max(before, run.newestAt ?? 0);
  const counts = await countGeneration(store.db, feed, generation);
  const published = { name: feed, source: source.location, generation, dataAt, importedAt: nowMs(), ...counts };
  await run.write((db) => publishGeneration(db, published));
  return published;
}
