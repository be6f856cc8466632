import { Failure } from "../base/errors.ts";
import { sha256Hex } from "../base/hash.ts";
import { emptyDescriptor, mediaTypes, type Descriptor } from "../model/oci.ts";
import { addAttestations } from "./attestation-tag.ts";
import { bundleReferrer } from "./bundle.ts";
import { bundledStatements, intactAttachment, taggedStatements } from "./existing.ts";
import type { Place } from "./found.ts";
import { describe, emptyBlob, joinObjects, newBlob, newManifest } from "./objects.ts";
import { type AttestRequest, type IndexAttestRequest, type NewObjects, type SignRequest } from "./sign.ts";
import { knownPredicates } from "./predicate-types.ts";
import { parsePublicKey } from "./public-key.ts";
import { addSimpleSignatures } from "./simple-signing.ts";
import { isAbout, parseStatement, statementBytes } from "./statement.ts";
import { readImageTree, type ReadImage } from "./verify-content.ts";

/** Signs an image and the children of an index as the door promises. */
export async function signReleased(request: SignRequest): Promise<NewObjects> {
  const place = { source: request.source, repository: request.repository };
  const publicKey = parsePublicKey(request.key.publicPem);
  const parts: NewObjects[] = [];
  for (const image of await readImages(place, request.reference)) {
    const existing = (await intactAttachment(place, image, "sig")).manifest;
    parts.push(addSimpleSignatures(request.key, { subject: image.digest, identities: request.identities }, existing));
    const bytes = statementBytes({ subjects: [image.digest], predicateType: knownPredicates.sign, predicate: {} });
    if (!(await bundledStatements(place, image, publicKey)).has(sha256Hex(bytes)))
      parts.push(
        bundleReferrer(request.key, bytes, {
          subject: subjectOf(image),
          predicateType: knownPredicates.sign,
          created: request.at,
        }),
      );
  }
  return joinObjects(parts);
}

/** Attests evidence about an image as the door promises. */
export async function attestOne(request: AttestRequest): Promise<NewObjects> {
  const place = { source: request.source, repository: request.repository };
  const { name, evidence } = request;
  const [image] = await readImages(place, request.reference);
  const statements = evidence.map(({ predicateType, predicate }) => ({
    predicateType,
    bytes: statementBytes({ name, subjects: [image.digest], predicateType, predicate }),
  }));
  const parts = await attach(request, { place, image, statements });
  for (const { document } of evidence) {
    if (document !== undefined) parts.push(await documentReferrer(place, image, document));
  }
  return joinObjects(parts);
}

/** Attests about an index what is attested about its images, as the door promises. */
export async function attestIndexOf(request: IndexAttestRequest): Promise<NewObjects> {
  const place = { source: request.source, repository: request.repository };
  const publicKey = parsePublicKey(request.key.publicPem);
  const [index, ...images] = await readImages(place, request.reference);
  const statements: SignedStatement[] = [];
  for (const image of images) {
    for (const payload of (await bundledStatements(place, image, publicKey)).values()) {
      const statement = parseStatement(payload);
      if (statement === undefined || !isAbout(statement, image.digest)) continue;
      const { predicateType, predicate } = statement;
      const subjects = [index.digest, image.digest];
      statements.push({
        predicateType,
        bytes: statementBytes({ name: request.name, subjects, predicateType, predicate }),
      });
    }
  }
  return joinObjects(await attach(request, { place, image: index, statements }));
}

interface SignedStatement {
  readonly predicateType: string;
  readonly bytes: Buffer;
}

/** Formats C and D of the statements that the key has not signed for the image yet. */
async function attach(
  { key, at, attestationTag }: IndexAttestRequest,
  parts: { readonly place: Place; readonly image: ReadImage; readonly statements: readonly SignedStatement[] },
): Promise<NewObjects[]> {
  const { place, image, statements } = parts;
  const publicKey = parsePublicKey(key.publicPem);
  const bundled = await bundledStatements(place, image, publicKey);
  const made = statements
    .filter(({ bytes }) => !bundled.has(sha256Hex(bytes)))
    .map(({ predicateType, bytes }) =>
      bundleReferrer(key, bytes, { subject: subjectOf(image), predicateType, created: at }),
    );
  if (!attestationTag) return made;
  const { manifest, statements: tagged } = await taggedStatements(place, image, publicKey);
  const missing = statements.filter(({ bytes }) => !tagged.has(sha256Hex(bytes)));
  return [...made, addAttestations(key, { subject: image.digest, statements: missing }, manifest)];
}

/** Format E. The manifest holds no time, so the same document is the same referrer. */
async function documentReferrer(
  place: Place,
  image: ReadImage,
  document: { artifactType: string; bytes: Uint8Array },
): Promise<NewObjects> {
  const blob = newBlob(Buffer.from(document.bytes));
  const manifest = newManifest({
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    artifactType: document.artifactType,
    config: emptyDescriptor,
    layers: [describe(blob, document.artifactType)],
    subject: subjectOf(image),
  });
  const exists = (await place.source.getManifest(place.repository, manifest.digest)) !== undefined;
  return exists ? { blobs: [], manifests: [] } : { blobs: [emptyBlob, blob], manifests: [manifest] };
}

async function readImages(place: Place, reference: string): Promise<[ReadImage, ...ReadImage[]]> {
  const { images, checks } = await readImageTree(place, reference);
  const [root, ...children] = images;
  const problem = checks.find((check) => !check.ok);
  if (root === undefined || problem !== undefined)
    throw new Failure(
      "not_found",
      `Cannot sign "${place.repository}" at "${reference}": ${problem?.message ?? "it is missing"}`,
    );
  return [root, ...children];
}

function subjectOf(image: ReadImage): Descriptor {
  return { mediaType: image.mediaType, digest: image.digest, size: image.sizeBytes };
}
