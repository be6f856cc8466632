import { type Expression, sql, type SqlBool } from "kysely";
import { type Digest } from "../model/digest.ts";
import { type TextCondition } from "../model/text-condition.ts";
import { type Database } from "./database.ts";
import {
  type Counted,
  isArtifact,
  isAttachmentTag,
  isBelow,
  type ManifestRow,
  type Order,
  type Page,
  textMeets,
} from "./harbor-conditions.ts";

/** By what artifacts can be put into an order. */
export const artifactFields = ["push_time", "pull_time", "digest", "size"] as const;

/** Which artifacts: of a repository, or of all of a project. */
export interface ArtifactPage extends Page {
  readonly place: { readonly repository: string } | { readonly project: string };
  readonly tags: readonly (TextCondition | "none" | "some")[];
  readonly digests: readonly TextCondition[];
  readonly mediaTypes: readonly TextCondition[];
  /** Numbers of labels that it must have. */
  readonly labels: readonly number[];
  /** Only the newest of each repository. */
  readonly isLatestOnly?: boolean;
  readonly order: readonly Order<(typeof artifactFields)[number]>[];
}

/** A manifest that is an artifact. Instants are milliseconds. */
export interface ArtifactRow {
  readonly repository: string;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly artifactType: string | undefined;
  readonly sizeBytes: number;
  readonly pushedAt: number;
  readonly pulledAt: number | undefined;
}

/** Lists artifacts, the newest first where no order is asked for. */
export async function listArtifacts(db: Database, page: ArtifactPage): Promise<Counted<ArtifactRow>> {
  const { place } = page;
  const found = db
    .selectFrom("manifests as m")
    .innerJoin("manifest_contents as c", "c.digest", "m.digest")
    .where((row) =>
      row.and([
        "repository" in place
          ? row("m.repository", "=", place.repository)
          : isBelow(row.ref("m.repository"), [place.project]),
        isArtifact(row as unknown as ManifestRow),
        ...page.digests.map((condition) => textMeets(row.ref("m.digest"), condition)),
        ...page.mediaTypes.map((condition) => textMeets(row.ref("m.media_type"), condition)),
        ...page.tags.map((condition) => hasTag(row as unknown as ManifestRow, condition)),
        ...page.labels.map((label) => hasLabel(row as unknown as ManifestRow, label)),
        ...(page.isLatestOnly === true ? [isLatest(row as unknown as ManifestRow)] : []),
      ]),
    );
  const { count } = await found.select((row) => row.fn.countAll<number>().as("count")).executeTakeFirstOrThrow();
  let rows = found.select([
    "m.repository",
    "m.digest",
    "m.media_type",
    "m.artifact_type",
    "m.pushed_at",
    "m.pulled_at",
    "c.size_bytes",
  ]);
  for (const { field, isDescending } of page.order)
    rows = rows.orderBy(artifactColumns[field], isDescending ? "desc" : "asc");
  const list = await rows
    .orderBy("m.pushed_at", "desc")
    .orderBy("m.repository")
    .orderBy("m.digest")
    .offset(page.offset)
    .limit(page.limit)
    .execute();
  return { total: Number(count), rows: list.map(artifactRow) };
}

const artifactColumns = {
  push_time: "m.pushed_at",
  pull_time: "m.pulled_at",
  digest: "m.digest",
  size: "c.size_bytes",
} as const;

function hasTag(row: ManifestRow, condition: TextCondition | "none" | "some"): Expression<SqlBool> {
  const tags = row
    .selectFrom("tags as t")
    .select("t.name")
    .whereRef("t.repository", "=", "m.repository")
    .whereRef("t.digest", "=", "m.digest")
    .limit(1);
  if (condition === "none") return row.not(row.exists(tags));
  if (condition === "some") return row.exists(tags);
  return row.exists(tags.where((tag) => textMeets(tag.ref("t.name"), condition)));
}

function hasLabel(row: ManifestRow, label: number): Expression<SqlBool> {
  return row.exists(
    row
      .selectFrom("image_labels as l")
      .select("l.label")
      .whereRef("l.repository", "=", "m.repository")
      .whereRef("l.digest", "=", "m.digest")
      .where("l.label", "=", label),
  );
}

function isLatest(row: ManifestRow): Expression<SqlBool> {
  return sql<SqlBool>`m.digest = (${row
    .selectFrom("manifests as n")
    .select("n.digest")
    .whereRef("n.repository", "=", "m.repository")
    .where("n.subject", "is", null)
    .where((newer) =>
      newer.exists(
        newer
          .selectFrom("tags as t")
          .select("t.name")
          .whereRef("t.repository", "=", "n.repository")
          .whereRef("t.digest", "=", "n.digest")
          .where((tag) => sql<SqlBool>`not ${isAttachmentTag(tag.ref("t.name"))}`),
      ),
    )
    .orderBy("n.pushed_at", "desc")
    .orderBy("n.digest")
    .limit(1)})`;
}

/** One manifest of a repository with its facts, artifact or not. */
export async function findArtifact(db: Database, repository: string, digest: Digest): Promise<ArtifactRow | undefined> {
  const row = await db
    .selectFrom("manifests as m")
    .innerJoin("manifest_contents as c", "c.digest", "m.digest")
    .select([
      "m.repository",
      "m.digest",
      "m.media_type",
      "m.artifact_type",
      "m.pushed_at",
      "m.pulled_at",
      "c.size_bytes",
    ])
    .where("m.repository", "=", repository)
    .where("m.digest", "=", digest)
    .executeTakeFirst();
  return row === undefined ? undefined : artifactRow(row);
}

function artifactRow(row: {
  readonly repository: string;
  readonly digest: Digest;
  readonly media_type: string;
  readonly artifact_type: string | null;
  readonly pushed_at: number;
  readonly pulled_at: number | null;
  readonly size_bytes: number;
}): ArtifactRow {
  return {
    repository: row.repository,
    digest: row.digest,
    mediaType: row.media_type,
    artifactType: row.artifact_type ?? undefined,
    sizeBytes: row.size_bytes,
    pushedAt: row.pushed_at,
    pulledAt: row.pulled_at ?? undefined,
  };
}

/** The bytes of some manifests; at most a page of them. */
export async function readManifests(db: Database, digests: readonly Digest[]): Promise<Map<Digest, Buffer>> {
  if (digests.length === 0) return new Map();
  const rows = await db
    .selectFrom("manifest_contents")
    .select(["digest", "bytes"])
    .where("digest", "in", [...new Set(digests)])
    .execute();
  return new Map(
    rows.map(({ digest, bytes }) => [digest, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)]),
  );
}

/** A tag with its facts; instants are milliseconds. */
export interface ArtifactTag {
  readonly repository: string;
  readonly name: string;
  readonly digest: Digest;
  readonly pushedAt: number;
  readonly pulledAt: number | undefined;
}

/** The tags of some manifests of one repository, but those that attach something. */
export async function tagsOfManifests(
  db: Database,
  repository: string,
  digests: readonly Digest[],
): Promise<ArtifactTag[]> {
  if (digests.length === 0) return [];
  const rows = await db
    .selectFrom("tags as t")
    .select(["t.name", "t.digest", "t.moved_at", "t.pushed_at", "t.pulled_at"])
    .where("t.repository", "=", repository)
    .where("t.digest", "in", [...new Set(digests)])
    .where((row) => sql<SqlBool>`not ${isAttachmentTag(row.ref("t.name"))}`)
    .orderBy("t.name")
    .execute();
  return rows.map((row) => ({
    repository,
    name: row.name,
    digest: row.digest,
    pushedAt: row.pushed_at ?? row.moved_at,
    pulledAt: row.pulled_at ?? undefined,
  }));
}

/** Something that is attached to a manifest; by its tag where it does not say so itself. */
export interface AttachedManifest extends ArtifactRow {
  readonly subject: Digest;
  /** `.sig`, `.att`, `.sbom`; undefined for a referrer. */
  readonly ending: string | undefined;
}

const endings = [".sig", ".att", ".sbom"];

/** What is attached to some manifests of one repository. */
export async function listAttached(
  db: Database,
  repository: string,
  subjects: readonly Digest[],
): Promise<AttachedManifest[]> {
  if (subjects.length === 0) return [];
  const columns = [
    "m.repository",
    "m.digest",
    "m.media_type",
    "m.artifact_type",
    "m.pushed_at",
    "m.pulled_at",
    "c.size_bytes",
  ] as const;
  const referrers = await db
    .selectFrom("manifests as m")
    .innerJoin("manifest_contents as c", "c.digest", "m.digest")
    .select([...columns, "m.subject"])
    .where("m.repository", "=", repository)
    .where("m.subject", "in", [...new Set(subjects)])
    .orderBy("m.pushed_at")
    .orderBy("m.digest")
    .execute();
  const byTag = new Map<string, { readonly subject: Digest; readonly ending: string }>(
    subjects.flatMap((subject) =>
      endings.map(
        (ending) => [`${subject.slice(0, 6)}-${subject.slice(7, 71)}${ending}`, { subject, ending }] as const,
      ),
    ),
  );
  const tagged = await db
    .selectFrom("tags as t")
    .innerJoin("manifests as m", (join) =>
      join.onRef("m.repository", "=", "t.repository").onRef("m.digest", "=", "t.digest"),
    )
    .innerJoin("manifest_contents as c", "c.digest", "m.digest")
    .select([...columns, "t.name"])
    .where("t.repository", "=", repository)
    .where("t.name", "in", [...byTag.keys()])
    .orderBy("t.name")
    .execute();
  return [
    ...referrers.map((row) => ({ ...artifactRow(row), subject: row.subject!, ending: undefined })),
    ...tagged.map((row) => ({ ...artifactRow(row), ...byTag.get(row.name)! })),
  ];
}
