import { ageMs, nowMs } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { messageOf } from "../base/errors.ts";
import type { AdvisorySource, Format, FormatName, KnownAdvisory } from "../mirror/mirror.ts";
import { matchExtent, severityOf } from "../scan/scan.ts";
import {
  describeAdvisories,
  type Feed,
  findCandidates,
  findPackagesLike,
  listFeeds,
} from "../store/advisories-records.ts";
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

/** The feeds are looked at again after this long; another process may have imported. */
const feedsMs = 1000;
/** Packages whose advisories are remembered. */
const rememberedCount = 2000;

/** The feeds as they were found, with what was looked up in them since. */
interface Known {
  readonly feeds: readonly Feed[];
  readonly state: string;
  readonly advisories: Map<string, Promise<readonly KnownAdvisory[]>>;
  readonly spellings: Map<FormatName, Promise<ReadonlyMap<string, readonly string[]>>>;
}

/**
 * What the imported advisories say against packages of the mirror; a package is looked up once for each import.
 *
 * Nobody is told what feeds said more than a second ago. An advisory whose id, or an alias of it, begins with `MAL-` is
 * about malicious versions. Source: OSV, "Malicious packages".
 */
export async function openMirrorAdvisories(
  db: Database,
  log: Log,
  formats: ReadonlyMap<FormatName, Pick<Format, "comparedName">>,
): Promise<AdvisorySource> {
  let known = knownOf(await listFeeds(db));
  let lookedAt = nowMs();
  let looking: Promise<void> | undefined;
  const look = async (): Promise<void> => {
    try {
      const feeds = await listFeeds(db);
      if (stateOf(feeds) !== known.state) known = knownOf(feeds);
      lookedAt = nowMs();
    } catch (error) {
      log.warn({ reason: messageOf(error) }, "the feeds of advisories could not be looked at");
    } finally {
      looking = undefined;
    }
  };
  const refreshed = async (): Promise<void> => {
    if (ageMs(lookedAt) >= feedsMs) await (looking ??= look());
  };
  return {
    refreshed,
    generation: () => known.state,
    async about(format, name, compare) {
      await refreshed();
      const { feeds, advisories, spellings } = known;
      return await remember(advisories, `${format} ${name}`, async () => {
        const folded = formats.get(format)?.comparedName;
        const odd = folded && (await remember(spellings, format, () => oddSpellings(db, { feeds, format, folded })));
        const names = [...new Set([name, ...(odd?.get(folded!(name)) ?? [])])];
        return await findAdvisories(db, { feeds, format, names, compare });
      });
    },
  };
}

function knownOf(feeds: readonly Feed[]): Known {
  return { feeds, state: stateOf(feeds), advisories: new Map(), spellings: new Map() };
}

async function remember<Key, Value>(
  held: Map<Key, Promise<Value>>,
  key: Key,
  find: () => Promise<Value>,
): Promise<Value> {
  const known = held.get(key);
  if (known !== undefined) return await known;
  const found = find();
  if (held.size >= rememberedCount) held.delete(held.keys().next().value!);
  held.set(key, found);
  found.catch(() => held.delete(key));
  return await found;
}

function stateOf(feeds: readonly Feed[]): string {
  return feeds.map(({ name, generation }) => `${name}:${generation}`).join(",");
}

interface Search {
  readonly feeds: readonly Feed[];
  readonly format: FormatName;
  readonly names: readonly string[];
  readonly compare: ((a: string, b: string) => number) | undefined;
}

function ecosystemsOf(feeds: readonly Feed[], format: FormatName): string[] {
  const form = ecosystems[format];
  if (form === undefined) return [];
  return [...new Set(feeds.flatMap((feed) => Object.keys(feed.ecosystems)))].filter((one) => form.test(one));
}

/** Names that advisories write otherwise than they are compared, by the form in which they are compared. */
async function oddSpellings(
  db: Database,
  { feeds, format, folded }: Pick<Search, "feeds" | "format"> & { readonly folded: (name: string) => string },
): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, string[]>();
  for (const ecosystem of ecosystemsOf(feeds, format))
    for (const name of await findPackagesLike(db, ecosystem, "*[A-Z._]*")) {
      const key = folded(name);
      if (key !== name) found.set(key, [...(found.get(key) ?? []), name]);
    }
  return found;
}

async function findAdvisories(db: Database, { feeds, format, names, compare }: Search): Promise<KnownAdvisory[]> {
  if (compare === undefined) return [];
  const places = ecosystemsOf(feeds, format);
  const candidates = (await Promise.all(places.map(async (one) => await findCandidates(db, one, names)))).flat();
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
