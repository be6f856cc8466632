import { type Selectable, sql } from "kysely";
import { type Digest } from "../model/digest.ts";
import { type Database, mayBeLost } from "./database.ts";
import { type MirrorTables } from "./mirror-tables.ts";

type RenderingRow = Selectable<MirrorTables["mirror_renderings"]>;

/** Names what clients get of a document. */
export interface MirrorRenderingName {
  readonly repository: string;
  readonly source: string;
  readonly variant: string;
  /** The repository's address that is written into it. */
  readonly base: string;
}

/** What clients get of a document; instants in milliseconds. */
export interface MirrorRendering extends MirrorRenderingName {
  readonly madeOf: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** The same, compressed; undefined where that is not worth it. */
  readonly gzip: { readonly digest: Digest; readonly sizeBytes: number } | undefined;
  readonly mediaType: string;
  /** Beside those that every answer has. */
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly subject: string | undefined;
  readonly url: string | undefined;
  /** The state of the rules that it was made under. */
  readonly generation: string;
  readonly checkedAt: number;
  readonly until: number | undefined;
}

/** The statement of {@link findMirrorRendering}: compiled once for each database, since every hit runs it. */
const renderingQueries = new WeakMap<Database, ReturnType<typeof compileRenderingQuery>>();

function compileRenderingQuery(db: Database) {
  return db
    .selectFrom("mirror_renderings")
    .selectAll()
    .where("repository", "=", "")
    .where("source", "=", "")
    .where("variant", "=", "")
    .where("base", "=", "")
    .compile();
}

/** Finds a rendering. */
export async function findMirrorRendering(
  db: Database,
  { repository, source, variant, base }: MirrorRenderingName,
): Promise<MirrorRendering | undefined> {
  let query = renderingQueries.get(db);
  if (query === undefined) renderingQueries.set(db, (query = compileRenderingQuery(db)));
  const { rows } = await db.executeQuery<RenderingRow>({ ...query, parameters: [repository, source, variant, base] });
  return rows[0] === undefined ? undefined : renderingOf(rows[0]);
}

function renderingOf(row: RenderingRow): MirrorRendering {
  return {
    repository: row.repository,
    source: row.source,
    variant: row.variant,
    base: row.base,
    madeOf: row.made_of,
    digest: row.digest,
    sizeBytes: row.size_bytes,
    gzip: row.gzip_digest === null ? undefined : { digest: row.gzip_digest, sizeBytes: row.gzip_bytes },
    mediaType: row.media_type,
    headers: row.headers === null ? undefined : (JSON.parse(row.headers) as Record<string, string>),
    subject: row.subject ?? undefined,
    url: row.url ?? undefined,
    generation: row.generation,
    checkedAt: row.checked_at,
    until: row.until ?? undefined,
  };
}

/** Bases of one document that are kept: clients choose the name by which they call us. */
const basesMax = 8;

/** Adds a rendering or replaces it, and forgets those for bases that were made longest ago. Call it in a transaction. */
export async function putMirrorRendering(db: Database, rendering: MirrorRendering, madeAt: number): Promise<void> {
  const { repository, source, variant, base, gzip } = rendering;
  const columns = {
    made_of: rendering.madeOf,
    digest: rendering.digest,
    size_bytes: rendering.sizeBytes,
    gzip_digest: gzip?.digest ?? null,
    gzip_bytes: gzip?.sizeBytes ?? 0,
    media_type: rendering.mediaType,
    headers: rendering.headers === undefined ? null : JSON.stringify(rendering.headers),
    subject: rendering.subject ?? null,
    url: rendering.url ?? null,
    generation: rendering.generation,
    checked_at: rendering.checkedAt,
    until: rendering.until ?? null,
    made_at: madeAt,
  };
  await db
    .insertInto("mirror_renderings")
    .values({ repository, source, variant, base, ...columns })
    .onConflict((conflict) => conflict.columns(["repository", "source", "variant", "base"]).doUpdateSet(columns))
    .modifyEnd(mayBeLost)
    .execute();
  await sql`delete from mirror_renderings where repository = ${repository} and source = ${source}
    and variant = ${variant} and base not in (select base from mirror_renderings where repository = ${repository}
      and source = ${source} and variant = ${variant} order by made_at desc, base limit ${basesMax})`.execute(db);
}

/** Notes that a rendering is still right. */
export async function confirmMirrorRendering(
  db: Database,
  { repository, source, variant, base }: MirrorRenderingName,
  now: { readonly checkedAt: number; readonly generation: string; readonly until: number | undefined },
): Promise<void> {
  await db
    .updateTable("mirror_renderings")
    .set({ checked_at: now.checkedAt, generation: now.generation, until: now.until ?? null })
    .where("repository", "=", repository)
    .where("source", "=", source)
    .where("variant", "=", variant)
    .where("base", "=", base)
    .modifyEnd(mayBeLost)
    .execute();
}

/** Forgets a rendering. */
export async function deleteMirrorRendering(
  db: Database,
  { repository, source, variant, base }: MirrorRenderingName,
): Promise<void> {
  await db
    .deleteFrom("mirror_renderings")
    .where("repository", "=", repository)
    .where("source", "=", source)
    .where("variant", "=", variant)
    .where("base", "=", base)
    .execute();
}

/** Forgets the renderings for one address of a repository. */
export async function forgetMirrorRenderingsFor(
  db: Database,
  { repository, base }: Pick<MirrorRenderingName, "repository" | "base">,
): Promise<void> {
  await db
    .deleteFrom("mirror_renderings")
    .where("repository", "=", repository)
    .where("base", "=", base)
    .modifyEnd(mayBeLost)
    .execute();
}

/** Has renderings of some repositories looked at anew: those of a source, or of a subject. */
export async function expireMirrorRenderings(
  db: Database,
  repositories: readonly string[],
  changed: { readonly sources: readonly string[]; readonly subject: string | undefined },
): Promise<void> {
  if (repositories.length === 0) return;
  await db
    .updateTable("mirror_renderings")
    .set({ checked_at: 0 })
    .where("repository", "in", repositories)
    .where(({ eb, or }) =>
      or([
        ...changed.sources.map((source) => eb("source", "=", source)),
        // Questions that are answered from it: a pattern that takes too many only has them looked at anew.
        ...changed.sources.map((source) => eb("source", "like", `${source}?%`)),
        ...(changed.subject === undefined ? [] : [eb("subject", "=", changed.subject)]),
      ]),
    )
    .execute();
}

/** Has all renderings of some repositories looked at anew. */
export async function expireAllMirrorRenderings(db: Database, repositories: readonly string[]): Promise<void> {
  if (repositories.length === 0) return;
  await db.updateTable("mirror_renderings").set({ checked_at: 0 }).where("repository", "in", repositories).execute();
}

/** What was worked out from a document: an index, its facts. */
export interface MirrorDerived {
  readonly repository: string;
  readonly source: string;
  readonly name: string;
  /** The document that it was worked out from. */
  readonly sourceDigest: Digest;
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** Finds what was worked out from a document. */
export async function findMirrorDerived(
  db: Database,
  { repository, source, name }: Pick<MirrorDerived, "repository" | "source" | "name">,
): Promise<MirrorDerived | undefined> {
  const row = await db
    .selectFrom("mirror_derived")
    .select(["source_digest", "digest", "size_bytes"])
    .where("repository", "=", repository)
    .where("source", "=", source)
    .where("name", "=", name)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return { repository, source, name, sourceDigest: row.source_digest, digest: row.digest, sizeBytes: row.size_bytes };
}

/** Notes what was worked out from a document. */
export async function putMirrorDerived(db: Database, derived: MirrorDerived): Promise<void> {
  const { repository, source, name, sourceDigest, digest, sizeBytes } = derived;
  const columns = { source_digest: sourceDigest, digest, size_bytes: sizeBytes };
  await db
    .insertInto("mirror_derived")
    .values({ repository, source, name, ...columns })
    .onConflict((conflict) => conflict.columns(["repository", "source", "name"]).doUpdateSet(columns))
    .modifyEnd(mayBeLost)
    .execute();
}
