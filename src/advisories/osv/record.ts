import { z } from "zod";
import { messageOf } from "../../base/errors.ts";
import type { Advisory, AffectedPackage, RangeEvent, Rating } from "../../store/advisories-records.ts";

/** A text of a record: what is longer than any real one is refused, so that a feed cannot fill the index. */
const text = z.string().max(100_000);
const word = z.string().min(1).max(500);
const ratingList = z.array(z.object({ type: word, score: word })).nullish();
/** Free-form members: anything that is no object counts as absent. */
const freeForm = z.record(z.string(), z.unknown()).nullish().catch(undefined);

/** The members of an OSV record that we use; others may be there and are ignored. Source: OSV schema 1.7. */
const osvRecord = z.object({
  id: word,
  modified: z.iso.datetime({ offset: true }),
  withdrawn: z.string().nullish(),
  aliases: z.array(word).nullish(),
  upstream: z.array(word).nullish(),
  summary: text.nullish(),
  details: text.nullish(),
  severity: ratingList,
  affected: z
    .array(
      z.object({
        package: z.object({ ecosystem: word, name: word }).nullish(),
        ranges: z
          .array(z.object({ type: word, events: z.array(z.record(z.string(), z.string().max(500))).max(10_000) }))
          .nullish(),
        versions: z.array(word).max(100_000).nullish(),
        severity: ratingList,
        ecosystem_specific: freeForm,
        database_specific: freeForm,
      }),
    )
    .nullish(),
  references: z.array(z.object({ url: text })).nullish(),
  database_specific: freeForm,
});

type OsvRecord = z.infer<typeof osvRecord>;
type OsvAffected = NonNullable<OsvRecord["affected"]>[number];

/** A record that was read, or the sentence that says what is wrong with it. */
export type ReadRecord = { readonly advisory: Advisory } | { readonly problem: string };

/**
 * Turns a parsed OSV record into an advisory; withdrawn ones keep their description and lose what they affect.
 *
 * GIT ranges name commits, not versions, and are passed over.
 */
export function readOsvRecord(value: unknown): ReadRecord {
  const parsed = osvRecord.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    return { problem: `${issue.path.join(".") || "the record"}: ${issue.message}` };
  }
  const record = parsed.data;
  const isWithdrawn = record.withdrawn !== undefined && record.withdrawn !== null && record.withdrawn !== "";
  return {
    advisory: {
      id: record.id,
      aliases: [...new Set([...(record.aliases ?? []), ...(record.upstream ?? [])])],
      title: titleOf(record),
      ratings: ratingsOf(record),
      links: (record.references ?? [])
        .flatMap(({ url }) => (/^https?:\/\/\S+$/.test(url) ? [url] : []))
        .slice(0, linkLimit),
      modifiedAt: Date.parse(record.modified),
      affected: isWithdrawn ? [] : (record.affected ?? []).flatMap((affected) => affectedPackage(affected) ?? []),
    },
  };
}

/** Parses the bytes of a record; hostile bytes give a problem, never an exception. */
export function parseJsonRecord(bytes: Buffer): { readonly value: unknown } | { readonly problem: string } {
  try {
    return { value: JSON.parse(bytes.toString("utf8")) };
  } catch (error) {
    return { problem: `not JSON: ${messageOf(error)}` };
  }
}

const linkLimit = 8;
const titleLength = 240;

function titleOf(record: OsvRecord): string {
  const source = (record.summary ?? "").trim() || (record.details ?? "").trim();
  const line = source.slice(0, titleLength * 4).replace(/\s+/g, " ");
  return line.length <= titleLength ? line : `${line.slice(0, titleLength - 1)}…`;
}

function ratingsOf(record: OsvRecord): Rating[] {
  const ratings = (record.severity ?? []).map(({ type, score }) => ({ scheme: type, value: score }));
  const word = record.database_specific?.["severity"];
  return typeof word === "string" && word.length <= 40 ? [...ratings, { scheme: "database", value: word }] : ratings;
}

function affectedPackage(affected: OsvAffected): AffectedPackage | undefined {
  if (affected.package === undefined || affected.package === null) return undefined;
  const ranges = (affected.ranges ?? [])
    .filter((range) => range.type !== "GIT")
    .map((range) => range.events.flatMap(rangeEvents));
  const rating = ownRating(affected);
  return {
    ecosystem: affected.package.ecosystem,
    name: affected.package.name,
    ranges: ranges.filter((events) => events.length > 0),
    versions: affected.versions ?? [],
    ...(rating === undefined ? {} : { rating }),
  };
}

const eventKinds = ["introduced", "fixed", "last_affected"] as const;

function rangeEvents(event: Readonly<Record<string, string>>): RangeEvent[] {
  return eventKinds.flatMap((kind) => (event[kind] === undefined ? [] : [[kind, event[kind]]]));
}

/** The rating of the one who ships the package: Debian's urgency, Ubuntu's priority, or the entry's first own severity. */
function ownRating(affected: OsvAffected): Rating | undefined {
  const own = affected.severity?.[0];
  if (own !== undefined) return { scheme: own.type, value: own.score };
  const { ecosystem_specific: specific } = affected;
  const scheme = affected.package?.ecosystem.split(":")[0] ?? "";
  for (const member of ["urgency", "ubuntu_priority", "severity"]) {
    const value = specific?.[member];
    if (typeof value === "string" && value !== "" && value.length <= 40) return { scheme, value };
  }
  return undefined;
}
