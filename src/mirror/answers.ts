import { Failure } from "../base/errors.ts";
import { deleteMirrorEntry, type MirrorEntry } from "../store/mirror-entry-records.ts";
import { deleteMirrorRendering } from "../store/mirror-rendering-records.ts";
import { parseClaim } from "./claims.ts";
import { type Exchange, type MirrorAnswer, type MirrorRead, type Outcome } from "./contract.ts";
import { type Ask, type DocumentAsk, type FileAsk, type FixedAsk, type Format, type Subject } from "./format.ts";
import { type FileWish } from "./file-download.ts";
import { findFile, type FoundFile } from "./leaf-files.ts";
import { isDiskFull } from "./kept-entries.ts";
import { type DocumentWish, findRendering, type FoundRendering } from "./renderings.ts";
import { type Leaf } from "./repositories.ts";
import { pathProblem } from "./request-path.ts";
import { serve, type Served } from "./serve.ts";
import { isOfUpstream, type Site } from "./site.ts";
import { judgeFile } from "./verdicts.ts";

/** Answers a read of a repository that exists; failures of upstreams are answers too. */
export async function answerRead(site: Site, asked: Leaf, read: MirrorRead): Promise<MirrorAnswer> {
  const problem = pathProblem(read.path);
  const ask: Ask =
    problem === undefined
      ? asked.format.classify({ path: read.path, query: read.query, accept: read.headers.accept ?? "" })
      : { kind: "refused", status: 400, reason: problem };
  const reply: Reply = {
    site,
    asked,
    read,
    key: keyOf(ask, read),
    subject: "subject" in ask ? ask.subject : undefined,
  };
  try {
    switch (ask.kind) {
      case "refused":
        return denied(reply, { status: ask.status, message: ask.reason, outcome: "fixed" });
      case "fixed":
        return fixed(reply, ask);
      case "file":
        return await file(reply, ask);
      case "document":
        return await document(reply, ask);
    }
  } catch (error) {
    if (!isOfUpstream(error)) throw error;
    return failed(reply, error);
  }
}

/** What an answer is made with. */
interface Reply {
  readonly site: Site;
  readonly asked: Leaf;
  readonly read: MirrorRead;
  readonly key: string;
  readonly subject: Subject | undefined;
}

function keyOf(ask: Ask, { path }: MirrorRead): string {
  if (ask.kind === "file") return ask.key;
  return ask.kind === "document" ? `${ask.source}#${ask.variant}` : path;
}

function fixed(reply: Reply, ask: FixedAsk): MirrorAnswer {
  const { read } = reply;
  const body = Buffer.from(ask.body(read.base, read.actor));
  const headers = {
    ...ask.headers,
    "content-type": ask.mediaType,
    "content-length": String(body.length),
    "cache-control": "no-cache",
  };
  return answer(
    reply,
    { status: ask.status, headers, body: read.method === "HEAD" ? undefined : body },
    { outcome: "fixed" },
  );
}

async function file(reply: Reply, ask: FileAsk): Promise<MirrorAnswer> {
  const { site, asked, read } = reply;
  const wish = { ask, isHead: read.method === "HEAD", isWhole: read.headers.range !== undefined };
  let failure: Failure | undefined;
  for (const leaf of site.repositories.leaves(asked.settings.name)) {
    if (leaf.settings.kind === "proxy" && (await isReserved(site, leaf, ask.subject))) continue;
    try {
      const reason = await judgeFile(site, { asked, leaf }, ask.subject);
      if (reason !== undefined) return denied(reply, { status: 403, message: reason, outcome: "denied" });
      const given = await giveFile(reply, leaf, wish);
      if (given !== undefined) return given;
    } catch (error) {
      // What its ecosystem does not vouch for is told, not looked for elsewhere.
      if (!(isOfUpstream(error) || isDiskFull(error)) || error.code === "digest_mismatch") throw error;
      failure ??= error;
    }
  }
  if (failure !== undefined) throw failure;
  return missing(reply);
}

/** What was put aside as damaged, or lost, is fetched again. */
async function giveFile(reply: Reply, leaf: Leaf, wish: FileWish): Promise<MirrorAnswer | undefined> {
  const { site } = reply;
  const found = await findFile(site, leaf, wish);
  if (found === undefined) return undefined;
  try {
    return await foundFile(reply, wish.ask, found);
  } catch (error) {
    if (found.state !== "stored" || leaf.settings.kind === "hosted" || !isLost(error)) throw error;
    const { repository, key, digest } = found.entry;
    site.log.error({ repository, key, digest }, "a file of the mirror is missing from the blob store");
    await deleteMirrorEntry(site.store.db, found.entry);
    const again = await findFile(site, leaf, wish);
    return again === undefined ? undefined : await foundFile(reply, wish.ask, again);
  }
}

function isLost(error: unknown): boolean {
  return error instanceof Failure && error.code === "not_found";
}

async function isReserved(site: Site, leaf: Leaf, subject: Subject | undefined): Promise<boolean> {
  return subject !== undefined && (await site.repositories.isReserved(leaf.settings.name, subject.name));
}

async function foundFile(reply: Reply, ask: FileAsk, found: FoundFile): Promise<MirrorAnswer> {
  const { site, read } = reply;
  const cacheControl = cacheControlOf(reply, ask.lifetime === "immutable");
  switch (found.state) {
    case "stored": {
      const { entry, outcome, reason } = found;
      site.uses.note(entry);
      const served = await serve(site.store.blobs, read, { ...entry, cacheControl, variesByAccept: false });
      return answer(reply, withWarning(served, outcome, reason), { outcome, reason, ...factsOf(entry) });
    }
    case "seen": {
      const headers = {
        "content-type": found.mediaType,
        "cache-control": cacheControl,
        ...(found.sizeBytes === undefined ? {} : { "content-length": String(found.sizeBytes) }),
      };
      return answer(reply, { status: 200, headers, body: undefined }, { outcome: "fetched", url: found.url });
    }
    case "coming": {
      const { sizeBytes, mediaType } = found.head;
      const headers = {
        "content-type": ask.mediaType ?? mediaType ?? "application/octet-stream",
        "cache-control": cacheControl,
        "accept-ranges": "bytes",
        ...(sizeBytes === undefined ? {} : { "content-length": String(sizeBytes) }),
      };
      const known = found.done.then((entry) => {
        site.uses.note(entry);
        return factsOf(entry);
      });
      // It is looked at when the body has ended; what fails before that must not end the process.
      known.catch(() => undefined);
      return answer(reply, { status: 200, headers, body: found.read() }, { outcome: "fetched", later: known });
    }
  }
}

async function document(reply: Reply, ask: DocumentAsk): Promise<MirrorAnswer> {
  const { site, asked, read } = reply;
  const leaves = site.repositories.leaves(asked.settings.name);
  const wish = { asked, leaves, ask, base: read.base };
  const found = await findRendering(site, wish);
  try {
    return await foundDocument(reply, wish, found);
  } catch (error) {
    if (found.state !== "made" || !isLost(error)) throw error;
    const { repository, source, digest } = found.rendering;
    site.log.error({ repository, source, digest }, "a rendering of the mirror is missing from the blob store");
    await deleteMirrorRendering(site.store.db, found.rendering);
    return await foundDocument(reply, wish, await findRendering(site, wish));
  }
}

async function foundDocument(reply: Reply, wish: DocumentWish, found: FoundRendering): Promise<MirrorAnswer> {
  const { site, read } = reply;
  const { ask, leaves } = wish;
  if (found.state === "missing") return missing(reply);
  if (found.state === "denied") return denied(reply, { status: 403, message: found.reason, outcome: "denied" });
  const { rendering, bytes, outcome, reason } = found;
  for (const { settings } of leaves) {
    const key = settings.kind === "hosted" ? (ask.hostedSource ?? ask.source) : ask.source;
    site.uses.note({ repository: settings.name, kind: "document", key });
  }
  const cacheControl = cacheControlOf(reply, false);
  const served = await serve(site.store.blobs, read, {
    ...rendering,
    bytes,
    cacheControl,
    variesByAccept: true,
    modified: rendering.headers?.["last-modified"],
  });
  const { digest, sizeBytes, mediaType, url } = rendering;
  return answer(reply, withWarning(served, outcome, reason), {
    outcome,
    reason,
    digest,
    sizeBytes,
    mediaType,
    ...(url === undefined ? {} : { url }),
  });
}

type Known = Pick<Exchange, "digest" | "sizeBytes" | "mediaType" | "url" | "claim" | "subject">;

function factsOf({ digest, sizeBytes, mediaType, url, claim, subject, version }: MirrorEntry): Known {
  return {
    ...(digest === undefined ? {} : { digest }),
    sizeBytes,
    mediaType,
    ...(url === undefined ? {} : { url }),
    ...(claim === undefined ? {} : { claim: { ...parseClaim(claim), state: "verified" } }),
    ...(subject === undefined ? {} : { subject: { name: subject, ...(version === undefined ? {} : { version }) } }),
  };
}

/** Whoever signed in to get it must not have it shared by caches on the way. */
function cacheControlOf({ asked }: Reply, isImmutable: boolean): string {
  const who = asked.settings.isPublic ? "public" : "private";
  return isImmutable ? `${who}, max-age=31536000, immutable` : `${who}, no-cache`;
}

/** Source: RFC 9111 section 5.5; clients that do not know the header lose nothing. */
function withWarning(served: Served, outcome: Outcome, reason: string | undefined): Served {
  if (outcome !== "stale") return served;
  const text = (reason ?? "").replaceAll(/[^\x20-\x7e]|["\\]/g, "'").slice(0, 200);
  return { ...served, headers: { ...served.headers, warning: `110 - "Response is stale: ${text}"` } };
}

function missing(reply: Reply): MirrorAnswer {
  const { asked, site } = reply;
  const isOffline = asked.settings.isOffline || site.isOffline;
  const state = isOffline ? "it is not here, and no upstream is asked while offline" : "nobody has it";
  // The variant of a document is ours, not the client's.
  const message = `Cannot find "${reply.key.replace(/#[^#/]*$/, "")}" in "${asked.settings.name}": ${state}`;
  return denied(reply, { status: 404, message, outcome: "missing" });
}

function failed(reply: Reply, failure: Failure): MirrorAnswer {
  const { site, asked, key } = reply;
  const { code, message, details } = failure;
  site.log.warn({ repository: asked.settings.name, key, code, reason: message }, "the mirror could not fetch");
  if (details["isRule"] === true) return denied(reply, { status: 403, message, outcome: "denied" });
  const seconds = details["retryAfterSeconds"];
  const status = code === "rate_limited" || details["isResting"] === true ? 503 : 502;
  const headers: Record<string, string> = typeof seconds === "number" ? { "retry-after": String(seconds) } : {};
  return denied(reply, { status, message: `${message} (${code})`, outcome: "failed", headers });
}

interface Denied {
  readonly status: number;
  readonly message: string;
  readonly outcome: Outcome;
  readonly headers?: Readonly<Record<string, string>>;
}

function denied(reply: Reply, { status, message, outcome, headers }: Denied): MirrorAnswer {
  const told = reply.asked.format.deny({ status, message });
  return answer(reply, denialOf(told, { isHead: reply.read.method === "HEAD", headers }), { outcome, reason: message });
}

/** A denial as it is sent. */
export function denialOf(
  told: ReturnType<Format["deny"]>,
  options: { readonly isHead: boolean; readonly headers?: Readonly<Record<string, string>> | undefined },
): Served & { readonly statusText?: string } {
  const body = Buffer.from(told.body);
  return {
    status: told.status,
    ...(told.statusText === undefined ? {} : { statusText: told.statusText }),
    headers: {
      ...told.headers,
      ...options.headers,
      "content-type": told.mediaType,
      "content-length": String(body.length),
      "cache-control": "no-store",
    },
    body: options.isHead ? undefined : body,
  };
}

interface Told extends Known {
  readonly outcome: Outcome;
  readonly reason?: string | undefined;
  /** What is known only at the end. */
  readonly later?: Promise<Known>;
}

function answer(
  { site, asked, key, subject }: Reply,
  served: Served & { readonly statusText?: string },
  { reason, later, ...told }: Told,
): MirrorAnswer {
  const { format, settings } = asked;
  const { body, status } = served;
  const end = async (): Promise<Exchange> => {
    const brokeOff = await ended(body);
    const known = await (later ?? Promise.resolve<Known>({})).catch((error: unknown) => ({ failure: error as Error }));
    const problem = "failure" in known ? known.failure : brokeOff;
    const facts = "failure" in known ? {} : known;
    const whose = facts.subject ?? told.subject ?? subject;
    const exchange: Exchange = {
      repository: settings.name,
      format: format.name,
      key,
      status,
      ...told,
      ...facts,
      ...(whose === undefined ? {} : { subject: whose }),
      ...purlOf(site, format, whose),
      ...(reason === undefined ? {} : { reason }),
      ...(problem === undefined ? {} : { outcome: "failed", reason: problem.message }),
    };
    site.count.outcome(exchange.outcome);
    return exchange;
  };
  return { ...served, exchange: end() };
}

/** A name that makes no package URL must not cost whoever waits for the record. */
function purlOf({ log }: Site, format: Format, whose: Subject | undefined): { readonly purl?: string } {
  if (whose?.version === undefined) return {};
  try {
    return { purl: format.purl({ name: whose.name, version: whose.version }) };
  } catch (error) {
    log.warn({ err: error, format: format.name, ...whose }, "a package has no package URL");
    return {};
  }
}

/** Waits for the end of a body; the error where it broke off. Nothing is wrong with a client that goes away. */
async function ended(body: MirrorAnswer["body"]): Promise<Error | undefined> {
  if (body === undefined || Buffer.isBuffer(body)) return undefined;
  return await new Promise((resolve) => {
    body.once("error", resolve).once("close", () => resolve(undefined));
  });
}
