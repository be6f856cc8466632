import type { Digest } from "../model/digest.ts";
import type { Registry } from "../registry/registry.ts";
import type { ImageSource, NewObjects } from "../sign/sign.ts";
import type { BlobStore } from "../store/blobs.ts";

/** Our own registry as a source for signing and verifying. */
export function registrySource(registry: Registry, blobs: BlobStore): ImageSource {
  return {
    getManifest: (repository, reference) => registry.getManifest(repository, reference),
    getBlob: async (_repository, digest) => ((await blobs.stat(digest)) === undefined ? undefined : blobs.open(digest)),
    referrers: (repository, subject) => registry.referrers(repository, subject),
  };
}

interface Placement {
  readonly registry: Registry;
  readonly blobs: BlobStore;
  readonly repository: string;
  readonly actor: string;
}

/** Puts objects into a repository: blobs first, so that no manifest ever names what is not there. */
export async function putObjects(
  objects: NewObjects,
  { registry, blobs, repository, actor }: Placement,
): Promise<Digest[]> {
  for (const { digest, bytes } of objects.blobs) {
    await blobs.put(bytes, { expected: digest });
    await registry.linkBlob(repository, digest);
  }
  for (const { digest, mediaType, bytes, tag } of objects.manifests)
    await registry.putManifest({ repository, reference: tag ?? digest, mediaType, bytes, actor });
  return objects.manifests.map(({ digest }) => digest);
}
