import { type Digest } from "../model/digest.ts";
import { isRepository } from "../model/reference.ts";
import { findBlobLink, listRepositoriesOfBlob } from "../store/blob-link-records.ts";
import { askForWiderToken } from "./access.ts";
import { takeBackBlob } from "./collection/take-back.ts";
import { type Exchange } from "./exchange.ts";
import { linkBlobWithin } from "./lifetime/quota.ts";
import { type Refusal } from "./refusal.ts";

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
 * False does not tell whether the blob is missing or hidden: the answer must not say what others have. A client whose
 * account may pull the source but whose token is for the target alone is refused, so that it gets a wider token.
 * Source: OCI distribution spec, "Mounting a blob from another repository".
 */
export async function mountBlob(exchange: Exchange, mount: Mount): Promise<boolean | Refusal> {
  const { repository, digest } = mount;
  const { site, caller, request } = exchange;
  const { store } = site;
  if ((await takeBackBlob(store, repository, digest)) !== undefined) return true;
  const source = await findSource(exchange, mount);
  if (source === undefined || (await store.blobs.stat(digest)) === undefined) return false;
  if (!site.access.may(caller, source, "pull"))
    return askForWiderToken(site.access, request, [`repository:${repository}:pull,push`, `repository:${source}:pull`]);
  return await store.transaction(async (db) => {
    const link = await findBlobLink(db, source, digest);
    if (link === undefined) return false;
    const claim = { repository, digest, sizeBytes: link.sizeBytes, actor: caller.name };
    return (await linkBlobWithin(db, claim)) ?? true;
  });
}

/** A repository that has the blob and that the account may pull; one that the token covers too is preferred. */
async function findSource({ site, caller }: Exchange, { digest, from }: Mount): Promise<string | undefined> {
  const { db } = site.store;
  const accountMay = (repository: string): boolean => site.access.accountMay(caller, repository, "pull");
  if (from !== null) {
    const isOpen = isRepository(from) && accountMay(from);
    if (!isOpen) return undefined;
    const link = (await findBlobLink(db, from, digest)) ?? (await takeBackBlob(site.store, from, digest));
    return link === undefined ? undefined : from;
  }
  let beyondToken: string | undefined;
  for (let after = ""; ;) {
    const page = await listRepositoriesOfBlob(db, digest, { after, limit: pageCount });
    const found = page.find((repository) => site.access.may(caller, repository, "pull"));
    if (found !== undefined) return found;
    beyondToken ??= page.find(accountMay);
    if (page.length < pageCount) return beyondToken;
    after = page.at(-1)!;
  }
}
