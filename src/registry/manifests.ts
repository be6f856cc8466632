import { limits } from "../base/limits.ts";
import { type Digest, parseDigest } from "../model/digest.ts";
import { findManifest, type FoundManifest, readManifestBytes } from "../store/manifest-records.ts";
import { type Store } from "../store/store.ts";
import { findTag, moveTag } from "../store/tag-records.ts";
import { matchesEtag } from "./blobs.ts";
import { readBody } from "./body.ts";
import { type Answer, type Exchange } from "./exchange.ts";
import { deleteImageUnit } from "./image-unit.ts";
import { manifestTooLarge, storeManifest } from "./manifest-writer.ts";
import { isRefusal, refuse, type Refusal } from "./refusal.ts";

/** Tags that one PUT by digest may move. */
const tagsPerPut = 50;

/**
 * GET and HEAD of a manifest by tag or digest.
 *
 * What the tag points to is served whatever `Accept` says: another document would not have the tag's digest.
 * Source: OCI distribution spec, "Pulling manifests".
 */
export async function getManifest(
  exchange: Exchange,
  repository: string,
  reference: string,
): Promise<Answer | Refusal> {
  const { site, request, isHead } = exchange;
  const found = await resolveManifest(site.store.db, repository, reference);
  if (isRefusal(found)) return found;
  const { digest, mediaType, sizeBytes } = found;
  const etag = `"${digest}"`;
  const headers = { "content-type": mediaType, "docker-content-digest": digest, etag };
  if (matchesEtag(request.headers["if-none-match"], etag)) return { status: 304, headers };
  const answer = { status: 200, headers: { ...headers, "content-length": sizeBytes } };
  if (isHead) return answer;
  const body = await readManifestBytes(site.store.db, digest);
  return body === undefined ? unknownManifest(repository, reference) : { ...answer, body };
}

/** Finds a manifest by tag or digest. */
export async function resolveManifest(
  db: Store["db"],
  repository: string,
  reference: string,
): Promise<FoundManifest | Refusal> {
  if (parseDigest(reference) === undefined && reference.includes(":"))
    return refuse(
      "DIGEST_INVALID",
      `Cannot read the digest "${reference.slice(0, 200)}": it is not sha256 or sha512 with its hex digits`,
    );
  const digest = parseDigest(reference) ?? (await findTag(db, repository, reference));
  const found = digest === undefined ? undefined : await findManifest(db, repository, digest);
  return found ?? unknownManifest(repository, reference);
}

/** PUT of a manifest by tag, or by digest with tags in the query. Source: OCI distribution spec, "Pushing Manifests". */
export async function putManifest(
  exchange: Exchange,
  repository: string,
  reference: string,
): Promise<Answer | Refusal> {
  const { query, site, message, caller } = exchange;
  const tags = query.getAll("tag");
  if (tags.length > tagsPerPut)
    return refuse("MANIFEST_INVALID", `Cannot move ${tags.length} tags at once: ${tagsPerPut} is the most`, {
      status: 414,
    });
  const bytes = await readBody(message, { ...site.bounds, limitBytes: limits.manifestBytes });
  if (bytes === "too large") return manifestTooLarge();
  const mediaType = message.headers["content-type"];
  const stored = await storeManifest(site.store, { repository, reference, tags, mediaType, bytes, actor: caller.name });
  if (isRefusal(stored)) return stored;
  const { digest, subject } = stored;
  return {
    status: 201,
    headers: {
      location: `/v2/${repository}/manifests/${digest}`,
      "docker-content-digest": digest,
      ...(subject === undefined ? {} : { "oci-subject": subject }),
      ...(tags.length === 0 ? {} : { "oci-tag": tags.join(", ") }),
    },
  };
}

/**
 * DELETE of a tag, or of an image with all that is attached to it.
 *
 * Source: OCI distribution spec, "Deleting tags" and "Deleting Manifests".
 */
export async function removeManifest(
  exchange: Exchange,
  repository: string,
  reference: string,
): Promise<Answer | Refusal> {
  const { site, caller } = exchange;
  const actor = caller.name;
  const found = await resolveManifest(site.store.db, repository, reference);
  if (isRefusal(found)) return found;
  const isDone = await site.store.transaction(async (db) => {
    const digest: Digest | undefined = parseDigest(reference);
    if (digest === undefined) return await moveTag(db, { repository, tag: reference, to: undefined, actor });
    return (await deleteImageUnit(db, { repository, digest, actor })).length > 0;
  });
  return isDone ? { status: 202, headers: {} } : unknownManifest(repository, reference);
}

function unknownManifest(repository: string, reference: string): Refusal {
  return refuse(
    "MANIFEST_UNKNOWN",
    `Cannot find the manifest "${reference.slice(0, 200)}": the repository "${repository}" does not have it`,
  );
}
