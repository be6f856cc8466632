import { type Digest } from "../model/digest.ts";
import { isRepository } from "../model/reference.ts";
import { findBlobLink, linkBlobRecord, listRepositoriesOfBlob } from "../store/blob-link-records.ts";
import { type Exchange } from "./exchange.ts";

interface Mount {
  readonly repository: string;
  readonly digest: Digest;
  /** Null asks for any repository. */
  readonly from: string | null;
}

/** Repositories of one look while searching where a blob may be mounted from. */
const pageCount = 200;

/**
 * Links a blob that the caller may pull elsewhere; false where there is none, and the client has to push it.
 *
 * False does not tell whether the blob is missing or hidden: the answer must not say what others have.
 * Source: OCI distribution spec, "Mounting a blob from another repository".
 */
export async function mountBlob(exchange: Exchange, mount: Mount): Promise<boolean> {
  const { repository, digest } = mount;
  const { store } = exchange.site;
  const source = await findSource(exchange, mount);
  if (source === undefined || (await store.blobs.stat(digest)) === undefined) return false;
  return await store.transaction(async (db) => {
    const link = await findBlobLink(db, source, digest);
    if (link === undefined) return false;
    await linkBlobRecord(db, { repository, digest, sizeBytes: link.sizeBytes });
    return true;
  });
}

async function findSource({ site, caller }: Exchange, { digest, from }: Mount): Promise<string | undefined> {
  const mayPull = (repository: string): boolean => site.access.may(caller, repository, "pull");
  if (from !== null) return isRepository(from) && mayPull(from) ? from : undefined;
  for (let after = ""; ;) {
    const page = await listRepositoriesOfBlob(site.store.db, digest, { after, limit: pageCount });
    const found = page.find(mayPull);
    if (found !== undefined || page.length < pageCount) return found;
    after = page.at(-1)!;
  }
}
