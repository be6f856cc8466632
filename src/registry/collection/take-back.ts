import { type Digest } from "../../model/digest.ts";
import { findBlobLink, type FoundBlobLink } from "../../store/blob-link-records.ts";
import { isLinkInTrash, restoreCollected, restoreLinks } from "../../store/collection-trash-records.ts";
import { type Store } from "../../store/store.ts";

/**
 * Puts a blob that a collection took from a repository back, where it is still in the trash; no bytes travel.
 *
 * Whoever asks whether a blob is there is about to count on it. What somebody deleted does not come back so.
 */
export async function takeBackBlob(
  store: Store,
  repository: string,
  digest: Digest,
): Promise<FoundBlobLink | undefined> {
  if (!(await isLinkInTrash(store.db, repository, digest))) return undefined;
  return await store.transaction(async (db) => {
    await restoreLinks(db, { repository, digests: [digest], origins: ["collected"] });
    return await findBlobLink(db, repository, digest);
  });
}

/** Puts the parts of a manifest back that a collection took from its repository; whether there were any. Call it in a transaction. */
export async function takeBackParts(db: Store["db"], repository: string, parts: readonly Digest[]): Promise<boolean> {
  const manifests = await restoreCollected(db, repository, parts);
  const links = await restoreLinks(db, { repository, digests: parts, origins: ["collected"] });
  return manifests.length + links.length > 0;
}
