import { z } from "zod";
import { canonicalJson } from "../base/json.ts";
import { parseDigest, type Digest } from "../model/digest.ts";
import { attachmentTag, extendAttachment } from "./attachment.ts";
import type { NewObjects, SigningKey } from "./sign.ts";
import { parseJson, type ParsedManifest } from "./manifest-form.ts";
import { newBlob } from "./objects.ts";
import { parsePublicKey } from "./public-key.ts";

/** Media type of a signed payload under a `.sig` tag. */
export const simpleSigningType = "application/vnd.dev.cosign.simplesigning.v1+json";
/** Annotation of a layer that holds the signature in standard base64. */
export const signatureAnnotation = "dev.cosignproject.cosign/signature";

/** What a simple-signing payload claims. */
export interface SimplePayload {
  /** `host/repository:tag`, or without a tag where cosign wrote it. */
  readonly identity: string;
  readonly digest: Digest;
}

/**
 * Makes the payload that the release key signs for podman, CRI-O, skopeo and cosign (format A).
 *
 * It holds no time, so that signing again gives the same bytes. The identity must carry a tag: without one
 * podman's default policy refuses it. Source: containers/image, docs/atomic-signature.md and signature/sigstore.
 */
export function simplePayload(claim: SimplePayload): Buffer {
  return Buffer.from(
    canonicalJson({
      critical: {
        identity: { "docker-reference": claim.identity },
        image: { "docker-manifest-digest": claim.digest },
        type: "cosign container image signature",
      },
      optional: { creator: "mintmark" },
    }),
  );
}

const payloadForm = z.strictObject({
  critical: z.strictObject({
    identity: z.strictObject({ "docker-reference": z.string().min(1) }),
    image: z.strictObject({ "docker-manifest-digest": z.string() }),
    type: z.literal("cosign container image signature"),
  }),
  // Absent is an error to podman, so it is one to us.
  optional: z.record(z.string(), z.unknown()).nullable(),
});

/** Reads a payload as strictly as podman does; undefined where podman would refuse its form. */
export function parseSimplePayload(bytes: Uint8Array): SimplePayload | undefined {
  const parsed = payloadForm.safeParse(parseJson(bytes));
  if (!parsed.success) return undefined;
  const { critical } = parsed.data;
  const digest = parseDigest(critical.image["docker-manifest-digest"]);
  return digest === undefined ? undefined : { identity: critical.identity["docker-reference"], digest };
}

/**
 * Signs a digest once for each identity and merges with the signatures that exist.
 *
 * Foreign signatures stay; a payload that the key has signed already is not signed again.
 *
 * @param existing the manifest under the `.sig` tag, where there is one
 */
export function addSimpleSignatures(
  key: SigningKey,
  claims: { subject: Digest; identities: readonly string[] },
  existing: ParsedManifest | undefined,
): NewObjects {
  const publicKey = parsePublicKey(key.publicPem);
  const missing = claims.identities
    .map((identity) => newBlob(simplePayload({ identity, digest: claims.subject })))
    .filter((payload) => {
      const layers = existing?.layers.filter((layer) => layer.digest === payload.digest) ?? [];
      return !layers.some((layer) => publicKey.verifies(payload.bytes, signatureOf(layer)));
    });
  return extendAttachment(
    attachmentTag(claims.subject, "sig"),
    existing,
    missing.map((blob) => ({
      blob,
      mediaType: simpleSigningType,
      annotations: { [signatureAnnotation]: key.sign(blob.bytes).toString("base64") },
    })),
  );
}

/** The signature of a layer; empty where it has none or it is not standard base64. */
export function signatureOf(layer: { annotations?: Readonly<Record<string, string>> }): Buffer {
  const text = layer.annotations?.[signatureAnnotation] ?? "";
  return /^[A-Za-z0-9+/]+={0,2}$/.test(text) ? Buffer.from(text, "base64") : Buffer.alloc(0);
}
