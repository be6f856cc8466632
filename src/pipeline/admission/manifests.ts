import type { Digest } from "../../model/digest.ts";
import { mediaTypes, runnableConfigTypes, type Descriptor, type Index, type Manifest } from "../../model/oci.ts";
import { isLayerHead } from "../../sbom/sbom.ts";
import type { BlobStore } from "../../store/blobs.ts";
import { findManifest, readManifestBytes } from "../../store/manifest-records.ts";
import type { Store } from "../../store/store.ts";

/** One image that a client may run: the one that was asked for, or one of an index. */
export interface RunnableImage {
  readonly digest: Digest;
  /** `linux/amd64`, where an index says so. */
  readonly platform: string | undefined;
}

/** Nested indexes are rare; deeper ones are not looked into. */
const depthMax = 3;
/** Children of an index that are looked at; real ones have under 40. */
const childrenMax = 256;

/**
 * The images behind a manifest that a client may run: signatures, SBOMs and other attachments are none, whatever they
 * call themselves, and children that the repository does not have are judged when they come.
 *
 * `too many` where an index cannot be looked through; then it is not given out.
 */
export async function runnableImages(
  { db, blobs }: Store,
  at: { readonly repository: string; readonly digest: Digest; readonly mediaType: string },
): Promise<readonly RunnableImage[] | "too many"> {
  const found = new Map<Digest, RunnableImage>();
  const open: { digest: Digest; mediaType: string; platform: string | undefined; depth: number }[] = [
    { ...at, platform: undefined, depth: 0 },
  ];
  let seen = 0;
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const bytes = await readManifestBytes(db, next.digest);
    if (bytes === undefined) continue;
    if (!isIndex(next.mediaType)) {
      const { digest, platform } = next;
      if (await isRunnable(blobs, JSON.parse(bytes.toString("utf8")) as Manifest, next.mediaType))
        found.set(digest, { digest, platform });
      continue;
    }
    if (next.depth === depthMax) return "too many";
    for (const child of (JSON.parse(bytes.toString("utf8")) as Index).manifests) {
      if (++seen > childrenMax) return "too many";
      const stored = await findManifest(db, at.repository, child.digest);
      if (stored === undefined) continue;
      const { mediaType } = stored;
      open.push({ digest: child.digest, mediaType, platform: platformOf(child), depth: next.depth + 1 });
    }
  }
  return [...found.values()].sort((a, b) => ((a.platform ?? a.digest) < (b.platform ?? b.digest) ? -1 : 1));
}

/** Whether a media type is that of an index. */
export function isIndex(mediaType: string): boolean {
  return mediaType === mediaTypes.index || mediaType === mediaTypes.dockerIndex;
}

/**
 * Whether a client could run what a manifest describes.
 *
 * Signatures are often stored with the configuration type of an image. They are let pass only if none of their layers is
 * called a layer and none begins as one: some clients unpack whatever stands there.
 */
export async function isRunnable(blobs: BlobStore, manifest: Manifest, mediaType: string): Promise<boolean> {
  const { config, layers } = manifest;
  if (mediaType !== mediaTypes.dockerManifest && !runnableConfigTypes.includes(config.mediaType)) return false;
  if (layers.length === 0 || layers.length > childrenMax || layers.some(isCalledLayer)) return true;
  for (const { digest, size } of layers) {
    if ((await blobs.stat(digest)) === undefined) return true;
    if (size > 0 && isLayerHead(await firstBytes(blobs, digest, size))) return true;
  }
  return false;
}

function isCalledLayer({ mediaType }: Descriptor): boolean {
  return /layer|rootfs|diff|tar|octet-stream/i.test(mediaType);
}

async function firstBytes(blobs: BlobStore, digest: Digest, size: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of await blobs.open(digest, { start: 0, end: Math.min(size, 512) - 1 }))
    chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function platformOf({ platform }: Descriptor): string | undefined {
  if (platform === undefined) return undefined;
  const { os, architecture, variant } = platform;
  return [os, architecture, ...(variant === undefined ? [] : [variant])].join("/");
}
