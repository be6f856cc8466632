import { limits } from "../../base/limits.ts";
import { digestHex, type Digest } from "../../model/digest.ts";
import { mediaTypes, type Descriptor } from "../../model/oci.ts";
import type { SourceManifest, UnitSource } from "../../registry/registry.ts";
import type { ImageSource } from "../../sign/sign.ts";
import type { BlobStore } from "../../store/blobs.ts";
import { nameAnnotation } from "./contents.ts";
import type { ReadArchive } from "./read-archive.ts";

/** An archive as a place that images are read from; only what it holds itself is found. */
export interface ArchiveSource {
  readonly archive: ReadArchive;
  /** One repository of it; undefined for layouts whose images have tags only. */
  at(repository: string | undefined): UnitSource;
  /** The same for those who verify signatures. */
  images(repository: string | undefined): ImageSource;
  hasSubject(digest: Digest): Promise<boolean>;
  /** Whether a tag is one by which something is attached to a manifest of the archive. */
  isAttachment(tag: string): boolean;
}

interface Attached extends Descriptor {
  readonly subject: Digest;
}

/** Looks through the manifests of an archive. */
export async function archiveSource(archive: ReadArchive, blobs: BlobStore): Promise<ArchiveSource> {
  const types = new Map(archive.index.manifests.map(({ digest, mediaType }) => [digest, mediaType]));
  const tags = new Map<string, Digest>();
  for (const { digest, annotations } of archive.index.manifests) {
    const name = annotations?.[nameAnnotation];
    if (name !== undefined) tags.set(name, digest);
  }
  const read = async (digest: Digest): Promise<SourceManifest | undefined> => {
    const sizeBytes = archive.blobs.get(digest);
    if (sizeBytes === undefined || sizeBytes > limits.manifestBytes) return undefined;
    const bytes = await blobs.read(digest, limits.manifestBytes);
    const mediaType = types.get(digest) ?? typeWithin(bytes);
    return mediaType === undefined ? undefined : { digest, mediaType, bytes };
  };
  const attached = await findAttached(archive, read);
  const stems = new Set(
    [...archive.blobs.keys()].map((digest) => `${digest.slice(0, 6)}-${digestHex(digest).slice(0, 64)}`),
  );
  const manifest = async (repository: string | undefined, reference: string): Promise<SourceManifest | undefined> => {
    const named = tags.get(repository === undefined ? reference : `${repository}:${reference}`);
    const digest = reference.includes(":") ? (reference as Digest) : named;
    return digest === undefined ? undefined : await read(digest);
  };
  return {
    archive,
    at: (repository) => ({
      manifest: async (reference) => await manifest(repository, reference),
      referrers: async (subject) => (attached.get(subject) ?? []).map(({ digest }) => digest),
    }),
    images: (repository) => ({
      getManifest: async (_name, reference) => await manifest(repository, reference),
      getBlob: async (_name, digest) => (archive.blobs.has(digest) ? await blobs.open(digest) : undefined),
      referrers: async (_name, subject) => attached.get(subject) ?? [],
    }),
    hasSubject: async (digest) => [...attached.values()].some((list) => list.some((one) => one.digest === digest)),
    isAttachment: (tag) => stems.has(tag.replace(/\.(?:sig|att|sbom)$/, "")),
  };
}

/** What refers to what: the index lists referrers, as image-layout.md wants. */
async function findAttached(
  archive: ReadArchive,
  read: (digest: Digest) => Promise<SourceManifest | undefined>,
): Promise<Map<Digest, Attached[]>> {
  const attached = new Map<Digest, Attached[]>();
  const seen = new Set<Digest>();
  for (const { digest } of archive.index.manifests) {
    if (seen.has(digest)) continue;
    seen.add(digest);
    const manifest = await read(digest);
    const document = manifest === undefined ? undefined : parse(manifest.bytes);
    const subject = document?.subject?.digest;
    if (manifest === undefined || subject === undefined) continue;
    const artifactType = document?.artifactType ?? document?.config?.mediaType;
    const { mediaType, bytes } = manifest;
    const entry = {
      mediaType,
      digest,
      size: bytes.length,
      ...(artifactType === undefined ? {} : { artifactType }),
      subject,
    };
    attached.set(subject, [...(attached.get(subject) ?? []), entry]);
  }
  return attached;
}

interface LooseManifest {
  readonly mediaType?: string;
  readonly artifactType?: string;
  readonly config?: { readonly mediaType?: string };
  readonly subject?: { readonly digest?: Digest };
  readonly manifests?: unknown;
}

function parse(bytes: Uint8Array): LooseManifest | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
    return value !== null && typeof value === "object" ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Children of an index are not listed: they say themselves what they are; what says nothing is no manifest. */
function typeWithin(bytes: Uint8Array): string | undefined {
  const document = parse(bytes);
  if (typeof document?.mediaType === "string") return document.mediaType;
  if (document?.config === undefined && document?.manifests === undefined) return undefined;
  return document.manifests === undefined ? mediaTypes.manifest : mediaTypes.index;
}
