import { type Insertable, type Selectable, sql } from "kysely";
import { type Digest } from "../model/digest.ts";
import { type Database, mayBeLost } from "./database.ts";
import { type MirrorTables } from "./mirror-tables.ts";

type EntryRow = Selectable<MirrorTables["mirror_entries"]>;

/** Names a file or an upstream document of a repository. */
export interface MirrorEntryName {
  readonly repository: string;
  readonly kind: "file" | "document";
  readonly key: string;
}

/** A file or an upstream document of a repository, or that its upstream has none; instants in milliseconds. */
export interface MirrorEntry extends MirrorEntryName {
  /** Undefined where the upstream has none. */
  readonly digest: Digest | undefined;
  readonly sizeBytes: number;
  readonly mediaType: string;
  readonly lifetime: string;
  /** Undefined where it was published here. */
  readonly url: string | undefined;
  readonly etag: string | undefined;
  readonly modified: string | undefined;
  /** `sha512:…`, verified. */
  readonly claim: string | undefined;
  readonly subject: string | undefined;
  readonly version: string | undefined;
  readonly publishedAt: number | undefined;
  readonly fetchedAt: number;
  /** When it was last known to be right. */
  readonly checkedAt: number;
}

/** An entry as it is found. */
export interface FoundMirrorEntry extends MirrorEntry {
  /** When it was last given out; a few seconds late. */
  readonly usedAt: number;
  readonly useCount: number;
}

/** The statement of {@link findMirrorEntry}: compiled once for each database, since every hit runs it. */
const entryQueries = new WeakMap<Database, ReturnType<typeof compileEntryQuery>>();

function compileEntryQuery(db: Database) {
  return db
    .selectFrom("mirror_entries")
    .selectAll()
    .where("repository", "=", "")
    .where("kind", "=", "file")
    .where("key", "=", "")
    .compile();
}

/** Finds an entry. */
export async function findMirrorEntry(db: Database, name: MirrorEntryName): Promise<FoundMirrorEntry | undefined> {
  let query = entryQueries.get(db);
  if (query === undefined) entryQueries.set(db, (query = compileEntryQuery(db)));
  const { rows } = await db.executeQuery<EntryRow>({ ...query, parameters: [name.repository, name.kind, name.key] });
  return rows[0] === undefined ? undefined : entryOf(rows[0]);
}

function entryOf(row: EntryRow): FoundMirrorEntry {
  return {
    repository: row.repository,
    kind: row.kind,
    key: row.key,
    digest: row.digest ?? undefined,
    sizeBytes: row.size_bytes,
    mediaType: row.media_type,
    lifetime: row.lifetime,
    url: row.url ?? undefined,
    etag: row.etag ?? undefined,
    modified: row.modified ?? undefined,
    claim: row.claim ?? undefined,
    subject: row.subject ?? undefined,
    version: row.version ?? undefined,
    publishedAt: row.published_at ?? undefined,
    fetchedAt: row.fetched_at,
    checkedAt: row.checked_at,
    usedAt: row.used_at,
    useCount: row.use_count,
  };
}

/** Adds an entry or replaces it. */
export async function putMirrorEntry(db: Database, entry: MirrorEntry): Promise<void> {
  const columns = {
    digest: entry.digest ?? null,
    size_bytes: entry.sizeBytes,
    media_type: entry.mediaType,
    lifetime: entry.lifetime,
    url: entry.url ?? null,
    etag: entry.etag ?? null,
    modified: entry.modified ?? null,
    claim: entry.claim ?? null,
    subject: entry.subject ?? null,
    version: entry.version ?? null,
    published_at: entry.publishedAt ?? null,
    fetched_at: entry.fetchedAt,
    checked_at: entry.checkedAt,
  } satisfies Partial<Insertable<MirrorTables["mirror_entries"]>>;
  const { repository, kind, key } = entry;
  await db
    .insertInto("mirror_entries")
    .values({ repository, kind, key, ...columns, used_at: entry.checkedAt, use_count: 0 })
    .onConflict((conflict) => conflict.columns(["repository", "kind", "key"]).doUpdateSet(columns))
    .execute();
}

/** Notes that an entry is still right, with the validators that the upstream gave now. */
export async function confirmMirrorEntry(
  db: Database,
  name: MirrorEntryName,
  now: { readonly checkedAt: number; readonly etag: string | undefined; readonly modified: string | undefined },
): Promise<void> {
  await db
    .updateTable("mirror_entries")
    .set({ checked_at: now.checkedAt, etag: now.etag ?? null, modified: now.modified ?? null })
    .where("repository", "=", name.repository)
    .where("kind", "=", name.kind)
    .where("key", "=", name.key)
    .modifyEnd(mayBeLost)
    .execute();
}

/** Has what may change looked at anew in a repository, without the validators of the upstream that it had. */
export async function doubtMirrorEntries(db: Database, repository: string): Promise<void> {
  await db.deleteFrom("mirror_entries").where("repository", "=", repository).where("digest", "is", null).execute();
  await db
    .updateTable("mirror_entries")
    .set({ checked_at: 0, etag: null, modified: null })
    .where("repository", "=", repository)
    .where("lifetime", "!=", "immutable")
    .execute();
}

/** Removes one entry, file or document. */
export async function deleteMirrorEntry(db: Database, { repository, kind, key }: MirrorEntryName): Promise<void> {
  await db
    .deleteFrom("mirror_entries")
    .where("repository", "=", repository)
    .where("kind", "=", kind)
    .where("key", "=", key)
    .execute();
}

/** Removes entries by key, files and documents alike. */
export async function deleteMirrorEntries(db: Database, repository: string, keys: readonly string[]): Promise<void> {
  for (const key of keys)
    await db.deleteFrom("mirror_entries").where("repository", "=", repository).where("key", "=", key).execute();
}

/** The keys of files and documents that are there and begin with a prefix, sorted by code point, at most `limit`. */
export async function listMirrorKeys(
  db: Database,
  { repository, prefix, limit }: { readonly repository: string; readonly prefix: string; readonly limit: number },
): Promise<string[]> {
  const { rows } = await sql<{ key: string }>`select distinct key from mirror_entries where repository = ${repository}
    and digest is not null and substr(key, 1, ${Array.from(prefix).length}) = ${prefix} order by key limit ${limit}`.execute(
    db,
  );
  return rows.map(({ key }) => key);
}

/**
 * The subjects that a repository has anything of, and that are a name but for ASCII case and for which of `-`, `_` and `.`
 * stands where: those that an ecosystem may take for the same.
 */
export async function mirrorSubjectsLike(db: Database, repository: string, name: string): Promise<string[]> {
  // The expression is that of the index: without it each request would read all that is published.
  const { rows } = await sql<{ subject: string }>`select distinct subject from mirror_entries
    where repository = ${repository} and replace(replace(lower(subject), '_', '-'), '.', '-') = ${looseForm(name)}
      and digest is not null`.execute(db);
  return rows.map(({ subject }) => subject);
}

function looseForm(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase()).replaceAll(/[_.]/g, "-");
}

/** Uses of one entry since they were last written down. */
export interface MirrorUse extends MirrorEntryName {
  readonly count: number;
  /** The last of them; milliseconds since 1970. */
  readonly lastAt: number;
}

/** Adds uses; those of entries that are gone are let be. Call it in a transaction. */
export async function addMirrorUses(db: Database, uses: readonly MirrorUse[]): Promise<void> {
  for (const { repository, kind, key, count, lastAt } of uses)
    await db
      .updateTable("mirror_entries")
      .set((row) => ({ used_at: lastAt, use_count: row("use_count", "+", count) }))
      .where("repository", "=", repository)
      .where("kind", "=", kind)
      .where("key", "=", key)
      .modifyEnd(mayBeLost)
      .execute();
}

/** Forgets what upstreams were known not to have, as of before an instant: guessed names fill no disk. */
export async function expireMissingEntries(db: Database, before: number): Promise<void> {
  await db.deleteFrom("mirror_entries").where("digest", "is", null).where("checked_at", "<", before).execute();
}

/** Bytes of all files and documents of a repository. */
export async function mirrorUsedBytes(db: Database, repository: string): Promise<number> {
  const row = await db
    .selectFrom("mirror_entries")
    .select(({ fn }) => fn.sum<number | null>("size_bytes").as("bytes"))
    .where("repository", "=", repository)
    .where("digest", "is not", null)
    .executeTakeFirst();
  return Number(row?.bytes ?? 0);
}
