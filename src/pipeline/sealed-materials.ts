import type { ContainerfileLock } from "../model/containerfile-lock.ts";
import type { Material } from "../sign/sign.ts";

/** Everything that a sealed build took in, as provenance names it: bases, and each body by its digest. */
export function sealedMaterials(lock: ContainerfileLock): Material[] {
  const { recipe, containerfile, context, bases, requests } = lock;
  return [
    { uri: `urn:mintmark:recipe:${recipe.name}`, digest: { sha256: recipe.sha256 } },
    {
      uri: `urn:mintmark:containerfile:${recipe.name}`,
      name: containerfile.path,
      digest: { sha256: containerfile.sha256 },
    },
    { uri: `urn:mintmark:context:${recipe.name}`, digest: { sha256: context.sha256 } },
    ...bases.map(({ reference, digest }) => ({
      uri: `urn:mintmark:image:${reference}`,
      digest: { sha256: digest.slice("sha256:".length) },
    })),
    ...requests.flatMap(({ address, purl, sha256, mediaType }): Material[] =>
      sha256 === undefined
        ? []
        : [
            {
              uri: purl ?? `urn:mintmark:mirror:${address}`,
              name: address,
              digest: { sha256 },
              ...(mediaType === undefined ? {} : { mediaType }),
            },
          ],
    ),
  ];
}
