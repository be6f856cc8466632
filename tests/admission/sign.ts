import type { Digest } from "../../src/model/digest.ts";
import { putObjects, registrySource } from "../../src/pipeline/registry-source.ts";
import { signImage } from "../../src/sign/sign.ts";
import type { AdmissionSite } from "./site.ts";

/** Signs an image of the site's registry by its release key, as the pipeline does. */
export async function sign(
  { factory: { registry, store, keys }, host }: AdmissionSite,
  repository: string,
  digest: Digest,
): Promise<void> {
  const source = registrySource(registry, store.blobs);
  const identities = [`${host}/${repository}:1`];
  const objects = await signImage({
    key: keys.release,
    source,
    repository,
    reference: digest,
    identities,
    at: "2026-11-21T00:00:00Z",
  });
  await putObjects(objects, { registry, blobs: store.blobs, repository, actor: "test" });
}
