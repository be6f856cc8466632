import { type RawBuilder, sql } from "kysely";
import { type Digest } from "../model/digest.ts";
import { type MarkKind } from "./collection-tables.ts";
import { type Database } from "./database.ts";
import { mirroredBlobs } from "./mirror-blob-records.ts";
import { evenParts, padded } from "./statement-sizes.ts";

/** Names in one `IN (…)`; databases bound the parameters of a statement. */
const namesPerQuery = 256;

/** A repository with fewer manifests is read as a whole; in a larger one each blob is looked up. */
const smallRepositoryCount = 300;

/** What is asked about some digests of one repository. */
interface NamedQuestion {
  readonly table: "manifests" | "trashed_manifests";
  readonly repository: string;
  readonly digests: readonly Digest[];
  /** Leaves out what came into the trash at this instant or before. */
  readonly trashedAfter?: number;
}

/**
 * Those of some digests that a manifest of a repository names as config, layer or child; `trashed_manifests` asks the
 * manifests that could come back.
 *
 * What a dry run would take counts as gone. A blob that a hundred thousand images share must not be looked up by its
 * images, a repository of a hundred thousand images not be read for each page of its blobs: hence two ways.
 */
export async function digestsNamedIn(db: Database, question: NamedQuestion): Promise<Set<Digest>> {
  const { table, repository, digests } = question;
  const counted = await sql<{ count: number }>`select count(*) as count from (
    select 1 from ${sql.table(table)} where repository = ${repository} limit ${smallRepositoryCount + 1}) as some`.execute(
    db,
  );
  const isSmall = Number(counted.rows[0]!.count) <= smallRepositoryCount;
  const named = isSmall ? await allNamedIn(db, question) : await lookedUpIn(db, question);
  return new Set(digests.filter((digest) => named.has(digest)));
}

async function allNamedIn(db: Database, question: NamedQuestion): Promise<Set<Digest>> {
  // SQLite takes the tables of a cross join in their order.
  const { rows } = await sql<{ child: Digest }>`select edge.child as child
    from ${sql.table(question.table)} as holder cross join manifest_edges as edge
    where edge.parent = holder.digest and ${holderCounts(question)}`.execute(db);
  return new Set(rows.map(({ child }) => child));
}

async function lookedUpIn(db: Database, question: NamedQuestion): Promise<Set<Digest>> {
  const named = new Set<Digest>();
  for (let start = 0; start < question.digests.length; start += namesPerQuery) {
    const asked = sql.join(namesAt(question.digests, start).map((digest) => sql`(${digest})`));
    // The first manifest that is found ends the look for each.
    const { rows } = await sql<{ digest: Digest }>`with asked (digest) as (values ${asked})
      select digest from asked where exists (
        select 1 from manifest_edges as edge cross join ${sql.table(question.table)} as holder
        where edge.child = asked.digest and edge.parent = holder.digest and ${holderCounts(question)})`.execute(db);
    for (const { digest } of rows) named.add(digest);
  }
  return named;
}

function holderCounts({ repository, trashedAfter }: NamedQuestion): RawBuilder<unknown> {
  const isKept = trashedAfter === undefined ? sql`` : sql`and holder.trashed_at > ${trashedAfter}`;
  return sql`holder.repository = ${repository} and edge.kind in ('config', 'layer', 'child') ${isKept}
    and not exists (select 1 from collection_marks as mark
      where mark.kind = 'manifest' and mark.repository = holder.repository and mark.digest = holder.digest)`;
}

/** A place in a listing by repository and digest; what stands there is not listed again. */
export type Place = readonly [repository: string, digest: string];

/** A page of what nobody has touched since an instant. */
export interface CandidatePage {
  readonly after: Place;
  /** Milliseconds since 1970, exclusive. */
  readonly untouchedSince: number;
  readonly limit: number;
}

/** A link or a manifest that might be garbage. */
export interface Candidate {
  readonly repository: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** How many rows a walk over manifests or links has before it. */
export async function countCandidates(db: Database, table: "manifests" | "blob_links"): Promise<number> {
  const row = await db
    .selectFrom(table)
    .select(({ fn }) => fn.countAll<number>().as("count"))
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

/** A page of candidates, and where the next one begins; undefined after the last. */
export interface Candidates {
  readonly found: readonly Candidate[];
  readonly last: Place | undefined;
}

/** Links of blobs in the order of repository and digest, without a look at what names them. */
export async function listUntouchedLinks(db: Database, page: CandidatePage): Promise<Candidates> {
  // The rows of a page are counted before they are sieved: a page of fresh ones is as short as any other.
  const rows = await db
    .selectFrom("blob_links")
    .select(["repository", "digest", "size_bytes as sizeBytes", "touched_at as touchedAt"])
    .where(({ eb, refTuple, tuple }) =>
      eb(refTuple("repository", "digest"), ">", tuple(page.after[0], page.after[1] as Digest)),
    )
    .orderBy("repository")
    .orderBy("digest")
    .limit(page.limit)
    .execute();
  const found = rows.filter(({ touchedAt }) => touchedAt < page.untouchedSince);
  return { found, last: lastOf(rows, page.limit) };
}

/** Manifests without a tag that were pushed before an instant, in the order of repository and digest. */
export async function listUntaggedManifests(db: Database, page: CandidatePage): Promise<Candidates> {
  const rows = await db
    .selectFrom("manifests")
    .innerJoin("manifest_contents as contents", "contents.digest", "manifests.digest")
    .select(({ exists, selectFrom }) => [
      "manifests.repository",
      "manifests.digest",
      "manifests.pushed_at as pushedAt",
      "contents.size_bytes as sizeBytes",
      exists(
        selectFrom("tags")
          .select("tags.name")
          .whereRef("tags.repository", "=", "manifests.repository")
          .whereRef("tags.digest", "=", "manifests.digest"),
      ).as("isTagged"),
    ])
    .where(({ eb, refTuple, tuple }) =>
      eb(refTuple("manifests.repository", "manifests.digest"), ">", tuple(page.after[0], page.after[1] as Digest)),
    )
    .orderBy("manifests.repository")
    .orderBy("manifests.digest")
    .limit(page.limit)
    .execute();
  const found = rows.filter(({ isTagged, pushedAt }) => Number(isTagged) === 0 && pushedAt < page.untouchedSince);
  return { found, last: lastOf(rows, page.limit) };
}

function lastOf(rows: readonly Candidate[], limit: number): Place | undefined {
  const last = rows.at(-1);
  return last === undefined || rows.length < limit ? undefined : [last.repository, last.digest];
}

/** Those of some links of one repository that are still there and still untouched. */
export async function stillUntouchedLinks(
  db: Database,
  wish: { readonly repository: string; readonly digests: readonly Digest[]; readonly untouchedSince: number },
): Promise<Digest[]> {
  const still: Digest[] = [];
  for (let start = 0; start < wish.digests.length; start += namesPerQuery) {
    const rows = await db
      .selectFrom("blob_links")
      .select("digest")
      .where("repository", "=", wish.repository)
      .where("digest", "in", namesAt(wish.digests, start))
      .where("touched_at", "<", wish.untouchedSince)
      .execute();
    for (const { digest } of rows) still.push(digest);
  }
  return still;
}

/** Manifest bytes that neither a repository nor the trash has, of the page of digests after another. */
export async function listUnheldContents(
  db: Database,
  page: { readonly after: string; readonly limit: number },
): Promise<{ readonly unheld: readonly Digest[]; readonly last: Digest | undefined }> {
  const { rows } = await sql<{ digest: Digest; held: number }>`select contents.digest as digest,
      (exists (select 1 from manifests where manifests.digest = contents.digest)
        or exists (select 1 from trashed_manifests as trashed where trashed.digest = contents.digest)) as held
    from (select digest from manifest_contents where digest > ${page.after} order by digest limit ${page.limit})
      as contents order by contents.digest`.execute(db);
  const unheld = rows.filter(({ held }) => Number(held) === 0).map(({ digest }) => digest);
  return { unheld, last: rows.length < page.limit ? undefined : rows.at(-1)?.digest };
}

/** What names a blob, and its size in bytes as the name says. */
export interface BlobName {
  readonly reason: "linked" | "in the trash" | "in the mirror";
  readonly sizeBytes: number;
}

/**
 * Those of some blobs that a repository, the trash or the package mirror names.
 *
 * @param hasTrash whether what a dry run would take goes into the trash, and not at once
 */
export async function namedBlobs(
  db: Database,
  digests: readonly Digest[],
  hasTrash: boolean,
): Promise<Map<Digest, BlobName>> {
  const found = new Map<Digest, BlobName>();
  const goingKinds = sql.join(hasTrash ? ["purge"] : ["purge", "link"]);
  for (let start = 0; start < digests.length; start += namesPerQuery) {
    const part = sql.join(namesAt(digests, start));
    const trashed = await sql<{ digest: Digest; size: number }>`
      select link.digest as digest, link.size_bytes as size from trashed_links as link
      where link.digest in (${part}) and not exists (select 1 from collection_marks as mark
        where mark.kind in (${goingKinds}) and mark.repository = link.repository and mark.digest = link.digest)`.execute(
      db,
    );
    for (const { digest, sizeBytes } of await mirroredBlobs(db, namesAt(digests, start)))
      found.set(digest, { reason: "in the mirror", sizeBytes });
    for (const { digest, size } of trashed.rows) found.set(digest, { reason: "in the trash", sizeBytes: size });
    const linked = await sql<{ digest: Digest; size: number; marked: number }>`
      select link.digest as digest, link.size_bytes as size, exists (select 1 from collection_marks as mark
        where mark.kind = 'link' and mark.repository = link.repository and mark.digest = link.digest) as marked
      from blob_links as link where link.digest in (${part})`.execute(db);
    for (const { digest, size: sizeBytes, marked } of linked.rows) {
      if (Number(marked) === 0) found.set(digest, { reason: "linked", sizeBytes });
      else if (hasTrash && !found.has(digest)) found.set(digest, { reason: "in the trash", sizeBytes });
    }
  }
  return found;
}

/** Whether a repository, the trash or the mirror names a blob: asked once more in the moment before its bytes go. */
export async function isBlobNamed(db: Database, digest: Digest): Promise<boolean> {
  const { rows } = await sql<{ named: number }>`select
    exists (select 1 from blob_links where digest = ${digest})
    or exists (select 1 from trashed_links where digest = ${digest}) as named`.execute(db);
  return Boolean(rows[0]!.named) || (await mirroredBlobs(db, [digest])).length > 0;
}

/** Digests that repositories have links to, from one digest (inclusive) to another (exclusive), with their sizes in bytes. */
export async function listLinkedDigests(
  db: Database,
  range: { readonly from: string; readonly to: string },
): Promise<Map<Digest, number>> {
  const rows = await db
    .selectFrom("blob_links")
    .select(["digest", "size_bytes"])
    .where("digest", ">=", range.from as Digest)
    .where("digest", "<", range.to as Digest)
    .groupBy(["digest", "size_bytes"])
    .execute();
  return new Map(rows.map((row) => [row.digest, row.size_bytes]));
}

/** Repositories that have a link to a blob. */
export async function listLinkingRepositories(db: Database, digest: Digest): Promise<string[]> {
  const rows = await db.selectFrom("blob_links").select("repository").where("digest", "=", digest).execute();
  return rows.map(({ repository }) => repository);
}

/** One thing that a dry run would take. */
export interface Mark extends Candidate {
  readonly kind: MarkKind;
  readonly reason: string;
}

/** Notes what a dry run would take; gives how much of it was not noted yet. Call it in a transaction. */
export async function addMarks(db: Database, marks: readonly Mark[]): Promise<number> {
  const rows = marks.map(({ kind, repository, digest, sizeBytes, reason }) => ({
    kind,
    repository,
    digest,
    size_bytes: sizeBytes,
    reason,
  }));
  let count = 0;
  for (const part of evenParts(rows, 64)) {
    const result = await db
      .insertInto("collection_marks")
      .values(part)
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst();
    count += Number(result.numInsertedOrUpdatedRows ?? 0n);
  }
  return count;
}

/** Those of some manifests or links of a repository that the dry run has marked. */
export async function markedAmong(
  db: Database,
  question: { readonly kind: "manifest" | "link"; readonly repository: string; readonly digests: readonly Digest[] },
): Promise<Set<Digest>> {
  const { kind, repository, digests } = question;
  const marked = new Set<Digest>();
  for (let start = 0; start < digests.length; start += namesPerQuery) {
    const rows = await db
      .selectFrom("collection_marks")
      .select("digest")
      .where("digest", "in", namesAt(digests, start))
      .where("repository", "=", repository)
      .where("kind", "=", kind)
      .execute();
    for (const { digest } of rows) marked.add(digest);
  }
  return marked;
}

/** Forgets at most `limit` marks; returns how many went. */
export async function dropMarks(db: Database, limit: number): Promise<number> {
  const result = await sql`delete from collection_marks where (digest, repository, kind) in (
    select digest, repository, kind from collection_marks limit ${limit})`.execute(db);
  return Number(result.numAffectedRows ?? 0n);
}

/** What the last dry run marked, in the order of kind, repository and digest, at most `limit`. */
export async function listMarks(db: Database, limit: number): Promise<Mark[]> {
  return await db
    .selectFrom("collection_marks")
    .select(["kind", "repository", "digest", "size_bytes as sizeBytes", "reason"])
    .orderBy("kind")
    .orderBy("repository")
    .orderBy("digest")
    .limit(limit)
    .execute();
}

function namesAt(digests: readonly Digest[], start: number): readonly Digest[] {
  return padded(digests.slice(start, start + namesPerQuery));
}
