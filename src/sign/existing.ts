import { sha256Hex } from "../base/hash.ts";
import { envelopeType } from "./attestation-tag.ts";
import { bounds } from "./bounds.ts";
import { bundleType, parseBundle } from "./bundle.ts";
import { envelopeSigner, parseEnvelope, payloadOf, type Envelope } from "./dsse.ts";
import { contentOf, findAttachment, findReferrers, layersOf, type Place } from "./found.ts";
import type { ParsedManifest } from "./manifest-form.ts";
import type { PublicKey } from "./public-key.ts";
import { simpleSigningType } from "./simple-signing.ts";
import type { ReadImage } from "./verify-content.ts";

/** Each statement that the key has signed in a bundle, by its SHA-256. */
export async function bundledStatements(place: Place, image: ReadImage, key: PublicKey): Promise<Map<string, Buffer>> {
  const statements = new Map<string, Buffer>();
  for (const found of await findReferrers(place, image.digest, [bundleType])) {
    const content = "part" in found ? await contentOf(place, found.part) : found;
    if ("problem" in content) continue;
    for (const payload of signedStatement(parseBundle(content.part), key)) statements.set(sha256Hex(payload), payload);
  }
  return statements;
}

/** SHA-256 of each statement that the key has signed under the `.att` tag, and what is there. */
export async function taggedStatements(
  place: Place,
  image: ReadImage,
  key: PublicKey,
): Promise<{ manifest: ParsedManifest | undefined; statements: Set<string> }> {
  const { manifest, layers } = await intactAttachment(place, image, "att");
  return {
    manifest,
    statements: new Set(layers.flatMap((bytes) => signedStatement(parseEnvelope(bytes), key).map(sha256Hex))),
  };
}

/** What is under a tag without the layers whose bytes are gone: one such layer would make every later push fail. */
export async function intactAttachment(
  place: Place,
  image: ReadImage,
  kind: "sig" | "att",
): Promise<{ manifest: ParsedManifest | undefined; layers: Buffer[] }> {
  const found = await findAttachment(place, image.digest, kind);
  if (found === undefined || "problem" in found) return { manifest: undefined, layers: [] };
  const only =
    kind === "sig"
      ? { mediaType: simpleSigningType, limitBytes: bounds.payloadBytes }
      : { mediaType: envelopeType, limitBytes: bounds.evidenceBytes };
  const intact: ParsedManifest["layers"] = found.part.layers.filter((layer) => layer.mediaType !== only.mediaType);
  const layers: Buffer[] = [];
  for await (const read of layersOf(place, found.part, only)) {
    if ("problem" in read) continue;
    intact.push(read.part.layer);
    layers.push(read.part.bytes);
  }
  return { manifest: { ...found.part, layers: intact }, layers };
}

function signedStatement(envelope: Envelope | undefined, key: PublicKey): Buffer[] {
  return envelope !== undefined && envelopeSigner([key], envelope) !== undefined ? [payloadOf(envelope)] : [];
}
