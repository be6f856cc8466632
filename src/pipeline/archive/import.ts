import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { importAdvisories } from "../../advisories/advisories.ts";
import { Failure, systemCodeOf } from "../../base/errors.ts";
import type { Digest } from "../../model/digest.ts";
import { isRepository, isTag, parseReference } from "../../model/reference.ts";
import { findUnit, type TravellingUnit } from "../../registry/registry.ts";
import { publicKeyId, releaseSignature, type ImageSource } from "../../sign/sign.ts";
import { addAuditEvent } from "../../store/event-records.ts";
import { findTag } from "../../store/tag-records.ts";
import { unpackFeed } from "./advisory-snapshot.ts";
import { archiveSource, type ArchiveSource } from "./archive-source.ts";
import { nameAnnotation } from "./contents.ts";
import type { ArchiveSite } from "./export.ts";
import { readArchive, type ReadArchive } from "./read-archive.ts";

/** What is to be imported, and how it is to be trusted. */
export interface ImportRequest {
  /** An absolute path on the server's machine. */
  readonly file: string;
  /** `repository[:tag]` for an archive of one repository, instead of the names in it. */
  readonly into: string | undefined;
  /** Public keys in PEM: every image must be signed by one of them. Empty goes by the keys in the archive. */
  readonly keys: readonly string[];
  readonly withAdvisories: boolean;
  readonly actor: string;
}

/** What an import brought. */
export interface ImportReport {
  readonly images: readonly {
    readonly repository: string;
    readonly digest: Digest;
    readonly tags: readonly string[];
    readonly isNew: boolean;
    /** The key that signed it; undefined where no signature was asked for. */
    readonly signedBy: string | undefined;
  }[];
  /** Whose keys counted. */
  readonly trust: "given" | "archive" | "none";
  readonly blobCount: number;
  readonly feeds: readonly { readonly feed: string; readonly recordCount: number }[];
}

interface ImportProgress {
  readonly signal: AbortSignal;
  readonly onBytes: (done: number, total: number) => void;
}

/**
 * Takes an archive in: all of it is read, hashed and verified before the first of its images can be seen. Done again,
 * it changes nothing.
 *
 * @throws Failure `archive_hostile`, `digest_mismatch`, `verification_failed`, `usage` where an image has no name
 */
export async function importImages(
  site: ArchiveSite,
  request: ImportRequest,
  { signal, onBytes }: ImportProgress,
): Promise<ImportReport> {
  const { store } = site;
  await compareChecksum(request.file, signal);
  const folder = await mkdtemp(join(tmpdir(), "mintmark-import-"));
  try {
    // What is read is named by no repository until all of it is verified.
    return await store.blobs.holding("everything", async () => {
      const archive = await readArchive(request.file, { blobs: store.blobs, folder, signal, onBytes });
      const source = await archiveSource(archive, store.blobs);
      const units = await verifyUnits(source, request);
      const images: ImportReport["images"][number][] = [];
      for (const unit of units) images.push(await place(site, unit, request.actor));
      const feeds = request.withAdvisories ? await takeFeeds(site, { archive, folder, signal }) : [];
      const trust = request.keys.length > 0 ? "given" : archive.trust.size > 0 ? "archive" : "none";
      return { images, trust, blobCount: archive.blobs.size, feeds };
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A checksum beside the file, as exports write it, has to be right. */
export async function compareChecksum(file: string, signal: AbortSignal): Promise<void> {
  const text = await readFile(`${file}.sha256`, { encoding: "utf8", signal }).catch((error: unknown) => {
    if (systemCodeOf(error) === "ENOENT") return undefined;
    throw error;
  });
  const expected = /^([0-9a-f]{64})\b/.exec(text ?? "")?.[1];
  if (expected === undefined) return;
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20, signal })) hash.update(chunk as Buffer);
  if (hash.digest("hex") !== expected)
    throw new Failure("digest_mismatch", `Cannot import "${file}": it does not have the checksum in "${file}.sha256"`, {
      hint: "Carry both files over again",
    });
}

interface NamedUnit {
  readonly repository: string;
  readonly tags: readonly string[];
  readonly unit: TravellingUnit;
  readonly signedBy: string | undefined;
}

async function verifyUnits(source: ArchiveSource, request: ImportRequest): Promise<NamedUnit[]> {
  const { archive } = source;
  const own = [...archive.trust].filter(([path]) => path.endsWith("/release.pub")).map(([, pem]) => pem);
  const units: NamedUnit[] = [];
  for (const image of await namedImages(source, request.into)) {
    const place = source.at(image.from);
    const root = await place.manifest(image.digest);
    if (root === undefined) throw lacking(image.digest);
    const unit = await findUnit(place, root);
    for (const { digest, sizeBytes } of unit.manifests.flatMap(({ blobs }) => blobs))
      if (archive.blobs.get(digest) !== sizeBytes) throw lacking(digest);
    const keys = request.keys.length > 0 ? request.keys : image.isSigned ? own : [];
    const signedBy = keys.length === 0 ? undefined : await signerOf({ source: source.images(image.from), image, keys });
    units.push({ repository: image.repository, tags: image.tags, unit, signedBy });
  }
  if (units.length === 0)
    throw new Failure("usage", "Cannot import the archive: it holds no image with a name", {
      hint: "Name one with --into REPOSITORY:TAG",
    });
  return units;
}

function lacking(digest: Digest): Failure {
  return new Failure("verification_failed", `Cannot import the archive: ${digest} is missing or has another size`, {
    hint: "Export it again: an archive must hold its images whole",
  });
}

async function signerOf({
  source,
  image,
  keys,
}: {
  readonly source: ImageSource;
  readonly image: NamedImage;
  readonly keys: readonly string[];
}): Promise<string> {
  const { digest, repository } = image;
  const answer = await releaseSignature({ source, repository, digest, keys });
  if ("keyId" in answer) return answer.keyId;
  const named = keys.map((pem) => publicKeyId(pem).slice(0, 12)).join(", ");
  throw new Failure(
    "verification_failed",
    `Cannot trust "${repository}" at ${digest}: ${answer.missing} (keys ${named})`,
    {
      hint: "Give the key of who signed it with --key, or leave out what is not signed",
    },
  );
}

interface NamedImage {
  /** The repository's name in the archive; undefined where it has none. */
  readonly from: string | undefined;
  /** Its name here. */
  readonly repository: string;
  readonly digest: Digest;
  readonly tags: readonly string[];
  readonly isSigned: boolean;
}

async function namedImages(source: ArchiveSource, into: string | undefined): Promise<NamedImage[]> {
  const target = into === undefined ? undefined : parseReference(into);
  if (into !== undefined && (target === undefined || target.digest !== undefined))
    throw new Failure("usage", `Cannot import into "${into}": it is not repository[:tag]`);
  const { contents } = source.archive;
  const images =
    contents === undefined
      ? await layoutImages(source, target?.repository)
      : contents.images.map((one) => ({ ...one, from: one.repository }));
  if (target === undefined) return images;
  const repositories = new Set(images.map(({ from }) => from));
  if (repositories.size > 1)
    throw new Failure("usage", `Cannot import into "${into}": the archive holds ${repositories.size} repositories`, {
      hint: "Leave --into out: the images keep their names",
    });
  if (target.tag !== undefined && images.length > 1)
    throw new Failure("usage", `Cannot import into "${into}": the archive holds ${images.length} images`);
  return images.map((image) => ({
    ...image,
    repository: target.repository,
    tags: target.tag === undefined ? image.tags : [target.tag],
  }));
}

/** The images of another program's layout: what is listed there and attached to nothing. */
async function layoutImages(source: ArchiveSource, fallback: string | undefined): Promise<NamedImage[]> {
  const images = new Map<string, NamedImage>();
  for (const { digest, annotations } of source.archive.index.manifests) {
    const name = annotations?.[nameAnnotation];
    const { repository: from, tag } = readName(name);
    if (tag !== undefined && source.isAttachment(tag)) continue;
    if (await source.hasSubject(digest)) continue;
    const repository = from ?? fallback;
    if (repository === undefined)
      throw new Failure("usage", `Cannot import ${digest}: the archive does not say which repository it belongs to`, {
        hint: "Name it with --into REPOSITORY[:TAG]",
      });
    const key = `${repository}@${digest}`;
    const tags = [...(images.get(key)?.tags ?? []), ...(tag === undefined ? [] : [tag])];
    images.set(key, { from, repository, digest, tags, isSigned: false });
  }
  return [...images.values()];
}

/** Some programs write a tag there, some the whole name. */
function readName(name: string | undefined): {
  readonly repository: string | undefined;
  readonly tag: string | undefined;
} {
  if (name === undefined) return { repository: undefined, tag: undefined };
  if (isTag(name)) return { repository: undefined, tag: name };
  const reference = parseReference(name);
  if (reference === undefined || !isRepository(reference.repository)) return { repository: undefined, tag: undefined };
  return { repository: reference.repository, tag: reference.tag ?? "latest" };
}

/** Blobs, manifests, and the tags as the last: nobody sees half of an image. */
async function place(
  { registry, store }: ArchiveSite,
  { repository, tags, unit, signedBy }: NamedUnit,
  actor: string,
): Promise<ImportReport["images"][number]> {
  const isNew = (await registry.getManifest(repository, unit.root)) === undefined;
  for (const { digest, mediaType, bytes, blobs } of unit.manifests) {
    for (const blob of blobs) await registry.linkBlob(repository, blob.digest);
    await registry.putManifest({ repository, reference: digest, mediaType, bytes, actor });
  }
  const moves = unit.manifests.flatMap((manifest) =>
    manifest.tag === undefined ? [] : [{ manifest, tag: manifest.tag }],
  );
  const root = unit.manifests.find(({ digest }) => digest === unit.root)!;
  let isMoved = false;
  for (const { manifest, tag } of [...moves, ...tags.map((tag) => ({ manifest: root, tag }))]) {
    if ((await findTag(store.db, repository, tag)) === manifest.digest) continue;
    const { mediaType, bytes } = manifest;
    await registry.putManifest({ repository, reference: tag, mediaType, bytes, actor });
    isMoved = true;
  }
  if (isNew || isMoved)
    await addAuditEvent(store.db, {
      actor,
      action: "image.imported",
      subject: `${repository}@${unit.root}`,
      details: { tags, signedBy },
    });
  return { repository, digest: unit.root, tags, isNew: isNew || isMoved, signedBy };
}

async function takeFeeds(
  { store }: ArchiveSite,
  { archive, folder, signal }: { readonly archive: ReadArchive; readonly folder: string; readonly signal: AbortSignal },
): Promise<ImportReport["feeds"]> {
  const taken: ImportReport["feeds"][number][] = [];
  for (const [at, { path, feed }] of (archive.contents?.advisories ?? []).entries()) {
    const records = join(folder, `records-${at}`);
    await unpackFeed(archive.feeds.get(path)!.path, records);
    for (const report of await importAdvisories(store, { place: records, feed, temporaryFolder: folder, signal }))
      taken.push({ feed: report.feed.name, recordCount: report.feed.recordCount });
    await rm(records, { recursive: true, force: true });
  }
  return taken;
}
