import { limits } from "../base/limits.ts";
import type { Digest } from "../model/digest.ts";
import { isTag } from "../model/reference.ts";
import { attachmentTag } from "./attachment.ts";
import { bounds } from "./bounds.ts";
import { readBlob, readManifest } from "./image-source.ts";
import type { ImageSource } from "./sign.ts";
import { parseManifest, type ParsedManifest } from "./manifest-form.ts";

/** A repository of a source. */
export interface Place {
  readonly source: ImageSource;
  readonly repository: string;
}

/** A part that was read, or in words what is wrong with it. */
export type Found<Part> = { readonly part: Part } | { readonly problem: string };

/** One signature or attestation: its descriptor's annotations and its verified bytes. */
export interface FoundLayer {
  readonly layer: ParsedManifest["layers"][number];
  readonly bytes: Buffer;
}

/** A referrer's manifest, whose bytes have its digest and whose subject is the image. */
export interface FoundReferrer {
  readonly digest: Digest;
  readonly artifactType: string;
  readonly manifest: ParsedManifest;
}

/** Reads what stands under an image's `.sig` or `.att` tag; undefined where there is nothing. */
export async function findAttachment(
  place: Place,
  image: Digest,
  kind: "sig" | "att",
): Promise<Found<ParsedManifest> | undefined> {
  const tag = attachmentTag(image, kind);
  if (!isTag(tag)) return undefined;
  const read = await readManifest(place, tag, limits.manifestBytes);
  if ("problem" in read) return read.absent ? undefined : read;
  const manifest = parseManifest(read.manifest.bytes, read.manifest.mediaType);
  if (manifest === undefined) return { problem: `"${tag}" is not an OCI manifest` };
  if (manifest.layers.length > bounds.attachmentLayers)
    return { problem: `"${tag}" holds more than ${bounds.attachmentLayers} entries` };
  const config = await readBlob(place, manifest.config, bounds.configBytes);
  return "problem" in config ? { problem: `"${tag}": ${config.problem}` } : { part: manifest };
}

/** Reads the layers of one media type, one at a time. */
export async function* layersOf(
  place: Place,
  manifest: ParsedManifest,
  only: { mediaType: string; limitBytes: number },
): AsyncGenerator<Found<FoundLayer>> {
  for (const layer of manifest.layers) {
    if (layer.mediaType !== only.mediaType) continue;
    const read = await readBlob(place, layer, only.limitBytes);
    yield "problem" in read ? read : { part: { layer, bytes: read.bytes } };
  }
}

/** Reads the manifests of an image's referrers of some artifact types. */
export async function findReferrers(
  place: Place,
  image: Digest,
  artifactTypes: readonly string[],
): Promise<Found<FoundReferrer>[]> {
  const listed = await place.source.referrers(place.repository, image);
  if (listed.length > bounds.referrers)
    return [{ problem: `image ${image} has more than ${bounds.referrers} referrers` }];
  const found: Found<FoundReferrer>[] = [];
  for (const { digest, artifactType } of listed) {
    if (artifactType !== undefined && !artifactTypes.includes(artifactType)) continue;
    const read = await readManifest(place, digest, limits.manifestBytes);
    if ("problem" in read) {
      found.push({ problem: `referrer ${read.problem}` });
      continue;
    }
    const manifest = parseManifest(read.manifest.bytes, read.manifest.mediaType);
    const actualType = manifest?.artifactType ?? manifest?.config.mediaType;
    if (manifest === undefined || actualType === undefined || !artifactTypes.includes(actualType)) continue;
    if (manifest.subject?.digest !== image) found.push({ problem: `referrer ${digest} belongs to another image` });
    else found.push({ part: { digest, artifactType: actualType, manifest } });
  }
  return found;
}

/** Reads the only layer of a referrer, and checks its configuration too. */
export async function contentOf(place: Place, referrer: FoundReferrer): Promise<Found<Buffer>> {
  const [layer, ...others] = referrer.manifest.layers;
  if (layer === undefined || others.length > 0)
    return { problem: `referrer ${referrer.digest} does not hold exactly one layer` };
  const config = await readBlob(place, referrer.manifest.config, bounds.configBytes);
  if ("problem" in config) return { problem: `referrer ${referrer.digest}: ${config.problem}` };
  const read = await readBlob(place, layer, bounds.evidenceBytes);
  return "problem" in read ? { problem: `referrer ${referrer.digest}: ${read.problem}` } : { part: read.bytes };
}
