import { type Digest } from "../model/digest.ts";
import { addAuditEvent } from "../store/event-records.ts";
import { deleteManifest, findManifest, listReferrerDigests } from "../store/manifest-records.ts";
import { type Store } from "../store/store.ts";
import { findTag, listTagsOf, moveTag } from "../store/tag-records.ts";
import { attachmentTags } from "./manifest-document.ts";

interface Deletion {
  readonly repository: string;
  readonly digest: Digest;
  readonly actor: string;
}

/** Digests that an event names; the whole number is in it too. */
const namedDigestCount = 100;

/**
 * Deletes a manifest with its tags and with all that is attached to it: an image and its referrers are one unit.
 *
 * Attached is what has it as subject, at any depth, and what the tags of {@link attachmentTags} point to, unless
 * another tag points there too. The children of an index stay. Call it in a transaction.
 *
 * @returns what was deleted, the manifest first; empty where there was none
 */
export async function deleteImageUnit(db: Store["db"], { repository, digest, actor }: Deletion): Promise<Digest[]> {
  if ((await findManifest(db, repository, digest)) === undefined) return [];
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
  for (const tag of tags) await moveTag(db, { repository, tag, to: undefined, actor });
  for (const member of unit) await deleteManifest(db, repository, member);
  const deleted = [...unit];
  await addAuditEvent(db, {
    actor,
    action: "image.deleted",
    subject: `${repository}@${digest}`,
    details: {
      deletedCount: deleted.length,
      deleted: deleted.slice(0, namedDigestCount),
      tags: [...tags].slice(0, namedDigestCount),
    },
  });
  return deleted;
}
