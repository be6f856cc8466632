/**
 * The sign room: makes keys, signs images, attests evidence about them, and verifies both.
 *
 * It owns the key files, the formats A to E (see docs and the functions below), the trust snippets for other
 * programs' clients, and the verifier. It promises that signing the same thing again makes nothing new, that
 * foreign signatures are kept, that evidence never counts as a release signature, and that verifying never uses
 * the network itself: it reads through an {@link ImageSource}. It stores nothing: it returns objects that the
 * pipeline puts into a registry. Writers of one image's tags must take turns; the caller sees to that.
 */
import type { Digest } from "../model/digest.ts";
import type { ScanReport } from "../model/finding.ts";
import type { Descriptor } from "../model/oci.ts";
import type { Verdict } from "../model/verdict.ts";
import { scanDocumentType } from "./documents.ts";
import { openKeyPair } from "./key-folder.ts";
import { layoutSource } from "./oci-layout-source.ts";
import { knownPredicates } from "./predicate-types.ts";
import { cosignVulnerabilities, verificationSummary, type GateContext } from "./predicates.ts";
import { slsaProvenance, type ProvenanceRecord } from "./provenance.ts";
import { parsePublicKey } from "./public-key.ts";
import { attestIndexOf, attestOne, signReleased } from "./signing.ts";
import { cosignLine, policyText, registriesText, type CosignRequest, type PolicyRequest } from "./trust.ts";
import { findSignature, verify } from "./verify.ts";
import type { SignedEvidence } from "./verify-evidence.ts";
import type { ReleaseSignature, SignatureFormat } from "./verify-release.ts";

export type { Material, ProvenanceRecord } from "./provenance.ts";

/** The predicate types of evidence that we write or require. */
export const predicateTypes = knownPredicates;

/** Artifact type of a plain scan report beside an image. */
export const scanReportType = scanDocumentType;

/** A private key that can sign; its secret never leaves this object. */
export interface SigningKey {
  /** Hex SHA-256 of the SPKI DER of the public key. */
  readonly id: string;
  readonly publicPem: string;
  /** ECDSA P-256 over SHA-256 of the bytes, DER. */
  sign(bytes: Uint8Array): Buffer;
}

/** Which key to open, and with what passphrase. */
export interface KeyRequest {
  /** `<data>/keys`. */
  readonly folder: string;
  /** `release` signs what passed the gate; `evidence` signs statements about any image. */
  readonly name: "release" | "evidence";
  /** Where left out, the file `passphrase` in the folder holds it, made on the first run. */
  readonly passphrase?: string;
}

/**
 * Opens the key pair `<folder>/<name>.key` and `.pub`, or makes it on the first run.
 *
 * The files are cosign's: `cosign sign --key` can use them. A key whose public half exists but whose
 * private half is gone is never replaced in silence, since clients trust the public half.
 *
 * @throws Failure `key_unusable` for a wrong passphrase, a damaged or a missing file
 */
export function openKey(request: KeyRequest): Promise<SigningKey> {
  return openKeyPair(request);
}

/** A manifest as a source gives it; its digest is a claim until it is computed from the bytes. */
export interface SourceManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/**
 * Where images are read from: our registry, a folder, or a remote registry.
 *
 * Nothing that a source answers is trusted; absent things are undefined, never an exception.
 */
export interface ImageSource {
  /** @param reference a tag or a digest */
  getManifest(repository: string, reference: string): Promise<SourceManifest | undefined>;
  getBlob(repository: string, digest: Digest): Promise<AsyncIterable<Uint8Array> | undefined>;
  referrers(repository: string, subject: Digest): Promise<readonly Descriptor[]>;
}

/** A blob to store. */
export interface NewBlob {
  readonly digest: Digest;
  readonly bytes: Buffer;
}

/** A manifest to store. */
export interface NewManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Buffer;
  /** The tag to move to it; undefined for referrers. */
  readonly tag?: string;
}

/** OCI objects to store: the blobs first, then the manifests in their order. Empty where nothing is new. */
export interface NewObjects {
  readonly blobs: readonly NewBlob[];
  readonly manifests: readonly NewManifest[];
}

/** What to sign as released. */
export interface SignRequest {
  /** The release key. */
  readonly key: SigningKey;
  /** Where the image and its existing signatures are. */
  readonly source: ImageSource;
  readonly repository: string;
  /** A tag or a digest of an image or an index. */
  readonly reference: string;
  /** `host/repository:tag` for each immutable tag: each is a standing permission for the digest to carry that name. */
  readonly identities: readonly string[];
  /** ISO 8601; a note beside the signature. */
  readonly at: string;
}

/**
 * Signs an image, and all children of an index, as released: format A (`.sig` tag) and format B (sigstore bundle).
 *
 * podman checks the platform's manifest and cosign the index, so both are signed. Empty where all is signed already.
 *
 * @throws Failure `not_found` where the image cannot be read whole
 */
export async function signImage(request: SignRequest): Promise<NewObjects> {
  return signReleased(request);
}

/** One statement to sign, and the plain document that it attests, where it is useful on its own. */
interface Evidence {
  readonly predicateType: string;
  readonly predicate: unknown;
  readonly document?: { readonly artifactType: string; readonly bytes: Uint8Array };
}

/** What to attest about an image. */
export interface AttestRequest {
  /** The evidence key: never the release key, since cosign 3 takes any bundle for a signature. */
  readonly key: SigningKey;
  readonly source: ImageSource;
  readonly repository: string;
  readonly reference: string;
  /** `host/repository`, as the statements' subject name. */
  readonly name: string;
  readonly evidence: readonly Evidence[];
  /** ISO 8601; a note beside the signature. */
  readonly at: string;
  /** Whether to write the `.att` tag as well, for cosign 2, Kyverno and policy-controller. */
  readonly attestationTag: boolean;
}

/** As for an image; the statements are those of the index's images. */
export type IndexAttestRequest = Omit<AttestRequest, "evidence">;

/**
 * Attests evidence about an image: format C (bundle referrers), D (`.att` tag) where asked for, and E (plain documents).
 *
 * Empty where the key has attested all of it already; equal predicates give equal statements.
 *
 * @throws Failure `not_found` where the image cannot be read whole
 */
export async function attestImage(request: AttestRequest): Promise<NewObjects> {
  return attestOne(request);
}

/**
 * Attests about an index what the key has attested about its images: format C, and D where asked for.
 *
 * Who admits by what a tag names finds the evidence there. Each statement keeps its image as a further subject, and so
 * says which of them it tells of. Empty where all of it is there already.
 *
 * @throws Failure `not_found` where the index cannot be read whole
 */
export async function attestIndex(request: IndexAttestRequest): Promise<NewObjects> {
  return attestIndexOf(request);
}

/** What to verify, by which keys, and what must be there. */
export interface VerifyRequest {
  readonly source: ImageSource;
  readonly repository: string;
  /** A tag or a digest. */
  readonly reference: string;
  /** The name that release signatures must carry, `host/repository`; where left out, the repository on any host. */
  readonly identity?: string;
  /** Public keys in PEM, one each. A signature by any one of its list counts. */
  readonly keys: { readonly release: readonly string[]; readonly evidence: readonly string[] };
  /** Predicate types of which a statement must be there. */
  readonly require?: readonly string[];
  /** Formats in which the release signature must be there, each of them; where left out, any one will do. */
  readonly formats?: readonly SignatureFormat[];
  /** Reads every layer too. */
  readonly deep?: boolean;
}

/** One thing that was looked at, and in a sentence what was found. */
export interface VerificationCheck {
  readonly name: "manifest" | "children" | "content" | "release-signature" | "attachments" | "evidence" | "documents";
  readonly ok: boolean;
  readonly message: string;
}

/** The answer of a verification; it passes only if every check does. */
export interface VerificationReport {
  readonly schemaVersion: 1;
  readonly result: "pass" | "fail";
  readonly repository: string;
  readonly reference: string;
  /** Undefined where the manifest could not be read. */
  readonly digest: Digest | undefined;
  readonly checks: readonly VerificationCheck[];
  readonly signatures: readonly ReleaseSignature[];
  readonly evidence: readonly SignedEvidence[];
}

/**
 * Verifies an image: its bytes, its release signature, its children's, and the evidence about it.
 *
 * It reads only from the source and trusts nothing that it reads. Evidence never counts as a release
 * signature, whatever key made it, nor the other way round. A failed check is an answer, not an exception.
 *
 * @throws Failure `key_unusable` for a public key that is none; whatever the source throws when it cannot be reached
 */
export function verifyImage(request: VerifyRequest): Promise<VerificationReport> {
  return verify(request);
}

/** Which manifest must be signed, and by which keys. */
export interface SignatureRequest {
  readonly source: ImageSource;
  readonly repository: string;
  readonly digest: Digest;
  /** Public keys in PEM, one each. A signature by any one of them counts. */
  readonly keys: readonly string[];
}

/** The signature that counts, or in words why there is none. */
export type SignatureAnswer =
  | { readonly keyId: string; readonly format: SignatureFormat }
  | { readonly missing: string };

/**
 * Looks for a release signature of one manifest, without its children, its content or evidence about it.
 *
 * The name in the signature does not matter: a copy of an image keeps its digest and gets another name.
 *
 * @throws Failure `key_unusable` for a public key that is none
 */
export function releaseSignature(request: SignatureRequest): Promise<SignatureAnswer> {
  return findSignature(request);
}

/** The id of a public key in PEM: hex SHA-256 of its SPKI DER. @throws Failure `key_unusable` */
export function publicKeyId(pem: string): string {
  return parsePublicKey(pem).id;
}

/**
 * Opens an OCI layout folder as a source, so that an exported image verifies without a registry.
 *
 * Repository names are not looked at: a layout holds one repository.
 *
 * @throws Failure `not_found` where the folder is no layout
 */
export function openLayout(folder: string): Promise<ImageSource> {
  return layoutSource(folder);
}

/**
 * The predicate of a SLSA provenance v1 statement, with the whole lock as materials.
 *
 * Each package and each signed index is a resolved dependency with its SHA-256; no download address is recorded.
 * Source: SLSA 1.2, provenance.
 */
export function provenancePredicate(record: ProvenanceRecord): unknown {
  return slsaProvenance(record);
}

/** The predicate of cosign's vulnerability attestation (`--type vuln`) with our scan report as the scanner's result. */
export function scanPredicate(report: ScanReport, scanner: { uri: string; version: string }): unknown {
  return cosignVulnerabilities(report, scanner);
}

/** The gate's verdict as a SLSA verification summary: what admission needs instead of all other statements. */
export function gatePredicate(verdict: Verdict, about: GateContext): unknown {
  return verificationSummary(verdict, about);
}

/** A `policy.json` with which podman, skopeo and CRI-O pull from a scope only what a release key signed. */
export function podmanPolicy(request: PolicyRequest): string {
  return policyText(request);
}

/** A file for `registries.d`, without which podman, skopeo and CRI-O see no signature. */
export function registriesConfig(scope: string): string {
  return registriesText(scope);
}

/** The `cosign` command line that verifies an image with a key and without any outside service, for a shell. */
export function cosignVerifyLine(request: CosignRequest): string {
  return cosignLine(request);
}
