import { canonicalJson } from "../base/json.ts";
import type { Digest } from "../model/digest.ts";
import { attachmentTag, extendAttachment } from "./attachment.ts";
import { sealEnvelope } from "./dsse.ts";
import type { NewObjects, SigningKey } from "./sign.ts";
import type { ParsedManifest } from "./manifest-form.ts";
import { newBlob } from "./objects.ts";
import { signatureAnnotation } from "./simple-signing.ts";

/** Media type of an envelope under an `.att` tag. */
export const envelopeType = "application/vnd.dsse.envelope.v1+json";

/**
 * Adds statements to the `.att` tag that cosign 2, Kyverno and policy-controller read (format D).
 *
 * @param statements those that the key has not signed there yet
 * @param existing the manifest under the tag, where there is one; its layers are kept
 */
export function addAttestations(
  key: SigningKey,
  input: { subject: Digest; statements: readonly { predicateType: string; bytes: Buffer }[] },
  existing: ParsedManifest | undefined,
): NewObjects {
  return extendAttachment(
    attachmentTag(input.subject, "att"),
    existing,
    input.statements.map(({ predicateType, bytes }) => ({
      blob: newBlob(Buffer.from(canonicalJson(sealEnvelope(key, bytes)))),
      mediaType: envelopeType,
      annotations: { predicateType, [signatureAnnotation]: "" },
    })),
  );
}
