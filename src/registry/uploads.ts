import { nowMs } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import { type Digest } from "../model/digest.ts";
import { type Store } from "../store/store.ts";
import { countUploads, deleteUpload, findUpload, insertUpload, touchUpload } from "../store/upload-records.ts";
import { bodyChunks, hasBody } from "./body.ts";
import { type Answer, type Exchange, readDigest } from "./exchange.ts";
import { linkBlobWithin, refuseBlobOverQuota } from "./lifetime/quota.ts";
import { mountBlob } from "./mounts.ts";
import { parseContentRange } from "./ranges.ts";
import { isRefusal, refuse, type Refusal } from "./refusal.ts";

/** Uploads that may be open in one repository. */
const openUploadCount = 1000;

/** A push is written down at most this often, so that its session is not taken for abandoned. */
const touchEveryMs = 60_000;

/**
 * POST: mounts a blob, takes a whole one at once, or begins an upload.
 *
 * Source: OCI distribution spec, "Pushing a blob monolithically", "Pushing a blob in chunks", "Mounting a blob".
 */
export async function beginUpload(exchange: Exchange, repository: string): Promise<Answer | Refusal> {
  const { query, site, caller, message } = exchange;
  const { store } = site;
  const algorithm = query.get("digest-algorithm");
  if (algorithm !== null && algorithm !== "sha256" && algorithm !== "sha512")
    return refuse(
      "DIGEST_INVALID",
      `Cannot begin the upload: "${algorithm.slice(0, 50)}" is neither sha256 nor sha512`,
    );
  if (query.has("mount")) {
    const digest = readDigest(query.get("mount"));
    if (isRefusal(digest)) return digest;
    const isMounted = await mountBlob(exchange, { repository, digest, from: query.get("from") });
    if (isRefusal(isMounted)) return isMounted;
    if (isMounted) return created(repository, digest);
  } else if (query.has("digest")) {
    const expected = readDigest(query.get("digest"));
    if (isRefusal(expected)) return expected;
    return await store.blobs.holding([expected], async () => {
      const blob = await explained(async () => await store.blobs.put(bodyChunks(message, site.bounds), { expected }));
      if (isRefusal(blob)) return blob;
      const link = { repository, ...blob, actor: caller.name };
      const refusal = await store.transaction(async (db) => await linkBlobWithin(db, link));
      return refusal ?? created(repository, blob.digest);
    });
  }
  if ((await countUploads(store.db, repository)) >= openUploadCount)
    return refuse("TOOMANYREQUESTS", `Cannot begin the upload: "${repository}" has ${openUploadCount} open ones`, {
      headers: { "retry-after": "60" },
    });
  const id = await store.blobs.uploads.create();
  await insertUpload(store.db, { id, repository, account: caller.name });
  return { status: 202, headers: sessionHeaders({ repository, id, sizeBytes: 0 }) };
}

/** PATCH: adds a chunk; with a `Content-Range` it must begin where the upload ends. */
export async function continueUpload(exchange: Exchange, repository: string, id: string): Promise<Answer | Refusal> {
  return await alone(exchange, { repository, id }, async (session) => {
    const sizeBytes = await append(exchange, session);
    return isRefusal(sizeBytes) ? sizeBytes : { status: 202, headers: sessionHeaders({ repository, id, sizeBytes }) };
  });
}

/** PUT: adds the last chunk, if one comes with it, and makes the upload a blob. */
export async function finishUpload(exchange: Exchange, repository: string, id: string): Promise<Answer | Refusal> {
  const { query, site, message, caller } = exchange;
  const { store } = site;
  return await alone(exchange, { repository, id }, async (session) => {
    const expected = readDigest(query.get("digest"));
    if (isRefusal(expected)) return expected;
    const isLast = !hasBody(message) && message.headers["content-range"] === undefined;
    const sizeBytes = isLast ? session.sizeBytes : await append(exchange, session);
    if (isRefusal(sizeBytes)) return sizeBytes;
    const over = await refuseBlobOverQuota(store.db, { repository, digest: expected, sizeBytes, actor: caller.name });
    if (over !== undefined) {
      await dropUpload(store, id);
      return over;
    }
    // Held from the look at what is there until its row is written: in between nothing names it.
    return await store.blobs.holding([expected], async () => {
      const blob = await explained(async () => await store.blobs.uploads.finish(id, expected));
      // Its bytes are not what the client wanted, whatever it sends next.
      if (isRefusal(blob)) {
        if (blob.refusal === "DIGEST_INVALID") await dropUpload(store, id);
        return blob;
      }
      const refusal = await store.transaction(async (db) => {
        await deleteUpload(db, id);
        return await linkBlobWithin(db, { repository, ...blob, actor: caller.name });
      });
      return refusal ?? created(repository, blob.digest);
    });
  });
}

/** GET: how far an upload is. */
export async function describeUpload(exchange: Exchange, repository: string, id: string): Promise<Answer | Refusal> {
  const session = await findSession(exchange, { repository, id });
  return isRefusal(session) ? session : { status: 204, headers: sessionHeaders(session) };
}

/** DELETE: drops an upload. */
export async function cancelUpload(exchange: Exchange, repository: string, id: string): Promise<Answer | Refusal> {
  return await alone(exchange, { repository, id }, async () => {
    await dropUpload(exchange.site.store, id);
    return { status: 204, headers: {} };
  });
}

interface SessionName {
  readonly repository: string;
  readonly id: string;
}

interface Session extends SessionName {
  readonly sizeBytes: number;
  readonly touchedAt: number;
}

/** An upload belongs to who began it, in the repository where it began; to anyone else it does not exist. */
async function findSession({ site, caller }: Exchange, { repository, id }: SessionName): Promise<Session | Refusal> {
  const upload = await findUpload(site.store.db, id);
  const isOwn = upload?.repository === repository && upload.account === caller.name;
  const sizeBytes = isOwn ? await site.store.blobs.uploads.sizeOf(id) : undefined;
  if (upload === undefined || sizeBytes === undefined)
    return refuse("BLOB_UPLOAD_UNKNOWN", `Cannot find that upload in "${repository}": it has ended or never began`);
  return { repository, id, sizeBytes, touchedAt: upload.touchedAt };
}

/** Works on an upload that nobody else is working on: what its size was stays true until the work is done. */
async function alone(
  exchange: Exchange,
  name: SessionName,
  work: (session: Session) => Promise<Answer | Refusal>,
): Promise<Answer | Refusal> {
  const { busyUploads } = exchange.site;
  if (busyUploads.has(name.id))
    return refuse("BLOB_UPLOAD_INVALID", "Cannot work on that upload: another request is at it", { status: 409 });
  busyUploads.add(name.id);
  try {
    const session = await findSession(exchange, name);
    return isRefusal(session) ? session : await work(session);
  } finally {
    busyUploads.delete(name.id);
  }
}

/** Adds a request's body to an upload; gives the new size in bytes. */
async function append({ site, message }: Exchange, session: Session): Promise<number | Refusal> {
  const { id, sizeBytes, touchedAt } = session;
  const { uploads } = site.store.blobs;
  const end = expectedEnd(message.headers, session);
  if (isRefusal(end)) return end;
  if (nowMs() - touchedAt > touchEveryMs) await touchUpload(site.store.db, id);
  const after = await explained(async () => await uploads.append(id, bodyChunks(message, site.bounds), end));
  if (isRefusal(after)) return after;
  if (end !== undefined && after !== end)
    return refuse(
      "SIZE_INVALID",
      `Cannot take the chunk whole: its range ends at ${end - 1}, but ${after - sizeBytes} bytes came`,
      {
        headers: sessionHeaders({ ...session, sizeBytes: after }),
      },
    );
  return after;
}

/** The size that an upload has after a chunk with a `Content-Range`; undefined for a chunk without one, as docker sends. */
function expectedEnd(headers: Exchange["message"]["headers"], session: Session): number | undefined | Refusal {
  const header = headers["content-range"];
  if (header === undefined) return undefined;
  const range = parseContentRange(header);
  if (range === undefined)
    return refuse("BLOB_UPLOAD_INVALID", `Cannot take the chunk: "${header.slice(0, 100)}" is not a range`);
  if (range.start !== session.sizeBytes)
    return refuse(
      "BLOB_UPLOAD_INVALID",
      `Cannot take the chunk: it begins at ${range.start}, the upload has ${session.sizeBytes} bytes`,
      {
        status: 416,
        headers: sessionHeaders(session),
      },
    );
  const length = headers["content-length"];
  if (length !== undefined && Number(length) !== range.end - range.start + 1)
    return refuse(
      "SIZE_INVALID",
      `Cannot take the chunk: it has ${length} bytes, its range ${range.end - range.start + 1}`,
    );
  return range.end + 1;
}

async function dropUpload(store: Store, id: string): Promise<void> {
  await store.blobs.uploads.abort(id);
  await deleteUpload(store.db, id);
}

/** The path is relative: only the client knows by which name and scheme it reaches us. */
function sessionHeaders({
  repository,
  id,
  sizeBytes,
}: SessionName & { readonly sizeBytes: number }): Record<string, string> {
  return {
    location: `/v2/${repository}/blobs/uploads/${id}`,
    range: `0-${Math.max(0, sizeBytes - 1)}`,
    "docker-upload-uuid": id,
  };
}

function created(repository: string, digest: Digest): Answer {
  return { status: 201, headers: { location: `/v2/${repository}/blobs/${digest}`, "docker-content-digest": digest } };
}

/** The blob store's failures in the registry's words. */
async function explained<T>(work: () => Promise<T>): Promise<T | Refusal> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    if (error.code === "digest_mismatch") return refuse("DIGEST_INVALID", error.message);
    if (error.code === "too_large") return refuse("SIZE_INVALID", error.message);
    if (error.code === "conflict") return refuse("BLOB_UPLOAD_INVALID", error.message, { status: 409 });
    if (error.code === "not_found") return refuse("BLOB_UPLOAD_UNKNOWN", error.message);
    throw error;
  }
}
