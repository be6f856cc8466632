import { z } from "zod";
import type { SigningKey } from "./sign.ts";
import { parseJson } from "./manifest-form.ts";
import { signerOf, type PublicKey } from "./public-key.ts";

/** The payload type of in-toto statements. */
const statementType = "application/vnd.in-toto+json";

/** A DSSE envelope as JSON. It never has a `keyid`: cosign 3 refuses bundles that do. */
export interface Envelope {
  readonly payload: string;
  readonly payloadType: string;
  readonly signatures: readonly { readonly sig: string }[];
}

const base64 = z.base64().min(1);

/** The form of an envelope that others may have made. */
export const envelopeForm = z.object({
  payload: base64,
  payloadType: z.literal(statementType),
  signatures: z
    .array(z.object({ sig: base64 }))
    .min(1)
    .max(16),
});

/** Signs a statement. Source: DSSE, protocol.md. */
export function sealEnvelope(key: SigningKey, statement: Buffer): Envelope {
  return {
    payload: statement.toString("base64"),
    payloadType: statementType,
    signatures: [{ sig: key.sign(preAuthEncoding(statement)).toString("base64") }],
  };
}

/** Reads an envelope that is a blob of its own; undefined where the bytes are none. */
export function parseEnvelope(bytes: Uint8Array): Envelope | undefined {
  return envelopeForm.safeParse(parseJson(bytes)).data;
}

/** The payload bytes of an envelope. */
export function payloadOf(envelope: Envelope): Buffer {
  return Buffer.from(envelope.payload, "base64");
}

/** The first of the keys that made one of the envelope's signatures. */
export function envelopeSigner(keys: readonly PublicKey[], envelope: Envelope): PublicKey | undefined {
  const signed = preAuthEncoding(payloadOf(envelope));
  for (const { sig } of envelope.signatures) {
    const signer = signerOf(keys, signed, Buffer.from(sig, "base64"));
    if (signer !== undefined) return signer;
  }
  return undefined;
}

function preAuthEncoding(payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`DSSEv1 ${statementType.length} ${statementType} ${payload.length} `), payload]);
}
