import { z } from "zod";
import { canonicalJson } from "../base/json.ts";
import { emptyDescriptor, mediaTypes, type Descriptor } from "../model/oci.ts";
import { envelopeForm, sealEnvelope, type Envelope } from "./dsse.ts";
import type { NewObjects, SigningKey } from "./sign.ts";
import { parseJson } from "./manifest-form.ts";
import { describe, emptyBlob, newBlob, newManifest } from "./objects.ts";

/** Media type and artifact type of a sigstore bundle. */
export const bundleType = "application/vnd.dev.sigstore.bundle.v0.3+json";
/** Annotation of a bundle's manifest that names the predicate type; a hint, never trusted. */
const predicateTypeAnnotation = "dev.sigstore.bundle.predicateType";

/**
 * Makes a sigstore bundle as a referrer of an image (formats B and C).
 *
 * Source: sigstore protobuf-specs, sigstore_bundle.proto; the annotations are those of cosign 3.
 *
 * @param created ISO 8601; the time of signing as a note, which no client trusts
 */
export function bundleReferrer(
  key: SigningKey,
  statement: Buffer,
  input: { subject: Descriptor; predicateType: string; created: string },
): NewObjects {
  const bundle = newBlob(
    Buffer.from(
      canonicalJson({
        mediaType: bundleType,
        // The hint is what cosign writes: base64 of the SHA-256 of the SPKI DER.
        verificationMaterial: { publicKey: { hint: Buffer.from(key.id, "hex").toString("base64") } },
        dsseEnvelope: sealEnvelope(key, statement),
      }),
    ),
  );
  const manifest = newManifest({
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    artifactType: bundleType,
    config: emptyDescriptor,
    layers: [describe(bundle, bundleType)],
    subject: input.subject,
    annotations: {
      "dev.sigstore.bundle.content": "dsse-envelope",
      [predicateTypeAnnotation]: input.predicateType,
      "org.opencontainers.image.created": input.created,
    },
  });
  return { blobs: [emptyBlob, bundle], manifests: [manifest] };
}

const bundleForm = z.object({
  mediaType: z.string().regex(/^application\/vnd\.dev\.sigstore\.bundle(?:\.v0\.3\+json|\+json;version=0\.[123])$/),
  verificationMaterial: z.object({ publicKey: z.object({ hint: z.string().exactOptional() }) }),
  dsseEnvelope: envelopeForm.extend({ signatures: envelopeForm.shape.signatures.length(1) }),
});

/** The envelope of a bundle that was signed with a plain key; undefined for keyless ones and for other bytes. */
export function parseBundle(bytes: Uint8Array): Envelope | undefined {
  return bundleForm.safeParse(parseJson(bytes)).data?.dsseEnvelope;
}
