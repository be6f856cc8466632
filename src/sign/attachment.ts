import { digestHex, type Digest } from "../model/digest.ts";
import { mediaTypes, type Descriptor } from "../model/oci.ts";
import { isTag } from "../model/reference.ts";
import type { ParsedManifest } from "./manifest-form.ts";
import { describe, newBlob, newManifest } from "./objects.ts";
import type { NewBlob, NewObjects } from "./sign.ts";

/** The tag under which cosign and podman look for signatures (`sig`) or attestations (`att`) of a digest. */
export function attachmentTag(subject: Digest, kind: "sig" | "att"): string {
  return `${subject.slice(0, 6)}-${digestHex(subject)}.${kind}`;
}

interface AddedLayer {
  readonly blob: NewBlob;
  readonly mediaType: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/**
 * Adds layers to an attachment and keeps every layer that is there, whoever made it.
 *
 * The configuration is an ordinary image configuration that lists the layers: the shape that cosign and
 * skopeo write themselves. The media type must be OCI's: podman refuses Docker's here.
 */
export function extendAttachment(
  tag: string,
  existing: ParsedManifest | undefined,
  added: readonly AddedLayer[],
): NewObjects {
  // The digits of a SHA-512 make no valid tag: such an image has bundles only.
  if (added.length === 0 || !isTag(tag)) return { blobs: [], manifests: [] };
  const layers: Descriptor[] = [
    ...(existing?.layers ?? []),
    ...added.map(({ blob, mediaType, annotations }) => describe(blob, mediaType, annotations)),
  ];
  const config = newBlob(
    Buffer.from(
      JSON.stringify({
        architecture: "",
        config: {},
        created: "0001-01-01T00:00:00Z",
        history: layers.map(() => ({ created: "0001-01-01T00:00:00Z" })),
        os: "",
        rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.digest) },
      }),
    ),
  );
  const manifest = newManifest(
    {
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      config: describe(config, mediaTypes.config),
      layers,
      ...(existing?.annotations === undefined ? {} : { annotations: existing.annotations }),
    },
    tag,
  );
  return { blobs: [...added.map(({ blob }) => blob), config], manifests: [manifest] };
}
