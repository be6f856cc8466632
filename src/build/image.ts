import { canonicalJson } from "../base/json.ts";
import { isoSeconds } from "../base/clock.ts";
import type { Digest } from "../model/digest.ts";
import type { Lock } from "../model/lock.ts";
import { mediaTypes, type ImageConfig, type Manifest } from "../model/oci.ts";
import type { Recipe } from "../model/recipe.ts";
import type { BlobStore } from "../store/blobs.ts";
import type { Layer } from "./layers/layer.ts";

/** An image in the store: its manifest's bytes are kept exactly. */
export interface BuiltImage {
  readonly digest: Digest;
  readonly manifest: Manifest;
  readonly manifestBytes: Buffer;
  readonly config: ImageConfig;
}

interface ImageInput {
  readonly recipe: Recipe;
  readonly lock: Lock;
  readonly lockDigest: Digest;
  readonly layers: readonly Layer[];
  readonly blobs: BlobStore;
}

const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Writes configuration and manifest of an image; both follow from recipe, lock and layers alone. */
export async function putImage({ recipe, lock, lockDigest, layers, blobs }: ImageInput): Promise<BuiltImage> {
  const config = imageConfig(recipe, lock, { lockDigest, layers });
  const configBytes = Buffer.from(canonicalJson(config));
  const stored = await blobs.put(configBytes);
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: { mediaType: mediaTypes.config, digest: stored.digest, size: stored.sizeBytes },
    layers: layers.map(({ mediaType, digest, sizeBytes }) => ({ mediaType, digest, size: sizeBytes })),
    annotations: labels(recipe, lock, lockDigest),
  };
  const manifestBytes = Buffer.from(canonicalJson(manifest));
  const { digest } = await blobs.put(manifestBytes);
  return { digest, manifest, manifestBytes, config };
}

interface Parts {
  readonly lockDigest: Digest;
  readonly layers: readonly Layer[];
}

function imageConfig(recipe: Recipe, lock: Lock, { lockDigest, layers }: Parts): ImageConfig {
  const created = isoSeconds(lock.epochSeconds * 1000);
  return {
    created,
    architecture: recipe.architecture,
    os: "linux",
    config: {
      ...(recipe.user === undefined ? {} : { User: recipe.user }),
      ...(recipe.ports.length === 0
        ? {}
        : { ExposedPorts: Object.fromEntries(recipe.ports.map((port) => [port, {}])) }),
      Env: [defaultPath, ...Object.entries(recipe.environment).map(([name, value]) => `${name}=${value}`)],
      ...(recipe.entrypoint === undefined ? {} : { Entrypoint: recipe.entrypoint }),
      ...(recipe.command === undefined ? {} : { Cmd: recipe.command }),
      ...(recipe.workdir === undefined ? {} : { WorkingDir: recipe.workdir }),
      Labels: labels(recipe, lock, lockDigest),
    },
    rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map(({ createdBy }) => ({ created, created_by: createdBy })),
  };
}

/** Source: OCI image spec, annotations.md "Pre-Defined Annotation Keys". */
function labels(recipe: Recipe, lock: Lock, lockDigest: Digest): Record<string, string> {
  return {
    "org.opencontainers.image.created": isoSeconds(lock.epochSeconds * 1000),
    "org.opencontainers.image.title": recipe.title,
    ...(recipe.description === undefined ? {} : { "org.opencontainers.image.description": recipe.description }),
    "io.mintmark.distribution": `${lock.distribution.id}:${lock.distribution.version}`,
    "io.mintmark.lock": lockDigest,
    ...recipe.labels,
  };
}
