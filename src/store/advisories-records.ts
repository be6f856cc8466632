import { sql } from "kysely";
import { newId } from "../base/clock.ts";
import { type FeedState } from "../model/finding.ts";
import { type Database } from "./database.ts";

/** One point of a version range; a range is true from an `introduced` to the next `fixed` or past the next `last_affected`. */
export type RangeEvent = readonly [kind: "introduced" | "fixed" | "last_affected", version: string];

/** A rating as its author wrote it: a CVSS vector, or a word such as `high`. */
export interface Rating {
  /** `CVSS_V2`, `CVSS_V3`, `CVSS_V4`, `Debian`, `Ubuntu`, `database`, `changelog-urgency` … */
  readonly scheme: string;
  readonly value: string;
}

/** Which versions of a package an advisory is about. */
export interface Extent {
  readonly ranges: readonly (readonly RangeEvent[])[];
  /** Versions that are affected beside the ranges. */
  readonly versions: readonly string[];
  /** The rating of the distribution for this package, where it has one. */
  readonly rating?: Rating;
}

/** One affected package of an advisory. */
export interface AffectedPackage extends Extent {
  /** `Debian:12`, `PyPI` … Source: OSV schema, "affected[].package". */
  readonly ecosystem: string;
  readonly name: string;
}

/** What an advisory says apart from versions. */
export interface AdvisoryDescription {
  /** The feed's own id. */
  readonly id: string;
  /** Other names, CVEs among them. */
  readonly aliases: readonly string[];
  readonly title: string;
  readonly ratings: readonly Rating[];
  readonly links: readonly string[];
}

/** A whole advisory as a feed gives it. */
export interface Advisory extends AdvisoryDescription {
  /** Milliseconds since 1970. */
  readonly modifiedAt: number;
  /** Empty where the advisory was withdrawn: it matches nothing. */
  readonly affected: readonly AffectedPackage[];
}

/** An advisory that names a package; whether it matches is for the version order to say. */
export interface Candidate extends Extent {
  readonly feed: string;
  readonly key: string;
  readonly name: string;
}

/** How a scan asks for advisories; every feed and every combination of feeds answers it. */
export interface AdvisoryLookup {
  /** Every feed, and whether it covers the ecosystem with content. */
  feeds(ecosystem: string): Promise<FeedState[]>;
  /** The advisories that name one of the packages. */
  candidates(ecosystem: string, names: readonly string[]): Promise<Candidate[]>;
  /** What advisories say, by {@link Candidate.key}; unknown keys are left out. */
  describe(keys: readonly string[]): Promise<ReadonlyMap<string, AdvisoryDescription>>;
}

/** A feed as it stands in the index. */
export interface Feed {
  readonly name: string;
  readonly source: string;
  readonly generation: number;
  readonly dataAt: number | undefined;
  readonly importedAt: number | undefined;
  readonly recordCount: number;
  /** Ecosystem to number of affected packages. */
  readonly ecosystems: Readonly<Record<string, number>>;
}

/** Above every generation: the record is current. */
const never = 2_000_000_000;
/** Rows of one statement; the statements stay few and the transactions short. */
const batchRows = 200;

/** All feeds by name; one that never finished an import has no data. */
export async function listFeeds(db: Database): Promise<Feed[]> {
  const rows = await db.selectFrom("advisory_feeds").selectAll().orderBy("name").execute();
  return rows.map((row) => ({
    name: row.name,
    source: row.source,
    generation: row.generation,
    dataAt: row.data_at ?? undefined,
    importedAt: row.imported_at ?? undefined,
    recordCount: row.record_count,
    ecosystems: JSON.parse(row.ecosystems) as Record<string, number>,
  }));
}

/** The visible advisories that name one of the packages of an ecosystem. */
export async function findCandidates(db: Database, ecosystem: string, names: readonly string[]): Promise<Candidate[]> {
  const candidates: Candidate[] = [];
  for (let start = 0; start < names.length; start += batchRows) {
    const rows = await db
      .selectFrom("advisory_packages as p")
      .innerJoin("advisory_feeds as f", "f.name", "p.feed")
      .select(["p.feed", "p.advisory_key", "p.package", "p.extent"])
      .where("p.ecosystem", "=", ecosystem)
      .where("p.package", "in", names.slice(start, start + batchRows))
      .whereRef("p.added_in", "<=", "f.generation")
      .whereRef("p.removed_in", ">", "f.generation")
      .execute();
    for (const row of rows)
      candidates.push({ ...readExtent(row.extent), feed: row.feed, key: row.advisory_key, name: row.package });
  }
  return candidates;
}

/** The names of an ecosystem's packages that fit a pattern of SQLite's GLOB, withdrawn and replaced records included. */
export async function findPackagesLike(db: Database, ecosystem: string, pattern: string): Promise<string[]> {
  const rows = await db
    .selectFrom("advisory_packages")
    .select("package")
    .distinct()
    .where("ecosystem", "=", ecosystem)
    .where("package", sql`glob`, pattern)
    .execute();
  return rows.map((row) => row.package);
}

/** The descriptions of advisories by their key; unknown keys are left out. */
export async function describeAdvisories(
  db: Database,
  keys: readonly string[],
): Promise<Map<string, AdvisoryDescription>> {
  const described = new Map<string, AdvisoryDescription>();
  for (let start = 0; start < keys.length; start += batchRows) {
    const rows = await db
      .selectFrom("advisories")
      .select(["key", "id", "body"])
      .where("key", "in", keys.slice(start, start + batchRows))
      .execute();
    for (const row of rows)
      described.set(row.key, { id: row.id, ...(JSON.parse(row.body) as Omit<AdvisoryDescription, "id">) });
  }
  return described;
}

/** Key and age of the visible records with some of a feed's ids, by id: what an incremental import compares with. */
export async function findRecordAges(
  db: Database,
  feed: string,
  ids: readonly string[],
): Promise<Map<string, { key: string; modifiedAt: number }>> {
  const rows = await db
    .selectFrom("advisories as a")
    .innerJoin("advisory_feeds as f", "f.name", "a.feed")
    .select(["a.id", "a.key", "a.modified_at"])
    .where("a.feed", "=", feed)
    .where("a.id", "in", ids)
    .whereRef("a.added_in", "<=", "f.generation")
    .whereRef("a.removed_in", ">", "f.generation")
    .execute();
  return new Map(rows.map((row) => [row.id, { key: row.key, modifiedAt: row.modified_at }]));
}

/** A page of a feed's visible records in the order of their ids, from after an id on. */
export async function listRecordKeys(
  db: Database,
  feed: string,
  after: string,
): Promise<{ id: string; key: string }[]> {
  return await db
    .selectFrom("advisories as a")
    .innerJoin("advisory_feeds as f", "f.name", "a.feed")
    .select(["a.id", "a.key"])
    .where("a.feed", "=", feed)
    .where("a.id", ">", after)
    .whereRef("a.added_in", "<=", "f.generation")
    .whereRef("a.removed_in", ">", "f.generation")
    .orderBy("a.id")
    .limit(1000)
    .execute();
}

/** Makes the rows of a batch; the transaction's caller has checked the fence. */
export async function insertAdvisories(
  db: Database,
  at: { feed: string; generation: number },
  advisories: readonly Advisory[],
): Promise<void> {
  const visible = { feed: at.feed, added_in: at.generation, removed_in: never };
  const packages = [];
  const records = [];
  for (const { id, modifiedAt, affected, ...description } of advisories) {
    const key = newId();
    records.push({ ...visible, key, id, modified_at: modifiedAt, body: JSON.stringify(description) });
    for (const { ecosystem, name, ...extent } of affected)
      packages.push({ ...visible, advisory_key: key, ecosystem, package: name, extent: writeExtent(extent) });
  }
  for (let start = 0; start < records.length; start += batchRows)
    await db
      .insertInto("advisories")
      .values(records.slice(start, start + batchRows))
      .execute();
  for (let start = 0; start < packages.length; start += batchRows)
    await db
      .insertInto("advisory_packages")
      .values(packages.slice(start, start + batchRows))
      .execute();
}

/** Ends the life of record versions with a generation: readers see them until it is published. */
export async function retireAdvisories(db: Database, generation: number, keys: readonly string[]): Promise<void> {
  for (let start = 0; start < keys.length; start += batchRows) {
    const batch = keys.slice(start, start + batchRows);
    await db.updateTable("advisories").set({ removed_in: generation }).where("key", "in", batch).execute();
    await db
      .updateTable("advisory_packages")
      .set({ removed_in: generation })
      .where("advisory_key", "in", batch)
      .execute();
  }
}

/** Takes the pen of a feed: an import that held it before can write no more. Returns fence and the generation to write. */
export async function takeFence(
  db: Database,
  feed: string,
  source: string,
): Promise<{ fence: string; generation: number }> {
  const fence = newId();
  const row = await db
    .insertInto("advisory_feeds")
    .values({
      name: feed,
      source,
      generation: 0,
      importer: fence,
      data_at: null,
      imported_at: null,
      record_count: 0,
      ecosystems: "{}",
    })
    .onConflict((conflict) => conflict.column("name").doUpdateSet({ importer: fence }))
    .returning("generation")
    .executeTakeFirstOrThrow();
  return { fence, generation: row.generation + 1 };
}

/** Whether a fence still holds; to be asked first in each writing transaction. */
export async function holdsFence(db: Database, feed: string, fence: string): Promise<boolean> {
  const row = await db.selectFrom("advisory_feeds").select("importer").where("name", "=", feed).executeTakeFirst();
  return row?.importer === fence;
}

/** Counts what a generation holds, published or not. */
export async function countGeneration(
  db: Database,
  feed: string,
  generation: number,
): Promise<Pick<Feed, "recordCount" | "ecosystems">> {
  const records = await db
    .selectFrom("advisories")
    .select((columns) => columns.fn.countAll<number>().as("count"))
    .where("feed", "=", feed)
    .where("added_in", "<=", generation)
    .where("removed_in", ">", generation)
    .executeTakeFirstOrThrow();
  const rows = await db
    .selectFrom("advisory_packages")
    .select(["ecosystem", (columns) => columns.fn.countAll<number>().as("count")])
    .where("feed", "=", feed)
    .where("added_in", "<=", generation)
    .where("removed_in", ">", generation)
    .groupBy("ecosystem")
    .orderBy("ecosystem")
    .execute();
  return {
    recordCount: Number(records.count),
    ecosystems: Object.fromEntries(rows.map((row) => [row.ecosystem, Number(row.count)])),
  };
}

/** Makes a generation the one that readers see, in one step, and gives the pen back. */
export async function publishGeneration(db: Database, feed: Feed): Promise<void> {
  await db
    .updateTable("advisory_feeds")
    .set({
      source: feed.source,
      generation: feed.generation,
      importer: null,
      data_at: feed.dataAt ?? null,
      imported_at: feed.importedAt ?? null,
      record_count: feed.recordCount,
      ecosystems: JSON.stringify(feed.ecosystems),
    })
    .where("name", "=", feed.name)
    .execute();
}

/**
 * Undoes a part of what an import left behind that never published: its rows go, what it had retired lives on.
 *
 * @returns whether more is left; a caller repeats it in short transactions
 */
export async function undoUnpublished(db: Database, feed: string, published: number): Promise<boolean> {
  const retired = await db
    .selectFrom("advisories")
    .select("key")
    .where("feed", "=", feed)
    .where("removed_in", ">", published)
    .where("removed_in", "<", never)
    .limit(batchRows)
    .execute();
  await retireAdvisories(
    db,
    never,
    retired.map((row) => row.key),
  );
  const added = await db
    .selectFrom("advisories")
    .select("key")
    .where("feed", "=", feed)
    .where("added_in", ">", published)
    .limit(batchRows)
    .execute();
  await deleteAdvisories(
    db,
    added.map((row) => row.key),
  );
  return retired.length + added.length > 0;
}

/**
 * Deletes a part of the record versions that no reader sees any more.
 *
 * @returns whether more is left; a caller repeats it in short transactions
 */
export async function dropRetired(db: Database, feed: string, published: number): Promise<boolean> {
  const rows = await db
    .selectFrom("advisories")
    .select("key")
    .where("feed", "=", feed)
    .where("removed_in", "<=", published)
    .limit(batchRows)
    .execute();
  await deleteAdvisories(
    db,
    rows.map((row) => row.key),
  );
  return rows.length > 0;
}

async function deleteAdvisories(db: Database, keys: readonly string[]): Promise<void> {
  if (keys.length === 0) return;
  await db.deleteFrom("advisory_packages").where("advisory_key", "in", keys).execute();
  await db.deleteFrom("advisories").where("key", "in", keys).execute();
}

/** The stored form of an extent: one-letter keys, since there are hundreds of thousands of them. */
interface StoredExtent {
  readonly r: readonly (readonly RangeEvent[])[];
  readonly v?: readonly string[];
  readonly s?: Rating;
}

function writeExtent(extent: Extent): string {
  const stored: StoredExtent = {
    r: extent.ranges,
    ...(extent.versions.length === 0 ? {} : { v: extent.versions }),
    ...(extent.rating === undefined ? {} : { s: extent.rating }),
  };
  return JSON.stringify(stored);
}

/** The versions of a row of `advisory_packages`. */
export function readExtent(text: string): Extent {
  const stored = JSON.parse(text) as StoredExtent;
  return { ranges: stored.r, versions: stored.v ?? [], ...(stored.s === undefined ? {} : { rating: stored.s }) };
}
