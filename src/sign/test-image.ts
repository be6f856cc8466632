import { createPublicKey, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { gzipSync } from "node:zlib";
import type { Digest } from "../model/digest.ts";
import { mediaTypes, type Descriptor, type Manifest } from "../model/oci.ts";
import { digestOf } from "./image-source.ts";
import type { ImageSource, NewBlob, NewManifest, NewObjects, SigningKey, SourceManifest } from "./sign.ts";
import { parseManifest } from "./manifest-form.ts";
import { describe, newBlob } from "./objects.ts";
import { keyIdOf } from "./public-key.ts";

/** One repository in memory, for tests: what was put can be read back, and bent. */
export interface TestSource extends ImageSource {
  readonly blobs: Map<Digest, Buffer>;
  readonly manifests: Map<Digest, SourceManifest>;
  readonly tags: Map<string, Digest>;
  put(objects: NewObjects): void;
}

/** Makes an empty source; it refuses a manifest whose blobs are not there, as a registry does. */
export function testSource(): TestSource {
  const blobs = new Map<Digest, Buffer>();
  const manifests = new Map<Digest, SourceManifest>();
  const tags = new Map<string, Digest>();
  const referrers = new Map<Digest, Descriptor[]>();
  return {
    blobs,
    manifests,
    tags,
    put(objects) {
      for (const blob of objects.blobs) blobs.set(blob.digest, blob.bytes);
      for (const { digest, mediaType, bytes, tag } of objects.manifests) {
        const parsed = parseManifest(bytes, mediaType);
        for (const { digest: needed } of parsed === undefined ? [] : [parsed.config, ...parsed.layers])
          if (!blobs.has(needed)) throw new Error(`blob ${needed} was not put first`);
        manifests.set(digest, { digest, mediaType, bytes });
        if (tag !== undefined) tags.set(tag, digest);
        if (parsed?.subject === undefined) continue;
        const { artifactType = "" } = parsed;
        const listed = referrers.get(parsed.subject.digest) ?? [];
        referrers.set(parsed.subject.digest, [...listed, { digest, mediaType, size: bytes.length, artifactType }]);
      }
    },
    async getManifest(_repository, reference) {
      return manifests.get(tags.get(reference) ?? (reference as Digest));
    },
    async getBlob(_repository, digest) {
      const bytes = blobs.get(digest);
      return bytes === undefined ? undefined : chunksOf(bytes);
    },
    async referrers(_repository, subject) {
      return referrers.get(subject) ?? [];
    },
  };
}

/** A small image that clients can pull: two empty layers, and a random word, so that each has a digest of its own. */
export function testImage(tag?: string): NewObjects & { readonly digest: Digest } {
  const archives = [1024, 10_240].map((sizeBytes) => Buffer.alloc(sizeBytes));
  const layers = archives.map((archive) => newBlob(gzipSync(archive)));
  const config = newBlob(
    Buffer.from(
      JSON.stringify({
        architecture: "amd64",
        os: "linux",
        config: { Labels: { word: randomBytes(8).toString("hex") } },
        rootfs: { type: "layers", diff_ids: archives.map((archive) => digestOf(archive)) },
      }),
    ),
  );
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: describe(config, mediaTypes.config),
    layers: layers.map((layer) => describe(layer, mediaTypes.layerGzip)),
  };
  return imageObjects([config, ...layers], manifest, tag);
}

/** An index over small images. */
export function testIndex(
  tag: string,
): NewObjects & { readonly digest: Digest; readonly images: readonly NewManifest[] } {
  const children = ["amd64", "arm64"].map((architecture) => ({ architecture, ...testImage() }));
  const index = {
    schemaVersion: 2,
    mediaType: mediaTypes.index,
    manifests: children.map((child) => ({
      mediaType: mediaTypes.manifest,
      digest: child.digest,
      size: child.manifests[0]!.bytes.length,
      platform: { os: "linux", architecture: child.architecture },
    })),
  };
  const bytes = Buffer.from(JSON.stringify(index));
  const own: NewManifest = { digest: digestOf(bytes), mediaType: mediaTypes.index, bytes, tag };
  return {
    blobs: children.flatMap((child) => child.blobs),
    manifests: [...children.flatMap((child) => child.manifests), own],
    digest: own.digest,
    images: children.map((child) => child.manifests[0]!),
  };
}

/** A key in memory: making one as a file costs a quarter of a second. */
export function testKey(): SigningKey {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const publicKey = createPublicKey(privateKey);
  return {
    id: keyIdOf(publicKey),
    publicPem: publicKey.export({ type: "spki", format: "pem" }).toString(),
    sign: (bytes) => sign("sha256", bytes, privateKey),
  };
}

function imageObjects(blobs: NewBlob[], manifest: Manifest, tag: string | undefined): NewObjects & { digest: Digest } {
  const bytes = Buffer.from(JSON.stringify(manifest));
  const own: NewManifest = {
    digest: digestOf(bytes),
    mediaType: mediaTypes.manifest,
    bytes,
    ...(tag === undefined ? {} : { tag }),
  };
  return { blobs, manifests: [own], digest: own.digest };
}

async function* chunksOf(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += 256) yield bytes.subarray(start, start + 256);
}
