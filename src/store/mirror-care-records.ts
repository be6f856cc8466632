import { sql } from "kysely";
import { type Digest } from "../model/digest.ts";
import { type Database } from "./database.ts";
import { type MirrorEntryName } from "./mirror-entry-records.ts";

/** What a repository holds and how it is used. */
export interface MirrorUsageRecord {
  readonly repository: string;
  readonly fileCount: number;
  readonly documentCount: number;
  /** Of files and upstream documents; a blob of two repositories counts in both. */
  readonly sizeBytes: number;
  /** Of what was made of the documents: renderings and indexes. */
  readonly madeBytes: number;
  /** How often something that was here was given out. */
  readonly useCount: number;
  /** Milliseconds since 1970, as all instants here; undefined where there is nothing. */
  readonly usedAt: number | undefined;
  readonly fetchedAt: number | undefined;
}

/** What each repository holds; those that hold nothing are left out. */
export async function listMirrorUsage(db: Database): Promise<MirrorUsageRecord[]> {
  const entries = await sql<{
    repository: string;
    files: number;
    documents: number;
    bytes: number;
    uses: number;
    used: number;
    fetched: number;
  }>`select repository, sum(case when kind = 'file' then 1 else 0 end) as files,
      sum(case when kind = 'document' then 1 else 0 end) as documents, sum(size_bytes) as bytes,
      sum(use_count) as uses, max(used_at) as used, max(fetched_at) as fetched
    from mirror_entries where digest is not null group by repository order by repository`.execute(db);
  const made = await sql<{ repository: string; bytes: number }>`
    select repository, sum(bytes) as bytes from (
      select repository, size_bytes + gzip_bytes as bytes from mirror_renderings
      union all select repository, size_bytes from mirror_derived) as made group by repository`.execute(db);
  const madeBytes = new Map(made.rows.map(({ repository, bytes }) => [repository, Number(bytes)]));
  return entries.rows.map((row) => ({
    repository: row.repository,
    fileCount: Number(row.files),
    documentCount: Number(row.documents),
    sizeBytes: Number(row.bytes),
    madeBytes: madeBytes.get(row.repository) ?? 0,
    useCount: Number(row.uses),
    usedAt: Number(row.used),
    fetchedAt: Number(row.fetched),
  }));
}

/** An entry that may go. */
export interface UnusedMirrorEntry extends MirrorEntryName {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly usedAt: number;
  /** Undefined where it was published here. */
  readonly url: string | undefined;
  readonly subject: string | undefined;
  readonly version: string | undefined;
}

/** Which entries are looked at: a page in the order of kind and key. */
export interface UnusedPage {
  readonly repository: string;
  /** Last used before this instant. */
  readonly before: number;
  readonly after: readonly [kind: string, key: string];
  readonly limit: number;
}

/** The entries of a repository that nobody has used since an instant. */
export async function listUnusedMirrorEntries(db: Database, page: UnusedPage): Promise<UnusedMirrorEntry[]> {
  const rows = await db
    .selectFrom("mirror_entries")
    .select(["repository", "kind", "key", "digest", "size_bytes", "used_at", "url", "subject", "version"])
    .where("repository", "=", page.repository)
    .where("used_at", "<", page.before)
    .where("digest", "is not", null)
    .where(({ eb, refTuple, tuple }) => eb(refTuple("kind", "key"), ">", tuple(page.after[0] as "file", page.after[1])))
    .orderBy("kind")
    .orderBy("key")
    .limit(page.limit)
    .execute();
  return rows.map((row) => ({
    repository: row.repository,
    kind: row.kind,
    key: row.key,
    digest: row.digest!,
    sizeBytes: row.size_bytes,
    usedAt: row.used_at,
    url: row.url ?? undefined,
    subject: row.subject ?? undefined,
    version: row.version ?? undefined,
  }));
}

/**
 * Forgets entries that nobody has used since an instant, with what was made of the documents among them. Call it in a
 * transaction.
 *
 * @returns the blobs that they, and what was made of them, were
 */
export async function forgetMirrorEntries(
  db: Database,
  entries: readonly MirrorEntryName[],
  before: number,
): Promise<Digest[]> {
  const freed: Digest[] = [];
  for (const { repository, kind, key } of entries) {
    const gone = await db
      .deleteFrom("mirror_entries")
      .where("repository", "=", repository)
      .where("kind", "=", kind)
      .where("key", "=", key)
      .where("used_at", "<", before)
      .returning("digest")
      .executeTakeFirst();
    if (gone === undefined) continue;
    if (gone.digest !== null) freed.push(gone.digest);
    if (kind === "document") freed.push(...(await forgetMadeOf(db, repository, key)));
  }
  return freed;
}

async function forgetMadeOf(db: Database, repository: string, source: string): Promise<Digest[]> {
  const renderings = await db
    .deleteFrom("mirror_renderings")
    .where("repository", "=", repository)
    .where("source", "=", source)
    .returning(["digest", "gzip_digest"])
    .execute();
  const derived = await db
    .deleteFrom("mirror_derived")
    .where("repository", "=", repository)
    .where("source", "=", source)
    .returning("digest")
    .execute();
  return [
    ...renderings.flatMap(({ digest, gzip_digest }) => (gzip_digest === null ? [digest] : [digest, gzip_digest])),
    ...derived.map(({ digest }) => digest),
  ];
}

/** An entry as it goes into an archive: with everything that another mirror needs to give it out. */
export interface CarriedMirrorEntry {
  readonly kind: "file" | "document";
  readonly key: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly mediaType: string;
  readonly lifetime: string;
  readonly url: string | null;
  readonly etag: string | null;
  readonly modified: string | null;
  readonly claim: string | null;
  readonly subject: string | null;
  readonly version: string | null;
  readonly publishedAt: number | null;
  readonly checkedAt: number;
}

/** All that a repository holds, in the order of kind and key, after an entry. */
export async function listCarriedMirrorEntries(
  db: Database,
  page: Omit<UnusedPage, "before">,
): Promise<CarriedMirrorEntry[]> {
  const rows = await db
    .selectFrom("mirror_entries")
    .selectAll()
    .where("repository", "=", page.repository)
    .where("digest", "is not", null)
    .where(({ eb, refTuple, tuple }) => eb(refTuple("kind", "key"), ">", tuple(page.after[0] as "file", page.after[1])))
    .orderBy("kind")
    .orderBy("key")
    .limit(page.limit)
    .execute();
  return rows.map((row) => ({
    kind: row.kind,
    key: row.key,
    digest: row.digest!,
    sizeBytes: row.size_bytes,
    mediaType: row.media_type,
    lifetime: row.lifetime,
    url: row.url,
    etag: row.etag,
    modified: row.modified,
    claim: row.claim,
    subject: row.subject,
    version: row.version,
    publishedAt: row.published_at,
    checkedAt: row.checked_at,
  }));
}

/** Takes carried entries in; what is here already and was checked later stays. Call it in a transaction. */
export async function takeMirrorEntries(
  db: Database,
  repository: string,
  { entries, at }: { readonly entries: readonly CarriedMirrorEntry[]; readonly at: number },
): Promise<void> {
  for (const { kind, key, ...entry } of entries) {
    const columns = {
      digest: entry.digest,
      size_bytes: entry.sizeBytes,
      media_type: entry.mediaType,
      lifetime: entry.lifetime,
      url: entry.url,
      etag: entry.etag,
      modified: entry.modified,
      claim: entry.claim,
      subject: entry.subject,
      version: entry.version,
      published_at: entry.publishedAt,
      fetched_at: at,
      checked_at: entry.checkedAt,
    };
    await db
      .insertInto("mirror_entries")
      .values({ repository, kind, key, ...columns, used_at: at, use_count: 0 })
      .onConflict((conflict) =>
        conflict
          .columns(["repository", "kind", "key"])
          .doUpdateSet(columns)
          .where((row) =>
            row.or([row("mirror_entries.digest", "is", null), row("mirror_entries.checked_at", "<", entry.checkedAt)]),
          ),
      )
      .execute();
  }
}
