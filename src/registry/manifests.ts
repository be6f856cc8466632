import { limits } from "../base/limits.ts";
import { type Digest, parseDigest } from "../model/digest.ts";
import { findManifest, type FoundManifest, readManifestBytes } from "../store/manifest-records.ts";
import { type Store } from "../store/store.ts";
import { findTag, moveTag } from "../store/tag-records.ts";
import { matchesEtag } from "./blobs.ts";
import { readBody } from "./body.ts";
import { type Answer, type Exchange } from "./exchange.ts";
import { deleteImageUnit, findImageUnit, findIndexOver } from "./image-unit.ts";
import { refuseTagMove } from "./lifetime/guard.ts";
import { refuseRemoval } from "./lifetime/holds.ts";
import { checkState, manifestTooLarge, type ManifestInput, storeManifest } from "./manifest-writer.ts";
import { refuseDenied } from "./pull-check.ts";
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
  if (site.pullGate !== undefined) {
    const { caller } = exchange;
    const pull = { repository, digest, mediaType, reference, actor: caller.name, address: request.ip };
    const denial = await site.pullGate(pull);
    if (denial !== undefined) return refuseDenied(denial);
  }
  const etag = `"${digest}"`;
  const headers = { "content-type": mediaType, "docker-content-digest": digest, etag };
  if (matchesEtag(request.headers["if-none-match"], etag)) return { status: 304, headers };
  const answer = { status: 200, headers: { ...headers, "content-length": sizeBytes } };
  if (isHead) return answer;
  const body = await readManifestBytes(site.store.db, digest);
  if (body === undefined) return unknownManifest(repository, reference);
  const tag = reference === digest ? undefined : reference;
  site.recordPull?.({ actor: exchange.caller.name, address: request.ip, repository, digest, tag });
  return { ...answer, body };
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
  const condition = message.headers;
  const tags = query.getAll("tag");
  if (tags.length > tagsPerPut)
    return refuse("MANIFEST_INVALID", `Cannot move ${tags.length} tags at once: ${tagsPerPut} is the most`, {
      status: 414,
    });
  const bytes = await readBody(message, { ...site.bounds, limitBytes: limits.manifestBytes });
  if (bytes === "too large") return manifestTooLarge();
  const mediaType = message.headers["content-type"];
  const input = { repository, reference, tags, mediaType, bytes, actor: caller.name, condition };
  const stored = await storeManifest(site.store, input);
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
  const { site, caller, message } = exchange;
  const removal = { repository, reference, actor: caller.name, condition: message.headers };
  const isDone = await removeReference(site.store, removal);
  if (isRefusal(isDone)) return isDone;
  return isDone ? { status: 202, headers: {} } : unknownManifest(repository, reference);
}

/** A tag or an image that is to go. */
type Removal = Pick<ManifestInput, "repository" | "reference" | "actor" | "condition">;

/** Removes a tag, or an image with all that is attached to it; false where it went in the meantime. */
export async function removeReference(
  store: Store,
  { repository, reference, actor, condition = {} }: Removal,
): Promise<boolean | Refusal> {
  const found = await resolveManifest(store.db, repository, reference);
  if (isRefusal(found)) return found;
  return await store.transaction(async (db) => {
    const digest: Digest | undefined = parseDigest(reference);
    const refusal =
      (await checkState(db, { repository, reference, condition })) ??
      (digest === undefined ? undefined : await refuseChild(db, repository, digest));
    if (refusal !== undefined) return refusal;
    const pinned =
      digest === undefined
        ? await refuseTagMove(db, { repository, tag: reference, to: undefined })
        : await refuseRemoval(db, repository, await findImageUnit(db, repository, digest));
    if (pinned !== undefined) return pinned;
    if (digest === undefined) return await moveTag(db, { repository, tag: reference, to: undefined, actor });
    return (await deleteImageUnit(db, { repository, digest, actor })).length > 0;
  });
}

/** What an index names stays as long as the index, as the blobs of an image do: a pull of it would break. */
async function refuseChild(db: Store["db"], repository: string, digest: Digest): Promise<Refusal | undefined> {
  const index = await findIndexOver(db, repository, digest);
  if (index === undefined) return undefined;
  return refuse(
    "DENIED",
    `Cannot delete ${digest} in "${repository}": the index ${index} names it; delete that first`,
    {
      status: 405,
      headers: { allow: "GET, HEAD, PUT" },
    },
  );
}

function unknownManifest(repository: string, reference: string): Refusal {
  return refuse(
    "MANIFEST_UNKNOWN",
    `Cannot find the manifest "${reference.slice(0, 200)}": the repository "${repository}" does not have it`,
  );
}
