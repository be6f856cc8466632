import { mediaTypes } from "../model/oci.ts";
import { listReferrers } from "../store/manifest-records.ts";
import { hasRepository, listRepositories } from "../store/repository-records.ts";
import { listTags } from "../store/tag-records.ts";
import { admitToBase } from "./access.ts";
import { type Answer, type Exchange, jsonAnswer, nextLink, readDigest, readPage } from "./exchange.ts";
import { isRefusal, refuse, type Refusal } from "./refusal.ts";

/** Entries of one page of tags, also where the client asks for more or for no number. */
const tagPageCount = 10_000;

/** Entries of one page of the catalog. */
const catalogPageCount = 1000;

/** Entries of one page of referrers, and the most bytes of annotations in it. */
const referrersPage = { limit: 1000, limitBytes: 2 * 1024 * 1024 };

/** GET of the tags of a repository, in ASCII order. Source: OCI distribution spec, "Listing Tags". */
export async function getTags({ site, query }: Exchange, repository: string): Promise<Answer | Refusal> {
  const { db } = site.store;
  const page = readPage(query, tagPageCount);
  if (isRefusal(page)) return page;
  const { after, limit } = page;
  const found = await listTags(db, repository, { after, limit: limit + 1 });
  if (found.length === 0 && !(await hasRepository(db, repository)))
    return refuse("NAME_UNKNOWN", `Cannot list the tags of "${repository}": there is no such repository`);
  const tags = found.slice(0, limit);
  const hasMore = limit > 0 && found.length > limit;
  const link = hasMore ? nextLink(`/v2/${repository}/tags/list`, { n: String(limit), last: tags.at(-1)! }) : {};
  return jsonAnswer({ name: repository, tags }, link);
}

/**
 * GET of the repositories that the caller may list, in ASCII order; who sees none without an account is asked for one.
 *
 * Source: distribution's HTTP API, "Catalog"; the OCI spec has none.
 */
export async function getCatalog({ site, query, caller, request }: Exchange): Promise<Answer | Refusal> {
  const page = readPage(query, catalogPageCount);
  if (isRefusal(page)) return page;
  const { limit } = page;
  const repositories: string[] = [];
  let after = page.after;
  for (let isLast = false; !isLast && repositories.length <= limit;) {
    const found = await listRepositories(site.store.db, { after, limit: catalogPageCount });
    repositories.push(...found.filter((repository) => site.access.may(caller, repository, "list")));
    isLast = found.length < catalogPageCount;
    after = found.at(-1) ?? after;
  }
  const shown = repositories.slice(0, limit);
  const refused = shown.length > 0 ? undefined : admitToBase(site.access, { request, caller }, "registry:catalog:*");
  if (refused !== undefined) return refused;
  const hasMore = limit > 0 && repositories.length > limit;
  return jsonAnswer(
    { repositories: shown },
    hasMore ? nextLink("/v2/_catalog", { n: String(limit), last: shown.at(-1)! }) : {},
  );
}

/**
 * GET of what refers to a manifest, as an index; an empty one where nothing does or nothing is there.
 *
 * Pages are cut by digest, so that a new referrer moves none of the others from page to page.
 * Source: OCI distribution spec, "Listing Referrers".
 */
export async function getReferrers(
  { site, query }: Exchange,
  repository: string,
  digestText: string,
): Promise<Answer | Refusal> {
  const subject = readDigest(digestText);
  if (isRefusal(subject)) return subject;
  // An empty filter is none.
  const artifactType = query.get("artifactType") || undefined;
  const page = { repository, subject, artifactType, after: query.get("last") ?? "", ...referrersPage };
  const { descriptors, hasMore } = await listReferrers(site.store.db, page);
  const parameters = {
    ...(artifactType === undefined ? {} : { artifactType }),
    last: descriptors.at(-1)?.digest ?? "",
  };
  return jsonAnswer(
    { schemaVersion: 2, mediaType: mediaTypes.index, manifests: descriptors },
    {
      "content-type": mediaTypes.index,
      ...(artifactType === undefined ? {} : { "oci-filters-applied": "artifactType" }),
      ...(hasMore ? nextLink(`/v2/${repository}/referrers/${subject}`, parameters) : {}),
    },
  );
}
