import { sql } from "kysely";
import { type Digest } from "../model/digest.ts";
import { type Database } from "./database.ts";

/** Names in one `IN (…)`; databases bound the parameters of a statement. */
const namesPerQuery = 300;

/** A place in a listing: what comes after `after` (exclusive, "" for all), at most `limit`. */
interface Page {
  readonly after: string;
  readonly limit: number;
}

/** The repositories of a project in ASCII order. */
export async function listRepositoriesOf(db: Database, project: string, page: Page): Promise<string[]> {
  const rows = await db
    .selectFrom("repositories")
    .select("name")
    // A slash is followed by a zero in ASCII.
    .where((where) =>
      where.or([
        where("name", "=", project),
        where.and([where("name", ">=", `${project}/`), where("name", "<", `${project}0`)]),
      ]),
    )
    .where("name", ">", page.after)
    .orderBy("name")
    .limit(page.limit)
    .execute();
  return rows.map(({ name }) => name);
}

/** A tag as retention sees it; `pushedAt` is when it was last moved or pushed again, in milliseconds. */
export interface TagFact {
  readonly name: string;
  readonly digest: Digest;
  readonly pushedAt: number;
}

/** The tags of a repository in ASCII order. */
export async function listTagPushes(db: Database, repository: string, page: Page): Promise<TagFact[]> {
  const rows = await db
    .selectFrom("tags")
    .select(["name", "digest", "moved_at", "pushed_at"])
    .where("repository", "=", repository)
    .where("name", ">", page.after)
    .orderBy("name")
    .limit(page.limit)
    .execute();
  return rows.map(tagFactOf);
}

/** The tags that point to any of some manifests, and those of some names. */
export async function findTagPushes(
  db: Database,
  repository: string,
  wanted: { readonly digests: readonly Digest[]; readonly names: readonly string[] },
): Promise<TagFact[]> {
  const facts: TagFact[] = [];
  const select = db
    .selectFrom("tags")
    .select(["name", "digest", "moved_at", "pushed_at"])
    .where("repository", "=", repository);
  for (const digests of parts(wanted.digests))
    facts.push(...(await select.where("digest", "in", digests).execute()).map(tagFactOf));
  for (const names of parts(wanted.names))
    facts.push(...(await select.where("name", "in", names).execute()).map(tagFactOf));
  return facts;
}

/** A manifest as retention sees it; instants are milliseconds. */
export interface ManifestFact {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly pushedAt: number;
  readonly pulledAt: number | undefined;
  readonly subject: Digest | undefined;
}

const manifestColumns = ["digest", "media_type", "pushed_at", "last_pushed_at", "pulled_at", "subject"] as const;

/** The manifests of a repository by digest. */
export async function listManifestFacts(db: Database, repository: string, page: Page): Promise<ManifestFact[]> {
  const rows = await db
    .selectFrom("manifests")
    .select(manifestColumns)
    .where("repository", "=", repository)
    .where("digest", ">", page.after as Digest)
    .orderBy("digest")
    .limit(page.limit)
    .execute();
  return rows.map(manifestFactOf);
}

/** Those of some manifests that a repository has. */
export async function findManifestFacts(
  db: Database,
  repository: string,
  digests: readonly Digest[],
): Promise<ManifestFact[]> {
  const facts: ManifestFact[] = [];
  for (const part of parts(digests)) {
    const select = db.selectFrom("manifests").select(manifestColumns).where("repository", "=", repository);
    facts.push(...(await select.where("digest", "in", part).execute()).map(manifestFactOf));
  }
  return facts;
}

/** What some manifests name, each pair of parent and child once a kind. */
export async function listEdges(
  db: Database,
  parents: readonly Digest[],
  kinds: readonly ("config" | "layer" | "child")[],
): Promise<{ readonly parent: Digest; readonly child: Digest }[]> {
  const edges: { readonly parent: Digest; readonly child: Digest }[] = [];
  for (const part of parts(parents))
    edges.push(
      ...(await db
        .selectFrom("manifest_edges")
        .select(["parent", "child"])
        .distinct()
        .where("parent", "in", part)
        .where("kind", "in", kinds)
        .execute()),
    );
  return edges;
}

/** The manifests of a repository that name any of some digests, as a child or as their subject. */
export async function listNaming(
  db: Database,
  repository: string,
  digests: readonly Digest[],
): Promise<{ readonly by: Digest; readonly kind: "child" | "subject" }[]> {
  const naming: { readonly by: Digest; readonly kind: "child" | "subject" }[] = [];
  for (const part of parts(digests)) {
    const rows = await db
      .selectFrom("manifest_edges")
      .innerJoin("manifests", "manifests.digest", "manifest_edges.parent")
      .select(["manifest_edges.parent", "manifest_edges.kind"])
      .where("manifest_edges.child", "in", part)
      .where("manifest_edges.kind", "in", ["child", "subject"])
      .where("manifests.repository", "=", repository)
      .execute();
    for (const { parent, kind } of rows) naming.push({ by: parent, kind: kind === "child" ? "child" : "subject" });
  }
  return naming;
}

/** How many bytes something takes, and how many manifests of the repository name it. */
export interface StoredSize {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly namedCount: number;
}

/** Those of some blobs that no repository but this one has, so that their bytes go with it. */
export async function sizesOfOwnBlobs(
  db: Database,
  repository: string,
  digests: readonly Digest[],
): Promise<StoredSize[]> {
  const sizes: StoredSize[] = [];
  for (const part of parts(digests)) {
    const rows = await db
      .selectFrom("blob_links as link")
      .select(["link.digest", "link.size_bytes as sizeBytes"])
      .select((select) =>
        select
          .selectFrom("manifest_edges")
          .innerJoin("manifests", "manifests.digest", "manifest_edges.parent")
          .select(sql<number>`count(distinct manifest_edges.parent)`.as("count"))
          .whereRef("manifest_edges.child", "=", "link.digest")
          .where("manifest_edges.kind", "in", ["config", "layer", "child"])
          .where("manifests.repository", "=", repository)
          .as("namedCount"),
      )
      .where("link.repository", "=", repository)
      .where("link.digest", "in", part)
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom("blob_links as other")
              .select("other.digest")
              .whereRef("other.digest", "=", "link.digest")
              .whereRef("other.repository", "<>", "link.repository"),
          ),
        ),
      )
      .execute();
    for (const row of rows) sizes.push({ ...row, namedCount: Number(row.namedCount) });
  }
  return sizes;
}

/** The bytes of those of some manifests that no repository but this one has. */
export async function sizesOfOwnManifests(
  db: Database,
  repository: string,
  digests: readonly Digest[],
): Promise<Map<Digest, number>> {
  const sizes = new Map<Digest, number>();
  for (const part of parts(digests)) {
    const rows = await db
      .selectFrom("manifest_contents as content")
      .select(["content.digest", "content.size_bytes"])
      .where("content.digest", "in", part)
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom("manifests as other")
              .select("other.digest")
              .whereRef("other.digest", "=", "content.digest")
              .where("other.repository", "<>", repository),
          ),
        ),
      )
      .execute();
    for (const row of rows) sizes.set(row.digest, row.size_bytes);
  }
  return sizes;
}

interface TagRow {
  readonly name: string;
  readonly digest: Digest;
  readonly moved_at: number;
  readonly pushed_at: number | null;
}

function tagFactOf({ name, digest, moved_at: movedAt, pushed_at: pushedAt }: TagRow): TagFact {
  return { name, digest, pushedAt: Math.max(movedAt, pushedAt ?? 0) };
}

interface ManifestRow {
  readonly digest: Digest;
  readonly media_type: string;
  readonly pushed_at: number;
  readonly last_pushed_at: number | null;
  readonly pulled_at: number | null;
  readonly subject: Digest | null;
}

function manifestFactOf(row: ManifestRow): ManifestFact {
  return {
    digest: row.digest,
    mediaType: row.media_type,
    pushedAt: Math.max(row.pushed_at, row.last_pushed_at ?? 0),
    pulledAt: row.pulled_at ?? undefined,
    subject: row.subject ?? undefined,
  };
}

function parts<T>(all: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(all.length / namesPerQuery) }, (_, index) =>
    all.slice(index * namesPerQuery, (index + 1) * namesPerQuery),
  );
}
