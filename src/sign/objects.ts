import { mediaTypes, type Descriptor, type Manifest } from "../model/oci.ts";
import { digestOf } from "./image-source.ts";
import type { NewBlob, NewManifest, NewObjects } from "./sign.ts";

/** The empty JSON object that artifact manifests name as their configuration. */
export const emptyBlob: NewBlob = newBlob(Buffer.from("{}"));

/** A blob with its digest. */
export function newBlob(bytes: Buffer): NewBlob {
  return { digest: digestOf(bytes), bytes };
}

/** The descriptor of a blob. */
export function describe(blob: NewBlob, mediaType: string, annotations?: Readonly<Record<string, string>>): Descriptor {
  const descriptor = { mediaType, digest: blob.digest, size: blob.bytes.length };
  return annotations === undefined ? descriptor : { ...descriptor, annotations };
}

/** A manifest as bytes. */
export function newManifest(manifest: Manifest, tag?: string): NewManifest {
  const bytes = Buffer.from(JSON.stringify(manifest));
  return { digest: digestOf(bytes), mediaType: mediaTypes.manifest, bytes, ...(tag === undefined ? {} : { tag }) };
}

/** Several sets of objects as one, each blob once. */
export function joinObjects(parts: readonly NewObjects[]): NewObjects {
  const blobs = new Map(parts.flatMap((part) => part.blobs.map((blob) => [blob.digest, blob] as const)));
  return { blobs: [...blobs.values()], manifests: parts.flatMap((part) => part.manifests) };
}
