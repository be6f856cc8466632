import { nowMs } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { type Digest, parseDigest } from "../model/digest.ts";
import { isRepository, isTag } from "../model/reference.ts";
import { queueScan } from "../store/admission-records.ts";
import { sizesOfLinkedBlobs } from "../store/blob-link-records.ts";
import { addAuditEvent } from "../store/event-records.ts";
import { findManifest, insertManifest, sizesOfManifests } from "../store/manifest-records.ts";
import { type Store } from "../store/store.ts";
import { findTag, moveTag, touchTag } from "../store/tag-records.ts";
import { takeBackParts } from "./collection/take-back.ts";
import { checkCondition, type Condition } from "./conditions.ts";
import { refusePush } from "./lifetime/guard.ts";
import { digestOf, readManifestDocument, type RequiredPart } from "./manifest-document.ts";
import { refuse, type Refusal } from "./refusal.ts";

/** A manifest to store. */
export interface ManifestInput {
  readonly repository: string;
  /** A tag to move, or the digest that the bytes must have. */
  readonly reference: string;
  /** Tags to move beside a digest. */
  readonly tags?: readonly string[];
  /** As the request says; undefined leaves it to the document. */
  readonly mediaType: string | undefined;
  readonly bytes: Uint8Array;
  readonly actor: string;
  /** What must stand at the reference before. */
  readonly condition?: Condition;
  /** What it consists of may come later: a proxy cache fetches it when it is asked for. */
  readonly isPartial?: boolean;
}

/** A manifest that is stored now. */
export interface StoredManifest {
  readonly digest: Digest;
  readonly subject: Digest | undefined;
}

/**
 * Stores a manifest byte for byte and moves its tags, all or nothing; done before, it changes nothing.
 *
 * What the manifest consists of must be in the repository; its subject may come later.
 * Source: OCI distribution spec, "Pushing Manifests".
 */
export async function storeManifest(store: Store, input: ManifestInput): Promise<StoredManifest | Refusal> {
  const { repository, reference, bytes, actor } = input;
  if (!isRepository(repository))
    return refuse("NAME_INVALID", `Cannot store the manifest: "${repository.slice(0, 300)}" is not a repository name`);
  if (bytes.byteLength > limits.manifestBytes) return manifestTooLarge();
  const expected = parseDigest(reference);
  if (expected === undefined && reference.includes(":"))
    return refuse("DIGEST_INVALID", `Cannot store the manifest: "${reference.slice(0, 200)}" is not a digest`);
  const tags = expected === undefined ? [reference, ...(input.tags ?? [])] : (input.tags ?? []);
  const badTag = tags.find((tag) => !isTag(tag));
  if (badTag !== undefined)
    return refuse("MANIFEST_INVALID", `Cannot store the manifest: "${badTag.slice(0, 200)}" is not a tag`);
  const digest = digestOf(bytes, expected);
  if (expected !== undefined && expected !== digest)
    return refuse("DIGEST_INVALID", `Cannot store the manifest ${expected}: its bytes have the digest ${digest}`);
  const document = readManifestDocument(bytes, input.mediaType);
  if ("invalid" in document)
    return refuse("MANIFEST_INVALID", `Cannot store the manifest ${digest}: ${document.invalid}`);
  const { mediaType, artifactType, annotations, edges, subject, isImage } = document;
  return await store.transaction(async (db) => {
    const refusal =
      (await checkState(db, input)) ??
      (input.isPartial === true ? undefined : await checkParts(db, repository, document.required)) ??
      (await refusePush(db, { repository, tags, digest, sizeBytes: bytes.byteLength, actor }));
    if (refusal !== undefined) return refusal;
    await insertManifest(db, { repository, digest, mediaType, bytes, artifactType, annotations, edges, actor });
    if (input.isPartial !== true) {
      const details = { digest, mediaType, tags, subject, artifactType, sizeBytes: bytes.byteLength };
      await addAuditEvent(db, { actor, action: "image.pushed", subject: `${repository}@${digest}`, details });
    }
    if (isImage && input.isPartial !== true) await queueScan(db, { digest, repository, now: nowMs() });
    for (const tag of tags)
      if (!(await moveTag(db, { repository, tag, to: digest, actor }))) await touchTag(db, repository, tag);
    return { digest, subject };
  });
}

/** The refusal of a manifest above its limit. */
export function manifestTooLarge(): Refusal {
  return refuse("SIZE_INVALID", `Cannot store the manifest: it has more than ${limits.manifestBytes} bytes`, {
    status: 413,
  });
}

/** Checks what a request demands of the state before it; without a demand nothing is looked up. */
export async function checkState(
  db: Store["db"],
  { repository, reference, condition = {} }: Pick<ManifestInput, "repository" | "reference" | "condition">,
): Promise<Refusal | undefined> {
  if (condition["if-match"] === undefined && condition["if-none-match"] === undefined) return undefined;
  const digest = parseDigest(reference);
  const current =
    digest === undefined
      ? await findTag(db, repository, reference)
      : (await findManifest(db, repository, digest))?.digest;
  return checkCondition(condition, current);
}

/** Parts that a refusal names; a manifest may lack thousands. */
const namedPartCount = 20;

async function checkParts(
  db: Store["db"],
  repository: string,
  parts: readonly RequiredPart[],
): Promise<Refusal | undefined> {
  if (parts.length === 0) return undefined;
  const children = parts.filter(({ kind }) => kind === "child").map(({ digest }) => digest);
  const sizes = await sizesOfManifests(db, repository, [...new Set(children)]);
  // An index may also name things that are no manifests.
  const others = parts.map(({ digest }) => digest).filter((digest) => !sizes.has(digest));
  for (const [digest, size] of await sizesOfLinkedBlobs(db, repository, [...new Set(others)])) sizes.set(digest, size);
  const missing = parts.filter(({ digest }) => !sizes.has(digest)).map(({ digest }) => digest);
  if (missing.length > 0 && (await takeBackParts(db, repository, missing)))
    return await checkParts(db, repository, parts);
  if (missing.length > 0)
    return refuse(
      "MANIFEST_BLOB_UNKNOWN",
      `Cannot store the manifest: "${repository}" does not have ${[...new Set(missing)].slice(0, namedPartCount).join(", ")}`,
      {
        detail: { digests: [...new Set(missing)].slice(0, namedPartCount) },
      },
    );
  const wrong = parts.find(({ digest, sizeBytes }) => sizes.get(digest) !== sizeBytes);
  if (wrong !== undefined)
    return refuse(
      "MANIFEST_INVALID",
      `Cannot store the manifest: it says that ${wrong.digest} has ${wrong.sizeBytes} bytes, it has ${sizes.get(wrong.digest)}`,
    );
  return undefined;
}
