import { parseReference } from "../model/reference.ts";
import { bounds } from "./bounds.ts";
import { parseBundle, bundleType } from "./bundle.ts";
import { envelopeSigner, payloadOf } from "./dsse.ts";
import {
  contentOf,
  findAttachment,
  findReferrers,
  layersOf,
  type FoundLayer,
  type FoundReferrer,
  type Place,
} from "./found.ts";
import { knownPredicates } from "./predicate-types.ts";
import { signerOf, type PublicKey } from "./public-key.ts";
import { parseSimplePayload, signatureOf, simpleSigningType } from "./simple-signing.ts";
import { isAbout, parseStatement } from "./statement.ts";
import type { VerificationCheck } from "./sign.ts";
import type { ReadImage } from "./verify-content.ts";

/** How a release signature is stored: under a `.sig` tag, or as a sigstore bundle that refers to the image. */
export type SignatureFormat = "simple-signing" | "bundle";

/** A release signature that counts. */
export interface ReleaseSignature {
  readonly image: string;
  readonly format: SignatureFormat;
  readonly keyId: string;
  /** What the signature calls the image; bundles have no such name. */
  readonly identity: string | undefined;
}

interface ReleaseQuestion {
  readonly place: Place;
  readonly image: ReadImage;
  readonly releaseKeys: readonly PublicKey[];
  readonly evidenceKeys: readonly PublicKey[];
  /** The name that a signature must carry; undefined where any will do, since the digest is what it signs. */
  readonly identity: string | undefined;
  /** Every one of these is needed; where empty, any one. */
  readonly formats: readonly SignatureFormat[];
}

type Attempt =
  | { readonly signature: ReleaseSignature }
  | { readonly format: SignatureFormat; readonly problem: string };

/** A signature object whose bytes are not what they should be. */
interface Damage {
  readonly damage: string;
}

/** Looks for the release signatures of one image and says why those that do not count do not. */
export async function checkRelease(
  question: ReleaseQuestion,
): Promise<{ checks: VerificationCheck[]; signatures: ReleaseSignature[] }> {
  const { image } = question;
  const all = [...(await simpleAttempts(question)), ...(await bundleAttempts(question))];
  const attempts = all.filter((attempt): attempt is Attempt => !("damage" in attempt));
  const signatures = attempts.flatMap((attempt) => ("signature" in attempt ? [attempt.signature] : []));
  const checks = all.flatMap((attempt): VerificationCheck[] => {
    if (!("damage" in attempt)) return [];
    const message = `A signature object of image ${image.digest} is damaged: ${attempt.damage}`;
    return [{ name: "attachments", ok: false, message }];
  });
  for (const format of question.formats.length === 0 ? [undefined] : question.formats)
    checks.push(judge(image, format, attempts));
  return { checks, signatures };
}

function judge(image: ReadImage, format: SignatureFormat | undefined, attempts: readonly Attempt[]): VerificationCheck {
  const considered = attempts.filter((attempt) => format === undefined || formatOf(attempt) === format);
  const good = considered.find((attempt) => "signature" in attempt);
  if (good !== undefined) {
    const { identity, keyId, format: used } = good.signature;
    const named = identity === undefined ? "" : ` as "${identity}"`;
    return {
      name: "release-signature",
      ok: true,
      message: `Image ${image.digest} is signed${named} by release key ${keyId.slice(0, 12)} (${used})`,
    };
  }
  const problems = [...new Set(considered.flatMap((attempt) => ("problem" in attempt ? [attempt.problem] : [])))];
  const kind = format === undefined ? "release signature" : `release signature of format "${format}"`;
  const why = problems.length === 0 ? "none exists" : problems.slice(0, 3).join("; ");
  return { name: "release-signature", ok: false, message: `Image ${image.digest} has no ${kind} that counts: ${why}` };
}

function formatOf(attempt: Attempt): SignatureFormat {
  return "signature" in attempt ? attempt.signature.format : attempt.format;
}

async function simpleAttempts(question: ReleaseQuestion): Promise<(Attempt | Damage)[]> {
  const { place, image } = question;
  const attachment = await findAttachment(place, image.digest, "sig");
  if (attachment === undefined) return [];
  if ("problem" in attachment) return [{ damage: attachment.problem }];
  const attempts: (Attempt | Damage)[] = [];
  const only = { mediaType: simpleSigningType, limitBytes: bounds.payloadBytes };
  for await (const found of layersOf(place, attachment.part, only))
    attempts.push("problem" in found ? { damage: found.problem } : simpleAttempt(question, found.part));
  return attempts;
}

function simpleAttempt(question: ReleaseQuestion, { layer, bytes }: FoundLayer): Attempt {
  const { image } = question;
  const format = "simple-signing";
  const signature = signatureOf(layer);
  const signer = signerOf(question.releaseKeys, bytes, signature);
  if (signer === undefined)
    return { format, problem: strangerProblem(signerOf(question.evidenceKeys, bytes, signature) !== undefined) };
  const payload = parseSimplePayload(bytes);
  if (payload === undefined) return { format, problem: "a signed payload does not have the form that podman accepts" };
  if (payload.digest !== image.digest)
    return { format, problem: `a signature is for another image, ${payload.digest}` };
  if (!isIdentity(payload.identity, question.identity))
    return {
      format,
      problem: `a signature names the image "${payload.identity}", which is not in "${question.identity}"`,
    };
  return { signature: { image: image.digest, format, keyId: signer.id, identity: payload.identity } };
}

async function bundleAttempts(question: ReleaseQuestion): Promise<(Attempt | Damage)[]> {
  const attempts: (Attempt | Damage)[] = [];
  for (const found of await findReferrers(question.place, question.image.digest, [bundleType]))
    attempts.push(...("problem" in found ? [{ damage: found.problem }] : await bundleAttempt(question, found.part)));
  return attempts;
}

/** Nothing for a bundle that is evidence or keyless: neither is a release signature. */
async function bundleAttempt(
  { place, image, releaseKeys, evidenceKeys }: ReleaseQuestion,
  referrer: FoundReferrer,
): Promise<[] | [Attempt | Damage]> {
  const format = "bundle";
  const content = await contentOf(place, referrer);
  if ("problem" in content) return [{ damage: content.problem }];
  const envelope = parseBundle(content.part);
  const statement = envelope === undefined ? undefined : parseStatement(payloadOf(envelope));
  if (envelope === undefined || statement?.predicateType !== knownPredicates.sign) return [];
  const signer = envelopeSigner(releaseKeys, envelope);
  if (signer === undefined)
    return [{ format, problem: strangerProblem(envelopeSigner(evidenceKeys, envelope) !== undefined) }];
  if (!isAbout(statement, image.digest)) return [{ format, problem: "a signed bundle is for another image" }];
  return [{ signature: { image: image.digest, format, keyId: signer.id, identity: undefined } }];
}

function strangerProblem(isEvidenceKey: boolean): string {
  return isEvidenceKey
    ? "a signature was made with an evidence key, which may not release images"
    : "a signature was made with another key, or altered";
}

/**
 * Whether a signed name is one of the repository. Without a host in the question every host does: a mirror
 * serves under another name, and the digest is checked anyway.
 */
function isIdentity(signed: string, expected: string | undefined): boolean {
  if (expected === undefined) return true;
  const name = parseReference(signed);
  const wanted = parseReference(expected);
  if (name === undefined || wanted === undefined || name.repository !== wanted.repository) return false;
  return wanted.registry === undefined || wanted.registry === name.registry;
}
