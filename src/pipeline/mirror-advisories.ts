import { nowMs } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { messageOf } from "../base/errors.ts";
import type { AdvisorySource, FormatName, KnownAdvisory } from "../mirror/mirror.ts";
import { matchExtent, severityOf } from "../scan/scan.ts";
import { describeAdvisories, type Feed, findCandidates, listFeeds } from "../store/advisories-records.ts";
import type { Database } from "../store/database.ts";

/** How the OSV schema calls the ecosystem of a format; what it calls Cargo's begins so. Source: OSV schema, "Defined ecosystems". */
const ecosystems: Readonly<Partial<Record<FormatName, RegExp>>> = {
  npm: /^npm$/,
  pypi: /^PyPI$/,
  maven: /^Maven(?::|$)/,
  go: /^Go$/,
  cargo: /^crates\b/,
  nuget: /^NuGet$/,
};

/** The feeds are looked at again after this long. */
const feedsMs = 30_000;
/** Packages whose advisories are remembered. */
const rememberedCount = 2000;

/**
 * What the imported advisories say against packages of the mirror; a package is looked up once for each import.
 *
 * An advisory whose id, or an alias of it, begins with `MAL-` is about malicious versions. Source: OSV, "Malicious packages".
 */
export async function openMirrorAdvisories(db: Database, log: Log): Promise<AdvisorySource> {
  let feeds = await listFeeds(db);
  let askedAt = nowMs();
  const remembered = new Map<string, Promise<readonly KnownAdvisory[]>>();
  const refresh = (): void => {
    if (nowMs() - askedAt < feedsMs) return;
    askedAt = nowMs();
    listFeeds(db).then(
      (found) => {
        if (stateOf(found) !== stateOf(feeds)) remembered.clear();
        feeds = found;
      },
      (error: unknown) => log.warn({ reason: messageOf(error) }, "the feeds of advisories could not be looked at"),
    );
  };
  return {
    generation() {
      refresh();
      return stateOf(feeds);
    },
    async about(format, name, compare) {
      const key = `${format} ${name}`;
      const known = remembered.get(key);
      if (known !== undefined) return await known;
      const found = findAdvisories(db, { feeds, format, name, compare });
      if (remembered.size >= rememberedCount) remembered.delete(remembered.keys().next().value!);
      remembered.set(key, found);
      found.catch(() => remembered.delete(key));
      return await found;
    },
  };
}

function stateOf(feeds: readonly Feed[]): string {
  return feeds.map(({ name, generation }) => `${name}:${generation}`).join(",");
}

interface Search {
  readonly feeds: readonly Feed[];
  readonly format: FormatName;
  readonly name: string;
  readonly compare: ((a: string, b: string) => number) | undefined;
}

async function findAdvisories(db: Database, { feeds, format, name, compare }: Search): Promise<KnownAdvisory[]> {
  const form = ecosystems[format];
  if (form === undefined || compare === undefined) return [];
  const names = [...new Set(feeds.flatMap((feed) => Object.keys(feed.ecosystems)))].filter((one) => form.test(one));
  const candidates = (await Promise.all(names.map(async (one) => await findCandidates(db, one, [name])))).flat();
  const described = await describeAdvisories(db, [...new Set(candidates.map(({ key }) => key))]);
  return candidates.flatMap((candidate): KnownAdvisory[] => {
    const about = described.get(candidate.key);
    if (about === undefined) return [];
    const ratings = [...(candidate.rating === undefined ? [] : [candidate.rating]), ...about.ratings];
    return [
      {
        id: about.id,
        title: about.title,
        isMalicious: [about.id, ...about.aliases].some((id) => id.startsWith("MAL-")),
        severity: severityOf(ratings).severity,
        affects: (version) => matchExtent(version, candidate, compare) !== undefined,
      },
    ];
  });
}
