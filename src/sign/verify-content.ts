import { limits } from "../base/limits.ts";
import type { Digest } from "../model/digest.ts";
import { bounds } from "./bounds.ts";
import type { Place } from "./found.ts";
import { checkBlob, readBlob, readManifest } from "./image-source.ts";
import { isIndexType, parseIndex, parseManifest, type ParsedManifest } from "./manifest-form.ts";
import type { VerificationCheck } from "./sign.ts";

/** An image whose manifest has the digest that was asked for. */
export interface ReadImage {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly sizeBytes: number;
  /** Undefined for an index. */
  readonly manifest: ParsedManifest | undefined;
}

/** An image and, where it is an index, its platforms; empty where it could not be read. */
export interface ImageTree {
  readonly images: readonly ReadImage[];
  readonly checks: readonly VerificationCheck[];
}

/** Reads a manifest or an index with all its children and checks their digests. */
export async function readImageTree(place: Place, reference: string): Promise<ImageTree> {
  const read = await readManifest(place, reference, limits.manifestBytes);
  if ("problem" in read) return failed("manifest", read.problem);
  const { digest, mediaType, bytes } = read.manifest;
  const root = { digest, mediaType, sizeBytes: bytes.byteLength };
  const right: VerificationCheck = {
    name: "manifest",
    ok: true,
    message: `The manifest's bytes have the digest ${digest}`,
  };
  if (!isIndexType(mediaType)) {
    const manifest = parseManifest(bytes, mediaType);
    if (manifest === undefined)
      return failed("manifest", `"${reference}" is not an image manifest of type "${mediaType}"`);
    return { images: [{ ...root, manifest }], checks: [right] };
  }
  const index = parseIndex(bytes, mediaType);
  if (index === undefined) return failed("manifest", `"${reference}" is not an index of type "${mediaType}"`);
  if (index.manifests.length > bounds.children)
    return failed("children", `The index names more than ${bounds.children} images`);
  const images: ReadImage[] = [{ ...root, manifest: undefined }];
  const checks: VerificationCheck[] = [right];
  for (const child of index.manifests) {
    const image = await readChild(place, child);
    if ("problem" in image)
      checks.push({ name: "children", ok: false, message: `Child ${child.digest} of the index: ${image.problem}` });
    else images.push(image);
  }
  if (checks.length === 1)
    checks.push({
      name: "children",
      ok: true,
      message: `The index and its ${images.length - 1} images belong together`,
    });
  return { images, checks };
}

/** Checks the bytes of an image: its configuration always, its layers where `deep`. */
export async function checkContent(place: Place, image: ReadImage, deep: boolean): Promise<VerificationCheck[]> {
  if (image.manifest === undefined) return [];
  const problems: string[] = [];
  const config = await readBlob(place, image.manifest.config, bounds.configBytes);
  if ("problem" in config) problems.push(config.problem);
  for (const layer of deep ? image.manifest.layers : []) {
    const problem = await checkBlob(place, layer);
    if (problem !== undefined) problems.push(problem);
  }
  if (problems.length > 0)
    return problems.map((message) => ({ name: "content", ok: false, message: `Image ${image.digest}: ${message}` }));
  const what = deep ? `configuration and ${image.manifest.layers.length} layers have` : "configuration has";
  return [{ name: "content", ok: true, message: `Image ${image.digest}: the ${what} the right bytes` }];
}

async function readChild(
  place: Place,
  child: { digest: Digest; mediaType: string; size: number },
): Promise<ReadImage | { problem: string }> {
  if (isIndexType(child.mediaType)) return { problem: "is an index itself, which no client verifies" };
  const read = await readManifest(place, child.digest, limits.manifestBytes);
  if ("problem" in read) return read;
  const { bytes, mediaType } = read.manifest;
  if (bytes.byteLength !== child.size)
    return { problem: `has ${bytes.byteLength} bytes where ${child.size} were promised` };
  const manifest = mediaType === child.mediaType ? parseManifest(bytes, mediaType) : undefined;
  if (manifest === undefined) return { problem: `is not an image manifest of type "${child.mediaType}"` };
  return { digest: child.digest, mediaType, sizeBytes: child.size, manifest };
}

function failed(name: VerificationCheck["name"], problem: string): ImageTree {
  return { images: [], checks: [{ name, ok: false, message: `Cannot verify the image: ${problem}` }] };
}
