import { createHash } from "node:crypto";
import { type Digest, digestHex, parseDigest } from "../model/digest.ts";
import { mediaTypes, runnableConfigTypes } from "../model/oci.ts";
import { type ManifestEdge } from "../store/manifest-records.ts";
import { ambiguousKey } from "./json-keys.ts";

/** What the registry reads out of a manifest; its bytes are kept as they came. */
export interface ManifestDocument {
  readonly mediaType: string;
  /** Its own, else the config's media type; undefined for an index without one. */
  readonly artifactType: string | undefined;
  readonly annotations: Readonly<Record<string, string>> | undefined;
  readonly subject: Digest | undefined;
  /** Whether a client may run it: its configuration is that of an image, whatever else it calls itself. */
  readonly isImage: boolean;
  /** Each pair of digest and kind once. */
  readonly edges: readonly ManifestEdge[];
  /** What must be in the repository, with the size that the manifest says. */
  readonly required: readonly RequiredPart[];
}

/** A part that a manifest cannot be without. */
export interface RequiredPart {
  readonly digest: Digest;
  readonly kind: "config" | "layer" | "child";
  /** Bytes. */
  readonly sizeBytes: number;
}

/** Why a document is none; a message that fits after a colon. */
export interface InvalidDocument {
  readonly invalid: string;
}

const indexTypes: readonly string[] = [mediaTypes.index, mediaTypes.dockerIndex];
const imageTypes: readonly string[] = [mediaTypes.manifest, mediaTypes.dockerManifest];

/**
 * Reads a manifest or an index; fields that it does not know are let be.
 *
 * A document that is both, manifest and index, is refused: two clients would see two images under one digest.
 * Source: OCI image spec, manifest.md and image-index.md; distribution spec, "Pushing Manifests".
 *
 * @param contentType of the request; its parameters are ignored, undefined leaves it to the document
 */
export function readManifestDocument(
  bytes: Uint8Array,
  contentType: string | undefined,
): ManifestDocument | InvalidDocument {
  const read = parseObject(bytes);
  if (read === undefined) return { invalid: "it is not a JSON object in UTF-8" };
  const { document, ambiguous } = read;
  if (ambiguous !== undefined)
    return { invalid: `clients would read its key "${ambiguous.slice(0, 100)}" in more than one way` };
  const mediaType = mediaTypeOf(document, contentType?.split(";")[0]?.trim().toLowerCase());
  if (typeof mediaType !== "string") return mediaType;
  if (document["schemaVersion"] !== 2) return { invalid: "its schemaVersion is not 2; older schemas are not taken" };
  const isIndex = indexTypes.includes(mediaType);
  const mixed = (isIndex ? ["config", "layers"] : ["manifests"]).find((name) => name in document);
  if (mixed !== undefined) return { invalid: `a document of the type "${mediaType}" cannot have "${mixed}"` };
  const parts = isIndex ? readParts(document, ["manifests"]) : readParts(document, ["config", "layers"]);
  if ("invalid" in parts) return parts;
  // Some clients write null where the subject is none.
  const subjectValue = document["subject"] ?? undefined;
  const subject = subjectValue === undefined ? undefined : readDescriptor(subjectValue, "subject");
  if (subject !== undefined && "invalid" in subject) return subject;
  const annotations = readAnnotations(document["annotations"]);
  if (annotations === "invalid") return { invalid: '"annotations" is not an object of texts' };
  const ownType = document["artifactType"];
  if (ownType !== undefined && typeof ownType !== "string") return { invalid: '"artifactType" is not a text' };
  const configType = parts.found.find(({ kind }) => kind === "config")?.mediaType;
  return {
    mediaType,
    artifactType: ownType === undefined || ownType === "" ? configType : ownType,
    annotations,
    subject: subject?.digest,
    isImage: !isIndex && (mediaType === mediaTypes.dockerManifest || runnableConfigTypes.includes(configType ?? "")),
    edges: uniqueEdges([
      ...parts.found.map(({ digest, kind }) => ({ child: digest, kind })),
      ...(subject === undefined ? [] : [{ child: subject.digest, kind: "subject" as const }]),
    ]),
    required: parts.found.filter(({ kind, mediaType: type }) => kind !== "layer" || !isForeign(type)),
  };
}

function parseObject(
  bytes: Uint8Array,
): { readonly document: Record<string, unknown>; readonly ambiguous: string | undefined } | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    const document = asObject(JSON.parse(text));
    return document === undefined ? undefined : { document, ambiguous: ambiguousKey(text) };
  } catch {
    return undefined;
  }
}

function asObject(value: unknown): Record<string, unknown> | undefined {
  return value !== null && typeof value === "object" && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

function mediaTypeOf(document: Record<string, unknown>, declared: string | undefined): string | InvalidDocument {
  const own = document["mediaType"];
  if (own !== undefined && typeof own !== "string") return { invalid: '"mediaType" is not a text' };
  if (own !== undefined && declared !== undefined && own !== declared)
    return { invalid: `its mediaType is "${own}", but the request says "${declared}"` };
  const guessed = "manifests" in document ? mediaTypes.index : mediaTypes.manifest;
  const mediaType = own ?? declared ?? guessed;
  return indexTypes.includes(mediaType) || imageTypes.includes(mediaType)
    ? mediaType
    : { invalid: `"${mediaType}" is not the type of an image manifest or index` };
}

interface Part extends RequiredPart {
  readonly mediaType: string;
}

const kindOfField = { config: "config", layers: "layer", manifests: "child" } as const;

function readParts(
  document: Record<string, unknown>,
  fields: readonly (keyof typeof kindOfField)[],
): { readonly found: Part[] } | InvalidDocument {
  const found: Part[] = [];
  for (const field of fields) {
    const value = document[field];
    const items: unknown = field === "config" ? [value] : value;
    if (!Array.isArray(items)) return { invalid: `"${field}" is not a list` };
    for (const item of items) {
      const descriptor = readDescriptor(item, field);
      if ("invalid" in descriptor) return descriptor;
      found.push({ ...descriptor, kind: kindOfField[field] });
    }
  }
  return { found };
}

interface ReadDescriptor {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly mediaType: string;
}

/** Source: OCI image spec, descriptor.md. */
function readDescriptor(value: unknown, field: string): ReadDescriptor | InvalidDocument {
  const { digest: digestText, size, mediaType, data } = asObject(value) ?? {};
  const digest = typeof digestText === "string" ? parseDigest(digestText) : undefined;
  if (digest === undefined) return { invalid: `a descriptor in "${field}" has no sha256 or sha512 digest` };
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0)
    return { invalid: `the descriptor of ${digest} in "${field}" has no size` };
  if (typeof mediaType !== "string" || mediaType === "")
    return { invalid: `the descriptor of ${digest} in "${field}" has no mediaType` };
  if (data !== undefined && !isEmbedded(data, { digest, size }))
    return { invalid: `the data of ${digest} in "${field}" are other bytes` };
  return { digest, sizeBytes: size, mediaType };
}

function isEmbedded(data: unknown, { digest, size }: { readonly digest: Digest; readonly size: number }): boolean {
  if (typeof data !== "string") return false;
  const bytes = Buffer.from(data, "base64");
  return bytes.length === size && digestOf(bytes, digest) === digest;
}

/** The digest of bytes under the algorithm of another digest; SHA-256 without one. */
export function digestOf(bytes: Uint8Array, like: Digest | undefined): Digest {
  const algorithm = like?.startsWith("sha512:") === true ? "sha512" : "sha256";
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
}

function readAnnotations(value: unknown): Readonly<Record<string, string>> | undefined | "invalid" {
  if (value === undefined || value === null) return undefined;
  const annotations = asObject(value);
  if (annotations === undefined) return "invalid";
  return Object.values(annotations).every((text) => typeof text === "string")
    ? (annotations as Record<string, string>)
    : "invalid";
}

/** Layers that are not to be distributed stay at their makers: clients push them nowhere. Source: OCI image spec, layer.md. */
function isForeign(mediaType: string): boolean {
  return (
    mediaType.startsWith("application/vnd.oci.image.layer.nondistributable.") ||
    mediaType.startsWith("application/vnd.docker.image.rootfs.foreign.")
  );
}

function uniqueEdges(edges: readonly ManifestEdge[]): ManifestEdge[] {
  return [...new Map(edges.map((edge) => [`${edge.kind} ${edge.child}`, edge])).values()];
}

/** Whether a tag is one under which clients list the referrers of a manifest. Source: as {@link attachmentTags}. */
export function isReferrersTag(tag: string): boolean {
  return /^sha(?:256|512)-[0-9a-f]{64}$/.test(tag);
}

/** The digest at the beginning of a tag of {@link attachmentTags}, cut as there; undefined for any other tag. */
export function attachedTo(tag: string): string | undefined {
  return /^(sha(?:256|512)-[0-9a-f]{64})(?:\.sig|\.att|\.sbom)?$/.exec(tag)?.[1];
}

/** How {@link attachmentTags} begin for a digest. */
export function attachmentStem(digest: Digest): string {
  return `${digest.slice(0, 6)}-${digestHex(digest).slice(0, 64)}`;
}

/**
 * The tags by which clients attach things to a manifest without a subject: the referrers tag, and cosign's older ones.
 *
 * Source: OCI distribution spec, "Referrers Tag Schema"; cosign's signature storage.
 */
export function attachmentTags(digest: Digest): string[] {
  return ["", ".sig", ".att", ".sbom"].map((ending) => attachmentStem(digest) + ending);
}
