import { findCandidates, listFeeds, type Candidate } from "../store/advisories-records.ts";
import type { Database } from "../store/database.ts";

/** About 15 MB; all packages of a distribution that images really hold are a fifth of it. */
const cachedCandidates = 50_000;

/**
 * Answers which advisories name a package, reading each package once as long as no feed publishes a new generation.
 *
 * The packages of a fleet's images repeat, and reading thousands of rows for one kernel costs more than comparing them.
 */
export function cachedFinder(db: Database): (ecosystem: string, names: readonly string[]) => Promise<Candidate[]> {
  let stamp = "";
  let count = 0;
  let known = new Map<string, readonly Candidate[]>();

  return async (ecosystem, names) => {
    const current = (await listFeeds(db)).map((feed) => `${feed.name}@${feed.generation}`).join(" ");
    if (current !== stamp || count > cachedCandidates) {
      stamp = current;
      count = 0;
      known = new Map();
    }
    // Readers of an older state keep their own map: it must not take in what they read.
    const map = known;
    const missing = names.filter((name) => !map.has(`${ecosystem}\0${name}`));
    const found = Map.groupBy(await findCandidates(db, ecosystem, missing), (candidate) => candidate.name);
    for (const name of missing) {
      const list = found.get(name) ?? [];
      count += map === known ? list.length + 1 : 0;
      map.set(`${ecosystem}\0${name}`, list);
    }
    return names.flatMap((name) => map.get(`${ecosystem}\0${name}`) ?? []);
  };
}
