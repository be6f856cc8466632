import { Failure } from "../../base/errors.ts";
import { type Digest } from "../../model/digest.ts";
import { attachmentTags, isReferrersTag, readManifestDocument } from "../manifest-document.ts";

/** A manifest as a source gives it; its bytes have its digest. */
export interface SourceManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Buffer;
}

/** One repository, here or elsewhere, that units are read from. What is not there is undefined. */
export interface UnitSource {
  manifest(reference: string): Promise<SourceManifest | undefined>;
  /** The digests of what has a manifest as its subject. */
  referrers(subject: Digest): Promise<readonly Digest[]>;
}

/** A manifest of a unit. */
export interface UnitManifest extends SourceManifest {
  readonly subject: Digest | undefined;
  readonly artifactType: string | undefined;
  readonly annotations: Readonly<Record<string, string>> | undefined;
  /** The tag under which it is attached to another; undefined for all else. */
  readonly tag: string | undefined;
  readonly blobs: readonly UnitBlob[];
}

/** A blob that a manifest names. */
export interface UnitBlob {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** An image with everything that belongs to it. */
export interface TravellingUnit {
  readonly root: Digest;
  /** Children before their index, subjects before what refers to them: the order in which they are stored. */
  readonly manifests: readonly UnitManifest[];
}

/** Manifests of one unit; an image of twenty platforms with ten referrers each has 220. */
const manifestsMax = 10_000;

/**
 * Finds everything that travels with an image: children, referrers at any depth, and what cosign's tags point to.
 *
 * @throws Failure `not_found` where a part is missing, `too_large`, `conflict` for a manifest that cannot be read
 */
export async function findUnit(source: UnitSource, root: SourceManifest): Promise<TravellingUnit> {
  const walk = new Walk(source);
  await walk.add(root, undefined);
  return { root: root.digest, manifests: walk.found };
}

class Walk {
  readonly found: UnitManifest[] = [];
  readonly #source: UnitSource;
  readonly #seen = new Set<Digest>();

  constructor(source: UnitSource) {
    this.#source = source;
  }

  /** Adds a manifest with all that belongs to it; circles end where they began. */
  async add(manifest: SourceManifest, tag: string | undefined): Promise<void> {
    const { digest } = manifest;
    const isNew = !this.#seen.has(digest);
    if (!isNew && tag === undefined) return;
    this.#seen.add(digest);
    if (this.#seen.size > manifestsMax)
      throw new Failure("too_large", `Cannot move the image: more than ${manifestsMax} manifests belong to it`);
    const document = readManifestDocument(manifest.bytes, manifest.mediaType);
    if ("invalid" in document) throw new Failure("conflict", `Cannot move the manifest ${digest}: ${document.invalid}`);
    const blobs: UnitBlob[] = [];
    for (const part of document.required) {
      const child = part.kind === "child" ? await this.#source.manifest(part.digest) : undefined;
      if (child === undefined) blobs.push({ digest: part.digest, sizeBytes: part.sizeBytes });
      else await this.add(child, undefined);
    }
    const { subject, artifactType, annotations, mediaType } = document;
    this.found.push({ ...manifest, mediaType, subject, artifactType, annotations, tag, blobs });
    if (isNew) await this.#addAttached(digest);
  }

  async #addAttached(digest: Digest): Promise<void> {
    for (const referrer of await this.#source.referrers(digest)) await this.#addNamed(referrer);
    const tags = attachmentTags(digest);
    const attached = await Promise.all(tags.map(async (tag) => await this.#source.manifest(tag)));
    for (const [at, manifest] of attached.entries()) {
      if (manifest === undefined) continue;
      const tag = tags[at]!;
      if (isReferrersTag(tag) && (await this.#isOnlyList(manifest, digest))) continue;
      await this.add(manifest, tag);
    }
  }

  /** A list of referrers that all name their subject says nothing of its own: each registry makes its own list. */
  async #isOnlyList(list: SourceManifest, subject: Digest): Promise<boolean> {
    const document = readManifestDocument(list.bytes, list.mediaType);
    if ("invalid" in document) return false;
    for (const { digest } of document.required) {
      const entry = await this.#source.manifest(digest);
      // Lists are kept by clients, and hold what is long gone.
      if (entry === undefined) continue;
      const read = readManifestDocument(entry.bytes, entry.mediaType);
      if ("invalid" in read || read.subject !== subject) return false;
      await this.add(entry, undefined);
    }
    return true;
  }

  async #addNamed(digest: Digest): Promise<void> {
    if (this.#seen.has(digest)) return;
    const manifest = await this.#source.manifest(digest);
    // It was deleted between the list and the look.
    if (manifest !== undefined) await this.add(manifest, undefined);
  }
}

/** Artifact types under which signatures are attached. Source: cosign, sigstore bundles, notation. */
const signatureTypes = [
  "application/vnd.dev.cosign.artifact.sig.v1+json",
  "application/vnd.dev.sigstore.bundle",
  "application/vnd.cncf.notary.signature",
];

/** Whether anything that looks like a signature is attached to the image itself; says nothing of who made it. */
export function hasSignature({ root, manifests }: TravellingUnit): boolean {
  return manifests.some(
    ({ tag, subject, artifactType = "" }) =>
      (tag !== undefined && tag === attachmentTags(root)[1]) ||
      (subject === root && signatureTypes.some((type) => artifactType.startsWith(type))),
  );
}
