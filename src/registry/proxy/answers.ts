import { mediaTypes } from "../../model/oci.ts";
import { type Answer, type Exchange, type Handler, jsonAnswer, nextLink, readDigest, readPage } from "../exchange.ts";
import { type DistributionPath } from "../path.ts";
import { isRefusal, refuse, type Refusal } from "../refusal.ts";
import { type Upstreams } from "./upstreams.ts";

/** A request about a repository whose content comes from elsewhere. */
export interface ProxiedRequest {
  readonly exchange: Exchange;
  readonly upstreams: Upstreams;
  readonly named: DistributionPath & { readonly repository: string };
  readonly action: "pull" | "push" | "delete";
  /** Whether the name was that of another registry, which is told back. */
  readonly isMirrored: boolean;
  /** What answers from the store. */
  readonly handle: Handler;
}

/** Entries of one page of tags. */
const tagPageCount = 10_000;

/**
 * The path that a client means who names the registry whose mirror it takes us for; others stay as they are.
 *
 * Source: containerd's registry hosts, the query parameter `ns`.
 */
export async function mirroredPath<Named extends DistributionPath>(
  upstreams: Upstreams | undefined,
  named: Named,
  query: string,
): Promise<Named> {
  if (upstreams === undefined || !("repository" in named) || !query.includes("ns=")) return named;
  const host = new URLSearchParams(query).get("ns") ?? "";
  const repository = host === "" ? undefined : await upstreams.mirrorOf(host, named.repository);
  return repository === undefined ? named : { ...named, repository };
}

/** Answers from the store what the peer has; nothing is pushed into a proxy cache, deleting makes room in it. */
export async function answerProxied(request: ProxiedRequest): Promise<Answer | Refusal> {
  const { exchange, named, action } = request;
  if (action === "push")
    return refuse("UNSUPPORTED", `Cannot push into "${named.repository}": the project is a proxy cache`, {
      headers: { allow: "GET, HEAD, DELETE" },
    });
  if (action === "delete") return await request.handle(exchange);
  const answer = await read(request);
  const host = exchange.query.get("ns") ?? "";
  if (isRefusal(answer) || !request.isMirrored) return answer;
  return { ...answer, headers: { ...answer.headers, "oci-namespace": host } };
}

async function read({ exchange, upstreams, named, handle }: ProxiedRequest): Promise<Answer | Refusal> {
  const { repository } = named;
  switch (named.kind) {
    case "manifest": {
      const ready = await upstreams.manifest(repository, named.reference);
      if (isRefusal(ready)) return ready;
      const answer = await handle(exchange);
      return isRefusal(answer) ? answer : { ...answer, headers: { ...answer.headers, ...ready.headers } };
    }
    case "blob": {
      const stored = await handle(exchange);
      if (!isRefusal(stored) || stored.refusal !== "BLOB_UNKNOWN") return stored;
      const digest = readDigest(named.digest);
      if (isRefusal(digest)) return digest;
      const hasRange = exchange.request.headers.range !== undefined;
      const answer = await upstreams.blob(repository, digest, { isHead: exchange.isHead, hasRange });
      return answer === "stored" ? await handle(exchange) : answer;
    }
    case "tags": {
      const tags = await upstreams.tags(repository);
      return tags === undefined ? await handle(exchange) : pageOfTags(exchange, repository, tags);
    }
    case "referrers": {
      const subject = readDigest(named.digest);
      const found = isRefusal(subject) ? undefined : await upstreams.referrers(repository, subject);
      return found === undefined ? await handle(exchange) : referrersAnswer(exchange, found);
    }
    default:
      return await handle(exchange);
  }
}

function pageOfTags({ query }: Exchange, repository: string, all: readonly string[]): Answer | Refusal {
  const page = readPage(query, tagPageCount);
  if (isRefusal(page)) return page;
  const { after, limit } = page;
  const rest = all.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0)).filter((tag) => tag > after);
  const tags = rest.slice(0, limit);
  const hasMore = limit > 0 && rest.length > limit;
  const link = hasMore ? nextLink(`/v2/${repository}/tags/list`, { n: String(limit), last: tags.at(-1)! }) : {};
  return jsonAnswer({ name: repository, tags }, link);
}

function referrersAnswer({ query }: Exchange, found: NonNullable<Awaited<ReturnType<Upstreams["referrers"]>>>): Answer {
  const artifactType = query.get("artifactType") || undefined;
  const manifests = found.filter((one) => artifactType === undefined || one.artifactType === artifactType);
  return jsonAnswer(
    { schemaVersion: 2, mediaType: mediaTypes.index, manifests },
    {
      "content-type": mediaTypes.index,
      ...(artifactType === undefined ? {} : { "oci-filters-applied": "artifactType" }),
    },
  );
}
