import { mkdtemp, rm, stat } from "node:fs/promises";
import { createReadStream } from "node:fs";
import { dirname, join } from "node:path";
import { Failure } from "../../base/errors.ts";
import { sha256Hex } from "../../base/hash.ts";
import { canonicalJson } from "../../base/json.ts";
import { digestHex, sha256Digest, type Digest } from "../../model/digest.ts";
import { mediaTypes } from "../../model/oci.ts";
import { parseReference } from "../../model/reference.ts";
import { findUnit, localSource, type Registry, type TravellingUnit } from "../../registry/registry.ts";
import { releaseSignature } from "../../sign/sign.ts";
import { addAuditEvent } from "../../store/event-records.ts";
import { listTagsOf } from "../../store/tag-records.ts";
import type { Store } from "../../store/store.ts";
import { registrySource } from "../registry-source.ts";
import { writeFeeds } from "./advisory-snapshot.ts";
import { archivePaths, blobPath, nameAnnotation, type Contents, type LayoutIndex } from "./contents.ts";
import { writeArchive, type ArchiveFile, type WrittenArchive } from "./write-archive.ts";

/** What is to be exported, and where to. */
export interface ExportRequest {
  /** `repository[:tag]` or `repository@digest`. */
  readonly images: readonly string[];
  /** An absolute path on the server's machine. */
  readonly file: string;
  readonly isCompressed: boolean;
  readonly withAdvisories: boolean;
  /** Whether a file that is there is replaced. */
  readonly isReplacing: boolean;
  readonly actor: string;
}

/** What an export gave. */
export interface ExportReport extends WrittenArchive {
  readonly file: string;
  readonly images: readonly {
    readonly repository: string;
    readonly digest: Digest;
    readonly tags: readonly string[];
    readonly isSigned: boolean;
  }[];
  readonly blobCount: number;
  readonly feeds: readonly string[];
}

/** What archives are made of. */
export interface ArchiveSite {
  readonly store: Store;
  readonly registry: Registry;
  /** The public keys that go with the images, in PEM, by the names of their files. */
  readonly trust: Readonly<Record<"release.pub" | "evidence.pub", string>>;
}

interface ExportProgress {
  readonly signal: AbortSignal;
  readonly onBytes: (done: number, total: number) => void;
}

/**
 * Writes images with everything that belongs to them as one OCI layout in a tar archive.
 *
 * @throws Failure `not_found` for an image that is not there, `conflict` where the file is, `digest_mismatch`
 */
export async function exportImages(
  site: ArchiveSite,
  request: ExportRequest,
  { signal, onBytes }: ExportProgress,
): Promise<ExportReport> {
  const { file, isReplacing, isCompressed } = request;
  if (!isReplacing && (await stat(file).catch(() => undefined)) !== undefined)
    throw new Failure("conflict", `Cannot export to "${file}": it exists`, {
      hint: "Name another file, or add --replace",
    });
  const folder = await mkdtemp(join(dirname(file), ".mintmark-export-")).catch((error: unknown) => {
    throw new Failure("not_found", `Cannot export to "${file}": its folder cannot be written`, { cause: error });
  });
  try {
    // Nothing that is being read is collected meanwhile.
    return await site.store.blobs.holding("everything", async () => {
      const units = await findUnits(site, request.images);
      const feeds = request.withAdvisories ? await writeFeeds(site.store.db, folder, signal) : [];
      const { files, contents } = await planFiles(site, units, feeds);
      const total = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      let done = 0;
      const written = await writeArchive(file, files, {
        isCompressed,
        signal,
        onBytes: (count) => onBytes((done += count), total),
      });
      for (const { repository, digest } of contents.images)
        await addAuditEvent(site.store.db, {
          actor: request.actor,
          action: "image.exported",
          subject: `${repository}@${digest}`,
          details: { file, sha256: written.sha256 },
        });
      return {
        ...written,
        file,
        images: contents.images,
        blobCount: contents.blobs.length,
        feeds: feeds.map(({ feed }) => feed),
      };
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface FoundUnit {
  readonly repository: string;
  readonly unit: TravellingUnit;
  readonly tags: readonly string[];
}

async function findUnits({ registry, store }: ArchiveSite, images: readonly string[]): Promise<FoundUnit[]> {
  const found = new Map<string, FoundUnit>();
  for (const text of images) {
    const reference = parseReference(text);
    if (reference === undefined) throw new Failure("usage", `Cannot export "${text}": it is not repository[:tag]`);
    const { repository, tag = "latest", digest } = reference;
    const source = localSource(registry, repository);
    const root = await source.manifest(digest ?? tag);
    if (root === undefined)
      throw new Failure("not_found", `Cannot export "${text}": the repository does not have it`, {
        hint: "`mintmark image list` shows what is there",
      });
    const key = `${repository}@${root.digest}`;
    const before = found.get(key);
    const named = digest === undefined ? [tag] : await listTagsOf(store.db, repository, root.digest);
    const tags = [...new Set([...(before?.tags ?? []), ...named])].toSorted();
    found.set(key, { repository, unit: before?.unit ?? (await findUnit(source, root)), tags });
  }
  return [...found].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, unit]) => unit);
}

interface Plan {
  readonly files: readonly ArchiveFile[];
  readonly contents: Contents;
}

async function planFiles(
  site: ArchiveSite,
  units: readonly FoundUnit[],
  feeds: Awaited<ReturnType<typeof writeFeeds>>,
): Promise<Plan> {
  const { store } = site;
  const blobs = new Map<Digest, ArchiveFile>();
  for (const { manifests } of units.map(({ unit }) => unit))
    for (const { digest, bytes, blobs: parts } of manifests) {
      blobs.set(digest, bytesFile(blobPath(digest), digest, bytes));
      for (const part of parts)
        blobs.set(part.digest, {
          path: blobPath(part.digest),
          digest: part.digest,
          sizeBytes: part.sizeBytes,
          open: async () => await store.blobs.open(part.digest),
        });
    }
  const sorted = [...blobs.values()].toSorted((a, b) => (a.digest < b.digest ? -1 : 1));
  const trust = Object.entries(site.trust).map(([name, pem]) => textFile(archivePaths.trust + name, pem));
  const advisories = feeds.map((feed, at) => ({
    ...feed,
    path: `${archivePaths.advisories}${at}.jsonl`,
    file: feed.path,
  }));
  const contents = await contentsOf(site, units, { sorted, trust, advisories });
  const files = [
    textFile(archivePaths.layout, JSON.stringify({ imageLayoutVersion: "1.0.0" })),
    textFile(archivePaths.index, canonicalJson(layoutIndex(units))),
    textFile(archivePaths.contents, canonicalJson(contents)),
    ...trust,
    ...advisories.map(({ path, digest, sizeBytes, file }) => ({
      path,
      digest,
      sizeBytes,
      open: async () => createReadStream(file),
    })),
    ...sorted,
  ];
  return { files, contents };
}

interface Parts {
  readonly sorted: readonly ArchiveFile[];
  readonly trust: readonly ArchiveFile[];
  readonly advisories: Awaited<ReturnType<typeof writeFeeds>>;
}

async function contentsOf(
  site: ArchiveSite,
  units: readonly FoundUnit[],
  { sorted, trust, advisories }: Parts,
): Promise<Contents> {
  const images: Contents["images"] = [];
  for (const { repository, unit, tags } of units)
    images.push({
      repository,
      digest: unit.root,
      tags: [...tags],
      isSigned: await isSigned(site, repository, unit.root),
    });
  return {
    schemaVersion: 1,
    images,
    blobs: sorted.map(({ digest, sizeBytes }) => ({ digest, sizeBytes })),
    trust: trust.map(({ path, digest, sizeBytes }) => ({ path, digest, sizeBytes })),
    advisories: advisories.map(({ path, digest, sizeBytes, feed, recordCount }) => ({
      path,
      digest,
      sizeBytes,
      feed,
      recordCount,
    })),
  };
}

/** Every manifest is listed, so that other programs find what is attached; images and cosign's tags have names. */
function layoutIndex(units: readonly FoundUnit[]): LayoutIndex & { readonly mediaType: string } {
  const entries = new Map<string, LayoutIndex["manifests"][number]>();
  for (const { repository, unit, tags } of units)
    for (const { digest, mediaType, bytes, tag } of unit.manifests) {
      const names = [...(digest === unit.root ? tags : []), ...(tag === undefined ? [] : [tag])];
      const entry = { mediaType, digest, size: bytes.length };
      for (const name of names)
        entries.set(`${repository}:${name}`, { ...entry, annotations: { [nameAnnotation]: `${repository}:${name}` } });
      if (names.length === 0 && ![...entries.values()].some((known) => known.digest === digest))
        entries.set(digestHex(digest), entry);
    }
  const manifests = [...entries].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
  return { schemaVersion: 2, mediaType: mediaTypes.index, manifests };
}

async function isSigned({ registry, store, trust }: ArchiveSite, repository: string, digest: Digest): Promise<boolean> {
  const source = registrySource(registry, store.blobs);
  return "keyId" in (await releaseSignature({ source, repository, digest, keys: [trust["release.pub"]] }));
}

function textFile(path: string, text: string): ArchiveFile {
  const bytes = Buffer.from(text);
  return bytesFile(path, sha256Digest(sha256Hex(bytes)), bytes);
}

function bytesFile(path: string, digest: Digest, bytes: Buffer): ArchiveFile {
  return {
    path,
    digest,
    sizeBytes: bytes.length,
    open: async () =>
      (async function* () {
        yield bytes;
      })(),
  };
}
