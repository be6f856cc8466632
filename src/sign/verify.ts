import { Failure } from "../base/errors.ts";
import { isRepository } from "../model/reference.ts";
import { parsePublicKey } from "./public-key.ts";
import type { SignatureAnswer, SignatureRequest, VerificationReport, VerifyRequest } from "./sign.ts";
import { checkContent, readImageTree } from "./verify-content.ts";
import { checkEvidence, type SignedEvidence } from "./verify-evidence.ts";
import { checkRelease, type ReleaseSignature } from "./verify-release.ts";

/** Looks for a release signature of one manifest as the door promises. */
export async function findSignature(request: SignatureRequest): Promise<SignatureAnswer> {
  const { repository, source, digest } = request;
  const releaseKeys = request.keys.map(parsePublicKey);
  const image = { digest, mediaType: "", sizeBytes: 0, manifest: undefined };
  const question = { place: { source, repository }, image, releaseKeys, evidenceKeys: [], identity: undefined };
  const { checks, signatures } = await checkRelease({ ...question, formats: [] });
  const found = signatures[0];
  if (found !== undefined) return { keyId: found.keyId, format: found.format };
  // The asker knows which image it asked about.
  const failed = checks.filter(({ ok }) => !ok).map(({ message }) => message.replace(/^.* that counts: /, ""));
  return { missing: failed.join("; ") };
}

/** Verifies an image as the door promises. */
export async function verify(request: VerifyRequest): Promise<VerificationReport> {
  if (!isRepository(request.repository))
    throw new Failure("usage", `Cannot verify "${request.repository}": it is not a repository name`);
  const releaseKeys = request.keys.release.map(parsePublicKey);
  const evidenceKeys = request.keys.evidence.map(parsePublicKey);
  const place = { source: request.source, repository: request.repository };
  const tree = await readImageTree(place, request.reference);
  const checks = [...tree.checks];
  const signatures: ReleaseSignature[] = [];
  const evidence: SignedEvidence[] = [];
  const identity = request.identity ?? request.repository;
  for (const [position, image] of tree.images.entries()) {
    checks.push(...(await checkContent(place, image, request.deep ?? false)));
    const question = { place, image, releaseKeys, evidenceKeys };
    const release = await checkRelease({ ...question, identity, formats: request.formats ?? [] });
    checks.push(...release.checks);
    signatures.push(...release.signatures);
    // What is required must be on what a tag names: admission never looks at the evidence of a child.
    const require = position === 0 ? (request.require ?? []) : [];
    const statements = await checkEvidence({ ...question, require });
    checks.push(...statements.checks);
    if (position === 0) evidence.push(...statements.evidence);
  }
  return {
    schemaVersion: 1,
    result: checks.every((check) => check.ok) ? "pass" : "fail",
    repository: request.repository,
    reference: request.reference,
    digest: tree.images[0]?.digest,
    checks,
    signatures,
    evidence,
  };
}
