import { z } from "zod";
import { Failure } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { type Digest, parseDigest } from "../../model/digest.ts";
import { type Descriptor, mediaTypes } from "../../model/oci.ts";
import { isRepository, isTag } from "../../model/reference.ts";
import { attachmentTags, digestOf } from "../manifest-document.ts";
import { openSession, type PeerAddress, refusedBy, type Session } from "./session.ts";

/** A manifest at a peer without its bytes. */
interface RemoteManifestHead {
  readonly digest: Digest;
  readonly mediaType: string;
}

/** A manifest of a peer; its bytes have the digest. */
interface RemoteManifest extends RemoteManifestHead {
  readonly bytes: Buffer;
}

/** Another registry, asked by the OCI distribution protocol. What is not there is undefined; refusals are Failures. */
export interface RemoteRegistry {
  readonly session: Session;
  /** Signs in at `/v2/`. @throws Failure `forbidden` where the credentials do not count */
  ping(signal?: AbortSignal): Promise<void>;
  /** The repositories that the account sees, at most `limit`; undefined where the peer offers no catalog. */
  repositories(limit: number, signal?: AbortSignal): Promise<string[] | undefined>;
  tags(repository: string, signal?: AbortSignal): Promise<string[] | undefined>;
  headManifest(repository: string, reference: string, signal?: AbortSignal): Promise<RemoteManifestHead | undefined>;
  /** @throws Failure `digest_mismatch` where the bytes are others than the reference or the peer says */
  getManifest(repository: string, reference: string, signal?: AbortSignal): Promise<RemoteManifest | undefined>;
  /** What is attached to a manifest: by the API, else by the fallback tag. */
  referrers(repository: string, subject: Digest, signal?: AbortSignal): Promise<RemoteReferrers>;
  /** The size of a blob in bytes. */
  headBlob(repository: string, digest: Digest, signal?: AbortSignal): Promise<number | undefined>;
  /** Stores a manifest under a tag or its digest; tells whether the peer keeps referrers by itself. */
  putManifest(manifest: PutManifest, signal?: AbortSignal): Promise<{ readonly keepsReferrers: boolean }>;
  /** Deletes a tag or a manifest; false where there was none. */
  deleteManifest(repository: string, reference: string, signal?: AbortSignal): Promise<boolean>;
  close(): void;
}

/** A manifest to store at a peer. */
interface PutManifest {
  readonly repository: string;
  readonly reference: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** Referrers, and how they were found. */
interface RemoteReferrers {
  readonly descriptors: readonly Descriptor[];
  readonly by: "api" | "tag";
}

const acceptHeader = [mediaTypes.index, mediaTypes.manifest, mediaTypes.dockerIndex, mediaTypes.dockerManifest].join(
  ", ",
);

/** Pages of one listing; a peer whose pages never end is cut off. */
const pagesMax = 1000;
const referrersMax = 10_000;

/** Opens a conversation with a registry. @throws Failure `usage` for an address that is none */
export function openRemote(peer: PeerAddress): RemoteRegistry {
  const session = openSession(peer);
  return {
    session,
    async ping(signal) {
      const answer = await session.send({ method: "GET", target: "/v2/", scopes: [], signal });
      if (answer.status !== 200) throw await refusedBy(session, answer, "sign in");
      answer.discard();
    },
    repositories: async (limit, signal) => await listRepositories(session, limit, signal),
    tags: async (repository, signal) => await listTags(session, repository, signal),
    headManifest: async (repository, reference, signal) => await head(session, { repository, reference, signal }),
    getManifest: async (repository, reference, signal) => await get(session, { repository, reference, signal }),
    referrers: async (repository, subject, signal) => await findReferrers(session, { repository, subject, signal }),
    async headBlob(repository, digest, signal) {
      const target = `/v2/${repository}/blobs/${digest}`;
      const answer = await session.send({ method: "HEAD", target, scopes: pullScope(repository), signal });
      answer.discard();
      if (answer.status === 404) return undefined;
      if (answer.status !== 200) throw await refusedBy(session, answer, `look at the blob ${digest}`);
      return Number(answer.headers["content-length"] ?? Number.NaN);
    },
    putManifest: async (manifest, signal) => await put(session, manifest, signal),
    deleteManifest: async (repository, reference, signal) => await remove(session, { repository, reference, signal }),
    close: () => session.close(),
  };
}

/** The right to read a repository. Source: distribution's token scopes. */
export function pullScope(repository: string): string[] {
  return [`repository:${repository}:pull`];
}

/** The right to write a repository. */
export function pushScope(repository: string): string[] {
  return [`repository:${repository}:pull,push`];
}

interface Asked {
  readonly repository: string;
  readonly reference: string;
  readonly signal: AbortSignal | undefined;
}

async function head(
  session: Session,
  { repository, reference, signal }: Asked,
): Promise<RemoteManifestHead | undefined> {
  const answer = await session.send({
    method: "HEAD",
    target: `/v2/${repository}/manifests/${reference}`,
    scopes: pullScope(repository),
    headers: { accept: acceptHeader },
    signal,
  });
  answer.discard();
  if (answer.status === 404) return undefined;
  if (answer.status !== 200) throw await refusedBy(session, answer, `look at "${repository}:${reference}"`);
  const digest = parseDigest(String(answer.headers["docker-content-digest"] ?? ""));
  if (digest !== undefined) return { digest, mediaType: typeOf(answer.headers["content-type"]) };
  // Some registries keep the digest to themselves: then the bytes have to tell it.
  return await get(session, { repository, reference, signal });
}

async function get(session: Session, { repository, reference, signal }: Asked): Promise<RemoteManifest | undefined> {
  const answer = await session.send({
    method: "GET",
    target: `/v2/${repository}/manifests/${reference}`,
    scopes: pullScope(repository),
    headers: { accept: acceptHeader },
    signal,
  });
  if (answer.status === 404) {
    answer.discard();
    return undefined;
  }
  if (answer.status !== 200) throw await refusedBy(session, answer, `read "${repository}:${reference}"`);
  const bytes = await answer.read(limits.manifestBytes);
  const claimed = parseDigest(reference) ?? parseDigest(String(answer.headers["docker-content-digest"] ?? ""));
  const digest = digestOf(bytes, claimed);
  if (claimed !== undefined && claimed !== digest)
    throw new Failure(
      "digest_mismatch",
      `Cannot take the manifest ${claimed} of "${session.url.host}": its bytes have the digest ${digest}`,
    );
  return { digest, mediaType: typeOf(answer.headers["content-type"]), bytes };
}

function typeOf(header: string | undefined): string {
  return header?.split(";")[0]?.trim().toLowerCase() ?? "";
}

async function put(
  session: Session,
  { repository, reference, mediaType, bytes }: PutManifest,
  signal: AbortSignal | undefined,
): Promise<{ keepsReferrers: boolean }> {
  const answer = await session.send({
    method: "PUT",
    target: `/v2/${repository}/manifests/${reference}`,
    scopes: pushScope(repository),
    headers: { "content-type": mediaType, "content-length": String(bytes.byteLength) },
    body: async function* () {
      yield bytes;
    },
    signal,
  });
  if (answer.status !== 201 && answer.status !== 200)
    throw await refusedBy(session, answer, `store "${repository}:${reference}"`);
  answer.discard();
  return { keepsReferrers: answer.headers["oci-subject"] !== undefined };
}

async function remove(session: Session, { repository, reference, signal }: Asked): Promise<boolean> {
  const answer = await session.send({
    method: "DELETE",
    target: `/v2/${repository}/manifests/${reference}`,
    scopes: [`repository:${repository}:pull,push,delete`],
    isRepeatable: true,
    signal,
  });
  if (answer.status === 404) {
    answer.discard();
    return false;
  }
  if (answer.status !== 202 && answer.status !== 200 && answer.status !== 204)
    throw await refusedBy(session, answer, `delete "${repository}:${reference}"`);
  answer.discard();
  return true;
}

const catalogForm = z.object({ repositories: z.array(z.string()).nullish() });
const tagsForm = z.object({ tags: z.array(z.string()).nullish() });
const referrersForm = z.object({
  manifests: z.array(
    z.object({
      mediaType: z.string().min(1),
      digest: z.string(),
      size: z.int().nonnegative(),
      artifactType: z.string().exactOptional(),
      annotations: z.record(z.string(), z.string()).exactOptional(),
    }),
  ),
});

async function listRepositories(
  session: Session,
  limit: number,
  signal: AbortSignal | undefined,
): Promise<string[] | undefined> {
  const found: string[] = [];
  const pages = readPages(session, { target: "/v2/_catalog?n=500", scopes: ["registry:catalog:*"], signal });
  for await (const page of pages) {
    if (page === undefined) return undefined;
    found.push(...(catalogForm.safeParse(page).data?.repositories ?? []).filter(isRepository));
    if (found.length >= limit) break;
  }
  return found.slice(0, limit);
}

async function listTags(
  session: Session,
  repository: string,
  signal: AbortSignal | undefined,
): Promise<string[] | undefined> {
  const found: string[] = [];
  const target = `/v2/${repository}/tags/list?n=1000`;
  for await (const page of readPages(session, { target, scopes: pullScope(repository), signal })) {
    if (page === undefined) return undefined;
    found.push(...(tagsForm.safeParse(page).data?.tags ?? []).filter(isTag));
  }
  return found;
}

async function findReferrers(
  session: Session,
  { repository, subject, signal }: { repository: string; subject: Digest; signal: AbortSignal | undefined },
): Promise<RemoteReferrers> {
  const descriptors: Descriptor[] = [];
  const target = `/v2/${repository}/referrers/${subject}`;
  for await (const page of readPages(session, { target, scopes: pullScope(repository), signal })) {
    if (page === undefined)
      return { descriptors: await taggedReferrers(session, { repository, subject, signal }), by: "tag" };
    descriptors.push(...descriptorsOf(page));
    if (descriptors.length > referrersMax)
      throw new Failure("too_large", `Cannot read the referrers of ${subject}: there are more than ${referrersMax}`);
  }
  return { descriptors, by: "api" };
}

/** Source: OCI distribution spec, "Referrers Tag Schema". */
async function taggedReferrers(
  session: Session,
  { repository, subject, signal }: { repository: string; subject: Digest; signal: AbortSignal | undefined },
): Promise<Descriptor[]> {
  const [reference = ""] = attachmentTags(subject);
  const index = await get(session, { repository, reference, signal });
  return index?.mediaType === mediaTypes.index ? descriptorsOf(parseJson(index.bytes)) : [];
}

function descriptorsOf(page: unknown): Descriptor[] {
  return (referrersForm.safeParse(page).data?.manifests ?? []).flatMap((entry) => {
    const digest = parseDigest(entry.digest);
    return digest === undefined ? [] : [{ ...entry, digest }];
  });
}

interface Listing {
  readonly target: string;
  readonly scopes: readonly string[];
  readonly signal: AbortSignal | undefined;
}

/** The pages of a listing as JSON; one undefined where the peer does not have it. Source: RFC 8288. */
async function* readPages(session: Session, { target, scopes, signal }: Listing): AsyncGenerator {
  let next: string | undefined = target;
  for (let count = 0; next !== undefined; count++) {
    if (count >= pagesMax)
      throw new Failure("upstream_unreachable", `Cannot list at "${session.url.host}": its pages do not end`);
    const answer = await session.send({ method: "GET", target: next, scopes, signal });
    if (answer.status === 404 || answer.status === 405 || answer.status === 501) {
      answer.discard();
      yield undefined;
      return;
    }
    if (answer.status !== 200) throw await refusedBy(session, answer, `list "${target.split("?")[0]}"`);
    const { link } = answer.headers;
    yield parseJson(await answer.read(limits.manifestBytes * 4));
    const [, path] =
      /<([^>]{1,4096})>\s*;\s*rel="?next"?/.exec(Array.isArray(link) ? link.join(",") : (link ?? "")) ?? [];
    // A page is looked for where the listing is, whatever host the peer believes it has.
    const url: URL | undefined | null =
      path === undefined ? undefined : URL.parse(path, new URL(next, session.url).href);
    next = url === undefined || url === null ? undefined : `${url.pathname}${url.search}`;
  }
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}
