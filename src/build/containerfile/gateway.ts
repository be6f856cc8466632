import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { messageOf } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { sha256Digest } from "../../model/digest.ts";
import type { BlobStore } from "../../store/blobs.ts";
import { exitAddress, type Exit, type ExitAnswer } from "./exit.ts";
import type { AnsweredRequest, RequestKey, Requests } from "./requests.ts";

interface GatewayOptions {
  /** Path of the Unix socket: whoever reaches it is this build, whatever addresses it asks for. */
  readonly socketPath: string;
  readonly requests: Requests;
  /** Undefined in a replay: then only what the record holds is answered. */
  readonly exit: Exit | undefined;
  readonly blobs: BlobStore;
  readonly actor: string;
  /** A line for the build's log. */
  readonly onLine: (line: string) => void;
}

/** The host side of a build's exit. */
export interface Gateway {
  close(): Promise<void>;
}

/**
 * Serves the one exit of a sealed build on a Unix socket.
 *
 * It reads `/mirror/<repository>/…` and, as an HTTP proxy, the upstream addresses that a repository stands for. All
 * else is refused with a sentence that names the rule. What was answered once is answered the same for the whole
 * build, so that the record is a function of the address. Ranges and encodings are not passed on: bodies are whole.
 */
export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  const sockets = new Set<Socket>();
  const underWay = new Map<string, Promise<AnsweredRequest | undefined>>();
  const server = createServer((request, response) => {
    serve({ ...options, underWay }, request, response).catch((error: unknown) => {
      options.onLine(`the exit broke off "${request.url ?? ""}": ${messageOf(error)}`);
      response.destroy();
    });
  });
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => undefined);
  });
  server.on("connect", (request: IncomingMessage, socket: Socket) => {
    const reason = refuse(options, {
      method: "CONNECT",
      address: request.url ?? "",
      reason: tunnelRule(request.url ?? ""),
    });
    socket.end(
      `HTTP/1.1 403 Refused by the sealed build\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: ${Buffer.byteLength(reason)}\r\n\r\n${reason}`,
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.socketPath, resolve);
  });
  return {
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await Promise.allSettled(underWay.values());
    },
  };
}

interface Site extends GatewayOptions {
  /** Reads that are being answered for the first time. */
  readonly underWay: Map<string, Promise<AnsweredRequest | undefined>>;
}

const allowHint = "docs/how-to/build-containerfiles.md tells how to allow it";

function tunnelRule(target: string): string {
  return `The sealed build may not reach "${target}": only repositories of the mirror answer, and nobody can look into a tunnel. Point the program at a repository, or allow single files of the host with a raw repository; ${allowHint}.\n`;
}

interface Denial {
  readonly method: string;
  readonly address: string;
  readonly reason: string;
}

/** Notes a denial, tells the log, and returns the reason. */
function refuse({ requests, onLine }: Pick<Site, "requests" | "onLine">, { method, address, reason }: Denial): string {
  requests.refuse({ method, address, kind: "denied", reason: reason.trim() });
  onLine(`refused ${method} ${address}: ${reason.trim()}`);
  return reason;
}

function sayNo(response: ServerResponse, status: number, reason: string): void {
  response.writeHead(status, "Refused by the sealed build", {
    "content-type": "text/plain; charset=utf-8",
    "content-length": Buffer.byteLength(reason),
    connection: "close",
  });
  response.end(reason);
}

interface Place {
  readonly repository: string;
  readonly path: string;
}

async function serve(site: Site, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = request.url ?? "/";
  const { method = "GET" } = request;
  const place = await placeOf(site, url);
  if (place === undefined) {
    const reason = `The sealed build may not reach "${url}": no repository of the mirror stands for it. Allow it with a raw repository that names the host and the path; ${allowHint}.\n`;
    sayNo(response, 403, refuse(site, { method, address: withoutQuery(url), reason }));
    return;
  }
  const address = `${place.repository}/${place.path}`;
  if (method !== "GET" && method !== "HEAD") {
    const reason = `The sealed build may not send "${method}" to "${address}": a build only reads; ${allowHint}.\n`;
    request.resume();
    sayNo(response, 403, refuse(site, { method, address, reason }));
    return;
  }
  const key: RequestKey = { method, address, accept: request.headers.accept ?? "" };
  const known = site.requests.find(key) ?? (await site.underWay.get(nameOf(key)));
  if (known !== undefined) await give(site, known, { key, response });
  else if (site.exit === undefined) sayUnlocked(site, key, response);
  else await ask(site, site.exit, { key, place, response });
}

function nameOf({ method, address, accept }: RequestKey): string {
  return `${method} ${address} ${accept}`;
}

function withoutQuery(url: string): string {
  return url.replace(/\?.*$/s, "");
}

/** Origin form, absolute form, and ADD's addresses that were rewritten. */
async function placeOf(site: Site, url: string): Promise<Place | undefined> {
  const local = url.startsWith(`${exitAddress}/`) ? url.slice(exitAddress.length) : url;
  const repository = /^\/(?:mirror|repository)\/([a-z0-9][a-z0-9._-]*)\/?(.*)$/s.exec(local);
  if (repository !== null) return { repository: repository[1]!, path: repository[2]! };
  const added = /^\/upstream\/(https?)\/(.+)$/s.exec(local);
  const upstream = added === null ? local : `${added[1]}://${added[2]}`;
  if (!/^https?:\/\//.test(upstream)) return undefined;
  const [address = "", query] = upstream.split(/\?(.*)/s);
  const found = site.requests.upstreamOf(address) ?? (await site.exit?.repositoryFor(address));
  if (found === undefined) return undefined;
  const path = found.path.replace(/^\/+/, "");
  site.requests.addUpstream(address, path, found.repository);
  return { repository: found.repository, path: query === undefined ? path : `${path}?${query}` };
}

function sayUnlocked(site: Site, key: RequestKey, response: ServerResponse): void {
  const reason = `The lock does not name ${key.method} "${key.address}", and a locked build asks nobody. Build with --update to take it in.\n`;
  site.requests.refuse({ method: key.method, address: key.address, kind: "unlocked", reason: reason.trim() });
  site.onLine(`not in the lock: ${key.method} ${key.address}`);
  sayNo(response, 403, reason);
}

interface Exchange {
  readonly key: RequestKey;
  readonly response: ServerResponse;
}

const missingText = "The mirror does not have it.\n";

/** Gives what is on record, the bytes out of the store, and looks at them once more while they go. */
async function give(site: Site, known: AnsweredRequest, { key, response }: Exchange): Promise<void> {
  const { status, sha256, sizeBytes = 0, mediaType } = known;
  const text = status >= 400 && sha256 === undefined ? missingText : undefined;
  const size = text === undefined ? sizeBytes : Buffer.byteLength(text);
  response.writeHead(status, {
    "content-length": size,
    ...(text === undefined ? {} : { "content-type": "text/plain; charset=utf-8" }),
    ...(mediaType === undefined ? {} : { "content-type": mediaType }),
  });
  if (key.method === "HEAD" || text !== undefined || sha256 === undefined) {
    response.end(key.method === "HEAD" ? undefined : text);
    return;
  }
  const stored = await site.blobs.stat(sha256Digest(sha256));
  if (stored === undefined) {
    const reason = `The store has lost the body of "${key.address}" (sha256:${sha256})`;
    site.requests.refuse({ method: key.method, address: key.address, kind: "broken", reason });
    site.onLine(reason);
    response.destroy();
    return;
  }
  await pipeline(checked(await site.blobs.open(sha256Digest(sha256)), sha256), response);
}

/** Withholds the last piece until the whole is known to be right. */
async function* checked(source: AsyncIterable<Buffer>, sha256: string): AsyncGenerator<Buffer> {
  const hash = createHash("sha256");
  let held: Buffer | undefined;
  for await (const chunk of source) {
    if (held !== undefined) yield held;
    held = Buffer.from(chunk);
    hash.update(held);
  }
  if (hash.digest("hex") !== sha256) throw new Error(`the store's blob is not sha256:${sha256}`);
  if (held !== undefined) yield held;
}

interface Asking extends Exchange {
  readonly place: Place;
}

/** Asks the mirror, gives its answer on, and puts it on record. */
async function ask(site: Site, exit: Exit, { key, place, response }: Asking): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<AnsweredRequest | undefined>();
  site.underWay.set(nameOf(key), promise);
  let answered: AnsweredRequest | undefined;
  try {
    const again = (): Promise<ExitAnswer> => exit.answer(readOf(site, key, place));
    answered = await passOn(site, await again(), { key, response, again });
    if (answered !== undefined) site.requests.add(answered);
  } catch (error) {
    site.requests.refuse({ method: key.method, address: key.address, kind: "broken", reason: messageOf(error) });
    throw error;
  } finally {
    site.underWay.delete(nameOf(key));
    resolve(answered);
  }
}

function readOf(
  site: Site,
  { method, accept }: RequestKey,
  { repository, path }: Place,
): Parameters<Exit["answer"]>[0] {
  const [plain = "", query = ""] = path.split(/\?(.*)/s);
  return {
    method,
    repository,
    path: plain,
    query: new URLSearchParams(query),
    headers: { ...(accept === "" ? {} : { accept }), "accept-encoding": "identity" },
    base: `${exitAddress}/mirror/${repository}`,
    actor: site.actor,
  };
}

interface Asked extends Exchange {
  readonly again: () => Promise<ExitAnswer>;
}

/** @returns what goes on record; undefined where nothing reliable came */
async function passOn(
  site: Site,
  answer: ExitAnswer,
  { key, response, again }: Asked,
): Promise<AnsweredRequest | undefined> {
  const { status, headers } = answer;
  const mediaType = headers["content-type"] ?? headers["Content-Type"];
  if (status >= 400) return await passRefusal(site, answer, { key, response });
  const length = headers["content-length"] ?? headers["Content-Length"];
  response.writeHead(status, {
    ...(length === undefined ? {} : { "content-length": length }),
    ...(mediaType === undefined ? {} : { "content-type": mediaType }),
  });
  const type = mediaType === undefined ? {} : { mediaType };
  if (key.method === "HEAD" || answer.body === undefined) {
    response.end();
    const { purl } = await answer.exchange;
    const size = length === undefined ? {} : { sizeBytes: Number(length) };
    return { ...key, status, ...type, ...size, ...(purl === undefined ? {} : { purl }) };
  }
  const copy = openCopy();
  await pipeline(Readable.from(copy.tee(answer.body)), response);
  const { purl, claim } = await answer.exchange;
  const { sha256, sizeBytes } = await copy.keep(site.blobs, again);
  const more = { ...(purl === undefined ? {} : { purl }), ...(claim === undefined ? {} : { claim }) };
  return { ...key, status, sha256, sizeBytes, ...type, ...more };
}

/** Missing is on record, denied and failed are told; only what is missing is the same tomorrow. */
async function passRefusal(
  site: Site,
  { status, headers, body, exchange }: ExitAnswer,
  { key, response }: Exchange,
): Promise<AnsweredRequest | undefined> {
  const isMissing = status === 404 || status === 410;
  const chunks: Buffer[] = [];
  if (body instanceof Buffer) chunks.push(body);
  else if (body !== undefined) for await (const chunk of body) chunks.push(Buffer.from(chunk as Uint8Array));
  const text = isMissing ? Buffer.from(missingText) : Buffer.concat(chunks);
  const mediaType = isMissing ? "text/plain; charset=utf-8" : headers["content-type"];
  const { reason, outcome } = await exchange;
  if (!isMissing) {
    const said = reason ?? text.toString("utf8", 0, 500).trim();
    site.requests.refuse({
      method: key.method,
      address: key.address,
      kind: outcome === "denied" ? "denied" : "broken",
      reason: said,
    });
    site.onLine(`the mirror refused ${key.method} ${key.address} (${status}): ${said}`);
  }
  response.writeHead(status, {
    "content-length": text.length,
    ...(mediaType === undefined ? {} : { "content-type": mediaType }),
  });
  response.end(key.method === "HEAD" ? undefined : text);
  return isMissing ? { ...key, status } : undefined;
}

interface Copy {
  tee(body: Readable | Buffer): AsyncGenerator<Buffer>;
  /** Makes sure that the store has the body; `again` asks for it once more. */
  keep(
    blobs: BlobStore,
    again: () => Promise<ExitAnswer>,
  ): Promise<{ readonly sha256: string; readonly sizeBytes: number }>;
}

/** The mirror stores what it gives out; only what it makes up on the spot, which is small, must be kept here. */
function openCopy(): Copy {
  const hash = createHash("sha256");
  const head: Buffer[] = [];
  let sizeBytes = 0;
  return {
    async *tee(body) {
      for await (const piece of body instanceof Buffer ? [body] : body) {
        const chunk = Buffer.from(piece as Uint8Array);
        hash.update(chunk);
        if (sizeBytes + chunk.length <= limits.requestBytes) head.push(chunk);
        sizeBytes += chunk.length;
        yield chunk;
      }
    },
    async keep(blobs, again) {
      const sha256 = hash.digest("hex");
      const expected = sha256Digest(sha256);
      if (await blobs.touch(expected)) return { sha256, sizeBytes };
      if (sizeBytes <= limits.requestBytes) await blobs.put(Buffer.concat(head), { expected });
      else await blobs.put((await again()).body ?? Buffer.alloc(0), { expected });
      return { sha256, sizeBytes };
    },
  };
}
