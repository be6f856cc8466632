/**
 * The advisories room: takes in what is known about vulnerabilities and answers which advisories name a package.
 *
 * It owns the feeds (one folder each: `osv/`, `apt-security/`) and fills the index whose tables the store keeps. It
 * promises that an import shows all of the new records or all of the old, that one bad record never stops the others and
 * is always counted, that withdrawn records name no package, and that a feed says how old its content is and which
 * ecosystems it covers. Whether a version is affected is not decided here: the scan room does that.
 */
import { tmpdir } from "node:os";
import { isoSeconds } from "../base/clock.ts";
import type { FeedState } from "../model/finding.ts";
import { describeAdvisories, listFeeds, type Advisory, type AdvisoryLookup } from "../store/advisories-records.ts";
import type { Database } from "../store/database.ts";
import type { Store } from "../store/store.ts";
import { securityAdvisories, type SecuritySuiteInput } from "./apt-security/apt-security.ts";
import { cachedFinder } from "./candidate-cache.ts";
import { importOsv, type ImportReport } from "./osv/import.ts";
import { withOsvSources } from "./osv/source.ts";

/** Options of {@link importAdvisories}. */
export interface ImportRequest {
  /** A folder, an all.zip, a .json, or an http(s) address of one. */
  readonly place: string;
  /** Name of the feed instead of `osv/<label>`; only for a place that holds one feed. */
  readonly feed?: string;
  /** Where downloads are kept while they are read; the system's temporary folder where not given. */
  readonly temporaryFolder?: string;
  /** Whether downloads may be redirected to private addresses. */
  readonly allowPrivate?: boolean;
  /** Called about every 250 records. */
  readonly onProgress?: (feed: string, recordCount: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Imports OSV records into the index; a folder with one folder for each ecosystem gives one feed for each.
 *
 * @throws Failure `not_found`, `usage`, `advisory_invalid`, `archive_hostile`, `too_large`, `upstream_unreachable`, `cancelled`
 */
export async function importAdvisories(store: Store, request: ImportRequest): Promise<ImportReport[]> {
  const { signal, onProgress } = request;
  const options = {
    temporaryFolder: request.temporaryFolder ?? tmpdir(),
    allowPrivate: request.allowPrivate ?? false,
    signal,
  };
  return await withOsvSources(request.place, options, async (sources) => {
    const reports: ImportReport[] = [];
    for (const source of sources) {
      const feed = sources.length === 1 && request.feed !== undefined ? request.feed : `osv/${source.label}`;
      reports.push(
        await importOsv(store, source, {
          feed,
          signal,
          onProgress: onProgress && ((count) => onProgress(feed, count)),
        }),
      );
    }
    return reports;
  });
}

/** The imported feeds as a lookup; one kept for the life of a server answers from memory what it has read before. */
export function indexLookup(db: Database): AdvisoryLookup {
  return {
    async feeds(ecosystem) {
      return (await listFeeds(db)).map((feed) => ({
        feed: feed.name,
        dataAt: feed.dataAt === undefined ? undefined : isoSeconds(feed.dataAt),
        covers: (feed.ecosystems[ecosystem] ?? 0) > 0,
        recordCount: feed.recordCount,
      }));
    },
    candidates: cachedFinder(db),
    describe: async (keys) => await describeAdvisories(db, keys),
  };
}

/**
 * The signed security suite as a lookup: what is installed below it, and which CVEs its changelogs name.
 *
 * It covers the distribution as soon as it was read and holds anything: that it has nothing for an image says much.
 */
export async function securitySuiteLookup(input: SecuritySuiteInput): Promise<AdvisoryLookup> {
  const advisories = await securityAdvisories(input);
  const { packageCount, dateSeconds } = input.suites ?? { packageCount: 0, dateSeconds: 0 };
  const state = {
    feed: "apt-security",
    dataAt: packageCount === 0 ? undefined : isoSeconds(dateSeconds * 1000),
    recordCount: packageCount,
  };
  return memoryLookup(advisories, (ecosystem) => ({
    ...state,
    covers: ecosystem === input.ecosystem && packageCount > 0,
  }));
}

/** Several lookups as one, in their order. */
export function combinedLookup(lookups: readonly AdvisoryLookup[]): AdvisoryLookup {
  return {
    feeds: async (ecosystem) => (await Promise.all(lookups.map((lookup) => lookup.feeds(ecosystem)))).flat(),
    candidates: async (ecosystem, names) =>
      (await Promise.all(lookups.map((lookup) => lookup.candidates(ecosystem, names)))).flat(),
    describe: async (keys) =>
      new Map((await Promise.all(lookups.map((lookup) => lookup.describe(keys)))).flatMap((found) => [...found])),
  };
}

function memoryLookup(advisories: readonly Advisory[], stateOf: (ecosystem: string) => FeedState): AdvisoryLookup {
  const { feed } = stateOf("");
  const keyed = new Map(
    advisories.map((advisory) => [`${feed}\0${advisory.id}\0${advisory.affected[0]?.name ?? ""}`, advisory]),
  );
  return {
    feeds: async (ecosystem) => [stateOf(ecosystem)],
    async candidates(ecosystem, names) {
      const wanted = new Set(names);
      return [...keyed].flatMap(([key, advisory]) =>
        advisory.affected
          .filter((entry) => entry.ecosystem === ecosystem && wanted.has(entry.name))
          .map((entry) => ({ ...entry, feed, key })),
      );
    },
    describe: async (keys) => new Map(keys.flatMap((key) => (keyed.has(key) ? [[key, keyed.get(key)!] as const] : []))),
  };
}
