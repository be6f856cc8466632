import { type Digest } from "../model/digest.ts";
import { addAuditEvent } from "../store/event-records.ts";
import { trashManifests } from "../store/collection-trash-records.ts";
import { findManifest, listIndexesOver, listReferrerDigests } from "../store/manifest-records.ts";
import { type Store } from "../store/store.ts";
import { findTag, listTagsOf, moveTag } from "../store/tag-records.ts";
import { attachmentTags, isReferrersTag } from "./manifest-document.ts";

interface Deletion {
  readonly repository: string;
  readonly digest: Digest;
  readonly actor: string;
  /** Why its tags go, for their history; the deletion by a client where nothing is said. */
  readonly cause?: "retention" | "replication";
}

/** Digests that an event names; the whole number is in it too. */
const namedDigestCount = 100;

/** An image with what is attached to it, and every tag that goes with them. */
export interface ImageUnit {
  /** The image first. */
  readonly members: readonly Digest[];
  readonly tags: readonly string[];
}

/**
 * Finds what is one unit with a manifest: what has it as subject, at any depth, and what the tags of
 * {@link attachmentTags} point to, unless another tag points there too. The children of an index are not in it.
 */
export async function findImageUnit(db: Store["db"], repository: string, digest: Digest): Promise<ImageUnit> {
  const unit = new Set<Digest>([digest]);
  const tags = new Set<string>();
  // The set grows while it is walked; members that are in it already do not come again, so circles end.
  for (const member of unit) {
    for (const referrer of await listReferrerDigests(db, repository, member)) unit.add(referrer);
    for (const tag of attachmentTags(member)) {
      const target = await findTag(db, repository, tag);
      if (target === undefined) continue;
      tags.add(tag);
      const others = (await listTagsOf(db, repository, target)).filter((name) => !tags.has(name));
      if (others.length === 0) unit.add(target);
    }
  }
  for (const member of unit) for (const tag of await listTagsOf(db, repository, member)) tags.add(tag);
  return { members: [...unit], tags: [...tags] };
}

/**
 * Deletes a manifest with its tags and with all that is attached to it: an image and its referrers are one unit.
 *
 * The children of an index stay. Whether it may go is asked before. Call it in a transaction.
 *
 * @returns what was deleted, the manifest first; empty where there was none
 */
export async function deleteImageUnit(db: Store["db"], deletion: Deletion): Promise<readonly Digest[]> {
  const { repository, digest, actor, cause } = deletion;
  if ((await findManifest(db, repository, digest)) === undefined) return [];
  const { members, tags } = await findImageUnit(db, repository, digest);
  const going = new Map<Digest, readonly string[]>();
  for (const member of members) going.set(member, await listTagsOf(db, repository, member));
  for (const tag of tags)
    await moveTag(db, { repository, tag, to: undefined, actor, ...(cause === undefined ? {} : { cause }) });
  // It can come back for as long as the trash keeps it.
  const reason = cause === "retention" ? "retention dropped it" : `${actor} deleted it`;
  await trashManifests(db, { repository, unit: digest, members: going, origin: "deleted", reason });
  await addAuditEvent(db, {
    actor,
    action: "image.deleted",
    subject: `${repository}@${digest}`,
    details: {
      deletedCount: members.length,
      deleted: members.slice(0, namedDigestCount),
      tags: tags.slice(0, namedDigestCount),
    },
  });
  return members;
}

/**
 * The index that has a manifest as a child, undefined where there is none.
 *
 * An index that is attached to the manifest itself does not count, nor one that only stands under referrers tags:
 * clients keep such lists for registries without the referrers API, and nobody keeps them true here.
 */
export async function findIndexOver(db: Store["db"], repository: string, digest: Digest): Promise<Digest | undefined> {
  for (const index of await listIndexesOver(db, repository, digest)) {
    if (index.subject === digest) continue;
    const tags = await listTagsOf(db, repository, index.digest);
    if (tags.length === 0 || !tags.every(isReferrersTag)) return index.digest;
  }
  return undefined;
}
