import { sql } from "kysely";
import { nowMs } from "../base/clock.ts";
import { type Digest } from "../model/digest.ts";
import { type Descriptor } from "../model/oci.ts";
import { type Database } from "./database.ts";
import { ensureRepository } from "./repository-records.ts";

/** What a manifest names, and as what. */
export interface ManifestEdge {
  readonly child: Digest;
  readonly kind: "config" | "layer" | "child" | "subject";
}

/** A manifest to store. */
export interface NewManifest {
  readonly repository: string;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  /** What a referrers listing shows as the type; undefined for an index without one. */
  readonly artifactType: string | undefined;
  readonly annotations: Readonly<Record<string, string>> | undefined;
  readonly edges: readonly ManifestEdge[];
  readonly actor: string;
}

/** A manifest as it is found. */
export interface FoundManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly sizeBytes: number;
}

/** Names in one `IN (…)` and rows in one insert; databases bound the parameters of a statement. */
const rowsPerQuery = 300;

/** Stores a manifest in a repository, which is made where it is new. Idempotent. Call it in a transaction. */
export async function insertManifest(db: Database, manifest: NewManifest): Promise<void> {
  const { repository, digest, mediaType, bytes, edges } = manifest;
  const now = nowMs();
  await ensureRepository(db, repository);
  await db
    .insertInto("manifest_contents")
    .values({ digest, size_bytes: bytes.byteLength, bytes, created_at: now })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  for (let start = 0; start < edges.length; start += rowsPerQuery)
    await db
      .insertInto("manifest_edges")
      .values(edges.slice(start, start + rowsPerQuery).map(({ child, kind }) => ({ parent: digest, child, kind })))
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  await db
    .insertInto("manifests")
    .values({
      repository,
      digest,
      media_type: mediaType,
      artifact_type: manifest.artifactType ?? null,
      subject: edges.find(({ kind }) => kind === "subject")?.child ?? null,
      annotations: manifest.annotations === undefined ? null : JSON.stringify(manifest.annotations),
      pushed_at: now,
      pushed_by: manifest.actor,
    })
    // Bytes without a mediaType of their own have the type that they were pushed with last.
    .onConflict((conflict) =>
      conflict.columns(["repository", "digest"]).doUpdateSet({ media_type: mediaType, last_pushed_at: now }),
    )
    .execute();
}

/** A manifest of a repository, without its bytes. */
export async function findManifest(
  db: Database,
  repository: string,
  digest: Digest,
): Promise<FoundManifest | undefined> {
  const row = await db
    .selectFrom("manifests")
    .innerJoin("manifest_contents", "manifest_contents.digest", "manifests.digest")
    .select(["manifests.media_type", "manifest_contents.size_bytes"])
    .where("manifests.repository", "=", repository)
    .where("manifests.digest", "=", digest)
    .executeTakeFirst();
  return row === undefined ? undefined : { digest, mediaType: row.media_type, sizeBytes: row.size_bytes };
}

/** The bytes of a manifest. */
export async function readManifestBytes(db: Database, digest: Digest): Promise<Buffer | undefined> {
  const row = await db.selectFrom("manifest_contents").select("bytes").where("digest", "=", digest).executeTakeFirst();
  return row === undefined ? undefined : Buffer.from(row.bytes.buffer, row.bytes.byteOffset, row.bytes.byteLength);
}

/** The sizes in bytes of those of some manifests that a repository has. */
export async function sizesOfManifests(
  db: Database,
  repository: string,
  digests: readonly Digest[],
): Promise<Map<Digest, number>> {
  const sizes = new Map<Digest, number>();
  for (let start = 0; start < digests.length; start += rowsPerQuery) {
    const rows = await db
      .selectFrom("manifests")
      .innerJoin("manifest_contents", "manifest_contents.digest", "manifests.digest")
      .select(["manifests.digest", "manifest_contents.size_bytes"])
      .where("manifests.repository", "=", repository)
      .where("manifests.digest", "in", digests.slice(start, start + rowsPerQuery))
      .execute();
    for (const row of rows) sizes.set(row.digest, row.size_bytes);
  }
  return sizes;
}

/** A page of referrers: those after `after` (exclusive, "" for all). */
export interface ReferrersPage {
  readonly repository: string;
  readonly subject: Digest;
  readonly artifactType: string | undefined;
  readonly after: string;
  /** At most so many, but at least one. */
  readonly limit: number;
  /** Annotations may be large: a page ends before it passes this, but has at least one. */
  readonly limitBytes: number;
}

/** A page of referrers, and whether more follow. */
export interface FoundReferrers {
  readonly descriptors: readonly Descriptor[];
  readonly hasMore: boolean;
}

/** Bytes of a descriptor in JSON without its annotations. */
const descriptorBytes = 400;

/** Lists what refers to a manifest, ordered by digest, as descriptors. */
export async function listReferrers(db: Database, page: ReferrersPage): Promise<FoundReferrers> {
  const { repository } = page;
  let query = db
    .selectFrom("manifests")
    .select(["digest", sql<number | null>`length(annotations)`.as("chars")])
    .where("repository", "=", repository)
    .where("subject", "=", page.subject)
    .where("digest", ">", page.after as Digest);
  if (page.artifactType !== undefined) query = query.where("artifact_type", "=", page.artifactType);
  const found = await query
    .orderBy("digest")
    .limit(page.limit + 1)
    .execute();
  const digests: Digest[] = [];
  let bytes = 0;
  for (const { digest, chars } of found) {
    bytes += descriptorBytes + (chars ?? 0);
    if (digests.length > 0 && (bytes > page.limitBytes || digests.length === page.limit)) break;
    digests.push(digest);
  }
  const descriptors: Descriptor[] = [];
  for (let start = 0; start < digests.length; start += rowsPerQuery)
    descriptors.push(...(await describeReferrers(db, repository, digests.slice(start, start + rowsPerQuery))));
  return { descriptors, hasMore: digests.length < found.length };
}

async function describeReferrers(db: Database, repository: string, digests: readonly Digest[]): Promise<Descriptor[]> {
  const rows = await db
    .selectFrom("manifests")
    .innerJoin("manifest_contents", "manifest_contents.digest", "manifests.digest")
    .select(["manifests.digest", "media_type", "artifact_type", "annotations", "size_bytes"])
    .where("repository", "=", repository)
    .where("manifests.digest", "in", digests)
    .orderBy("manifests.digest")
    .execute();
  return rows.map((row) => ({
    mediaType: row.media_type,
    digest: row.digest,
    size: row.size_bytes,
    ...(row.artifact_type === null ? {} : { artifactType: row.artifact_type }),
    ...(row.annotations === null ? {} : { annotations: JSON.parse(row.annotations) as Record<string, string> }),
  }));
}

/** The digests of what refers to a manifest directly. */
export async function listReferrerDigests(db: Database, repository: string, subject: Digest): Promise<Digest[]> {
  const rows = await db
    .selectFrom("manifests")
    .select("digest")
    .where("repository", "=", repository)
    .where("subject", "=", subject)
    .execute();
  return rows.map(({ digest }) => digest);
}

/** The indexes of a repository that name a manifest as a child, with what each is attached to. */
export async function listIndexesOver(
  db: Database,
  repository: string,
  child: Digest,
): Promise<{ readonly digest: Digest; readonly subject: Digest | null }[]> {
  return await db
    .selectFrom("manifest_edges")
    .innerJoin("manifests", "manifests.digest", "manifest_edges.parent")
    .select(["manifests.digest", "manifests.subject"])
    .where("manifest_edges.child", "=", child)
    .where("manifest_edges.kind", "=", "child")
    .where("manifests.repository", "=", repository)
    .execute();
}

/**
 * A word that changes whenever something is attached to one of some manifests or taken away: a referrer, or what stands
 * under a tag such as `sha256-….sig`.
 */
export async function attachmentGeneration(
  db: Database,
  repository: string,
  digests: readonly Digest[],
): Promise<string> {
  const referrers = await db
    .selectFrom("manifests")
    .select((values) => [values.fn.countAll<number>().as("count"), values.fn.sum<number>("pushed_at").as("sum")])
    .where("repository", "=", repository)
    .where("subject", "in", digests)
    .executeTakeFirst();
  const names = digests.flatMap((digest) => [".sig", ".att"].map((ending) => digest.replace(":", "-") + ending));
  const tags = await db
    .selectFrom("tags")
    .select("digest")
    .where("repository", "=", repository)
    .where("name", "in", names)
    .orderBy("name")
    .execute();
  return [referrers?.count ?? 0, referrers?.sum ?? 0, ...tags.map(({ digest }) => digest)].join(" ");
}

/** What a manifest of a repository is attached to. */
export async function findSubject(db: Database, repository: string, digest: Digest): Promise<Digest | undefined> {
  const row = await db
    .selectFrom("manifests")
    .select("subject")
    .where("repository", "=", repository)
    .where("digest", "=", digest)
    .executeTakeFirst();
  return row?.subject ?? undefined;
}
