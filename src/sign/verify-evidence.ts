import { sha256Hex } from "../base/hash.ts";
import { canonicalJson } from "../base/json.ts";
import type { Digest } from "../model/digest.ts";
import { envelopeType } from "./attestation-tag.ts";
import { bounds } from "./bounds.ts";
import { bundleType, parseBundle } from "./bundle.ts";
import { documentTypes, documentWithin } from "./documents.ts";
import { envelopeSigner, parseEnvelope, payloadOf, type Envelope } from "./dsse.ts";
import { contentOf, findAttachment, findReferrers, layersOf, type Place } from "./found.ts";
import { parseJson } from "./manifest-form.ts";
import { knownPredicates } from "./predicate-types.ts";
import type { PublicKey } from "./public-key.ts";
import { isAbout, parseStatement } from "./statement.ts";
import type { VerificationCheck } from "./sign.ts";
import type { ReadImage } from "./verify-content.ts";

/** A statement about the image that an evidence key signed. */
export interface SignedEvidence {
  readonly predicateType: string;
  readonly keyId: string;
  /** `bundle` for a referrer, `tag` for the `.att` tag. */
  readonly format: "bundle" | "tag";
  /** SHA-256 of the statement, hex. */
  readonly statementSha256: string;
}

interface EvidenceQuestion {
  readonly place: Place;
  readonly image: ReadImage;
  readonly releaseKeys: readonly PublicKey[];
  readonly evidenceKeys: readonly PublicKey[];
  /** Predicate types that must be there. */
  readonly require: readonly string[];
}

/** What the envelopes of an image add up to. */
interface Tally {
  readonly evidence: SignedEvidence[];
  /** Predicate type and canonical SHA-256 of each attested document. */
  readonly documents: Map<string, Set<string>>;
  /** Why statements do not count, by predicate type. */
  readonly refused: Map<string, string>;
  readonly checks: VerificationCheck[];
}

/** Checks the statements about an image and the documents beside it. */
export async function checkEvidence(
  question: EvidenceQuestion,
): Promise<{ checks: VerificationCheck[]; evidence: SignedEvidence[] }> {
  const tally: Tally = { evidence: [], documents: new Map(), refused: new Map(), checks: [] };
  await countBundles(question, tally);
  await countTag(question, tally);
  for (const predicateType of question.require) tally.checks.push(requirement(predicateType, tally));
  await checkDocuments(question, tally);
  return { checks: tally.checks, evidence: tally.evidence };
}

async function countBundles(question: EvidenceQuestion, tally: Tally): Promise<void> {
  const { place, image } = question;
  for (const found of await findReferrers(place, image.digest, [bundleType])) {
    // Damaged bundles are reported where release signatures are looked for: they could be either.
    if ("problem" in found) continue;
    const content = await contentOf(place, found.part);
    const envelope = "part" in content ? parseBundle(content.part) : undefined;
    if (envelope !== undefined) count({ envelope, format: "bundle" }, question, tally);
  }
}

async function countTag(question: EvidenceQuestion, tally: Tally): Promise<void> {
  const { place, image } = question;
  const attachment = await findAttachment(place, image.digest, "att");
  if (attachment === undefined) return;
  if ("problem" in attachment) {
    tally.checks.push(damaged(attachment.problem));
    return;
  }
  for await (const found of layersOf(place, attachment.part, {
    mediaType: envelopeType,
    limitBytes: bounds.evidenceBytes,
  })) {
    if ("problem" in found) {
      tally.checks.push(damaged(found.problem));
      continue;
    }
    const envelope = parseEnvelope(found.part.bytes);
    if (envelope !== undefined) count({ envelope, format: "tag" }, question, tally);
  }
}

function count(
  { envelope, format }: { envelope: Envelope; format: SignedEvidence["format"] },
  question: EvidenceQuestion,
  tally: Tally,
): void {
  const payload = payloadOf(envelope);
  const statement = parseStatement(payload);
  if (statement === undefined || statement.predicateType === knownPredicates.sign) return;
  const { predicateType } = statement;
  const signer = envelopeSigner(question.evidenceKeys, envelope);
  if (signer === undefined) {
    const isRelease = envelopeSigner(question.releaseKeys, envelope) !== undefined;
    tally.refused.set(
      predicateType,
      isRelease
        ? "one was signed with the release key, which does not sign evidence"
        : "one was signed with another key, or altered",
    );
    return;
  }
  if (!isAbout(statement, question.image.digest)) {
    tally.checks.push({
      name: "evidence",
      ok: false,
      message: `A statement "${predicateType}" was moved here: it is about another image`,
    });
    return;
  }
  tally.evidence.push({ predicateType, keyId: signer.id, format, statementSha256: sha256Hex(payload) });
  const document = documentWithin(predicateType, statement.predicate);
  if (document === undefined) return;
  const digests = tally.documents.get(predicateType) ?? new Set();
  tally.documents.set(predicateType, digests.add(sha256Hex(canonicalJson(document))));
}

function requirement(predicateType: string, tally: Tally): VerificationCheck {
  const found = tally.evidence.filter((evidence) => evidence.predicateType === predicateType);
  const [first] = found;
  if (first !== undefined) {
    const formats = [...new Set(found.map((evidence) => evidence.format))].join(" and ");
    return {
      name: "evidence",
      ok: true,
      message: `Statement "${predicateType}" is signed by evidence key ${first.keyId.slice(0, 12)} (${formats})`,
    };
  }
  const why = tally.refused.get(predicateType) ?? "none exists";
  return { name: "evidence", ok: false, message: `There is no statement "${predicateType}" that counts: ${why}` };
}

/** A plain document beside the image must say what the signed statement of its kind says. */
async function checkDocuments({ place, image }: EvidenceQuestion, tally: Tally): Promise<void> {
  for (const found of await findReferrers(place, image.digest, Object.keys(documentTypes))) {
    if ("problem" in found) {
      tally.checks.push(damaged(found.problem));
      continue;
    }
    const { artifactType, digest } = found.part;
    const attested = tally.documents.get(documentTypes[artifactType] ?? "");
    const content = await contentOf(place, found.part);
    if ("problem" in content) tally.checks.push(damaged(content.problem));
    else if (attested !== undefined) tally.checks.push(compare(content.part, attested, { artifactType, digest }));
  }
}

function compare(
  bytes: Buffer,
  attested: ReadonlySet<string>,
  document: { artifactType: string; digest: Digest },
): VerificationCheck {
  const same = attested.has(canonicalSha256(bytes) ?? "");
  const what = `The document ${document.digest} of type "${document.artifactType}"`;
  return {
    name: "documents",
    ok: same,
    message: same ? `${what} equals the signed one` : `${what} differs from the signed one`,
  };
}

function canonicalSha256(bytes: Buffer): string | undefined {
  try {
    const document = parseJson(bytes);
    return document === undefined ? undefined : sha256Hex(canonicalJson(document));
  } catch (error) {
    // The document is not signed: one that nests too deeply for the stack is simply not the signed one.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function damaged(problem: string): VerificationCheck {
  return { name: "attachments", ok: false, message: `Evidence of the image is damaged: ${problem}` };
}
