import { lookup as resolveHost } from "node:dns";
import { Agent as HttpAgent, type IncomingHttpHeaders, type IncomingMessage, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import { Failure, messageOf } from "./errors.ts";
import { isPrivateAddress } from "./http.ts";
import { limits } from "./limits.ts";
import { outboundProxy } from "./outbound-proxy.ts";

/** How connections to one peer are made. */
export interface WireOptions {
  /** Hosts with port that may be at private addresses: what the operator configured. */
  readonly trustedHosts: ReadonlySet<string>;
  /** Takes private addresses of any host; the operator's explicit choice. */
  readonly allowPrivate?: boolean;
  /** Certificate authorities in PEM that count instead of the machine's. */
  readonly caPem?: string | undefined;
  /** Takes any certificate; the operator's explicit choice. */
  readonly insecure?: boolean;
  /** No byte for this long ends a request; default {@link limits.upstreamIdleMs}. */
  readonly idleMs?: number;
  /** Connections to one host at the same time; default 8: four transfers, and small requests beside them. */
  readonly socketCount?: number;
}

/** One request as it goes out. */
export interface WireRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Called for each try; the length stands in the headers. */
  readonly body?: (() => AsyncIterable<Uint8Array> | Promise<AsyncIterable<Uint8Array>>) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One answer; its body has to be read or discarded. */
export interface WireResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The bytes as they come; ends with a Failure where the peer falls silent or breaks off. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Reads the body into memory, up to a limit. @throws Failure `too_large` */
  read(limitBytes: number): Promise<Buffer>;
  /** Gives the connection back without an interest in what else comes. */
  discard(): void;
}

/** Connections to one peer. */
export interface Wire {
  /**
   * Sends one request and waits for the headers of the answer; follows nothing, repeats nothing.
   *
   * @throws Failure `upstream_unreachable`, `forbidden` for a private address that was not configured, `cancelled`
   */
  send(request: WireRequest): Promise<WireResponse>;
  close(): void;
}

/** Opens connections as they are needed; Node's own `fetch` knows no private certificate authority. */
export function openWire(options: WireOptions): Wire {
  const agents = openAgents(options);
  const idleMs = options.idleMs ?? limits.upstreamIdleMs;
  return {
    async send(request) {
      const { url, signal } = request;
      if (signal?.aborted === true) throw stopped(url);
      const isTrusted = options.allowPrivate === true || options.trustedHosts.has(url.host);
      const bare = url.hostname.replace(/^\[|\]$/g, "");
      if (!isTrusted && isIP(bare) !== 0 && isPrivateAddress(bare)) throw privateHost(url);
      const proxy = outboundProxy(url);
      // Behind a proxy only the proxy resolves names: it is the fence then.
      const lookup = isTrusted || proxy !== undefined ? undefined : publicLookup(url);
      try {
        return await exchange(request, { agent: agents.for(url, proxy), idleMs, lookup });
      } catch (error) {
        throw explain(error, url, signal);
      }
    },
    close: () => agents.close(),
  };
}

interface Agents {
  for(url: URL, proxy: string | undefined): HttpAgent;
  close(): void;
}

/** Keeps the connections of each scheme and proxy. */
function openAgents({ socketCount = 8, insecure, caPem }: WireOptions): Agents {
  const known = new Map<string, HttpAgent>();
  const make = (isSecure: boolean, proxy: string | undefined): HttpAgent => {
    const shared = {
      keepAlive: true,
      maxSockets: socketCount,
      ...(proxy === undefined ? {} : { proxyEnv: isSecure ? { https_proxy: proxy } : { http_proxy: proxy } }),
    };
    if (!isSecure) return new HttpAgent(shared);
    const trust = { rejectUnauthorized: insecure !== true, ...(caPem === undefined ? {} : { ca: caPem }) };
    return new HttpsAgent({ ...shared, minVersion: "TLSv1.2", ...trust });
  };
  return {
    for({ protocol }, proxy) {
      const key = `${protocol} ${proxy ?? ""}`;
      const agent = known.get(key) ?? make(protocol === "https:", proxy);
      known.set(key, agent);
      return agent;
    },
    close() {
      for (const agent of known.values()) agent.destroy();
    },
  };
}

interface Line {
  readonly agent: HttpAgent;
  readonly idleMs: number;
  readonly lookup: LookupFunction | undefined;
}

async function exchange(request: WireRequest, { agent, idleMs, lookup }: Line): Promise<WireResponse> {
  const { method, url, headers, signal } = request;
  const send = url.protocol === "https:" ? httpsRequest : httpRequest;
  const outgoing = send(url, { method, headers, agent, ...(lookup === undefined ? {} : { lookup }) });
  const watch = startWatch(idleMs, (error) => outgoing.destroy(error));
  const stop = (): void => void outgoing.destroy(stopped(url));
  signal?.addEventListener("abort", stop, { once: true });
  const release = (): void => {
    watch.stop();
    signal?.removeEventListener("abort", stop);
  };
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  outgoing.once("response", resolve);
  outgoing.on("error", reject);
  try {
    watch.feed();
    const sending = request.body === undefined ? undefined : sendBody(outgoing, request.body, watch);
    if (sending === undefined) outgoing.end();
    // A peer may answer and hang up before it has read the body: its answer counts more than the broken pipe.
    const message = await Promise.race([promise, (sending ?? promise).then(() => promise)]);
    return respond(message, { url, watch, release, isEmpty: method === "HEAD" });
  } catch (error) {
    release();
    outgoing.destroy();
    throw error;
  }
}

async function sendBody(
  outgoing: ReturnType<typeof httpRequest>,
  body: NonNullable<WireRequest["body"]>,
  watch: Watch,
): Promise<void> {
  for await (const chunk of await body()) {
    if (outgoing.destroyed) return;
    watch.feed();
    if (!outgoing.write(chunk)) await drained(outgoing);
  }
  watch.feed();
  outgoing.end();
}

function drained(outgoing: ReturnType<typeof httpRequest>): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      outgoing.off("drain", done).off("close", done).off("response", done);
      resolve();
    };
    outgoing.on("drain", done).on("close", done).on("response", done);
  });
}

interface Reception {
  readonly url: URL;
  readonly watch: Watch;
  readonly release: () => void;
  readonly isEmpty: boolean;
}

function respond(message: IncomingMessage, { url, watch, release, isEmpty }: Reception): WireResponse {
  message.on("error", () => undefined);
  message.once("close", release);
  if (isEmpty) message.resume();
  else watch.feed();
  const body = async function* (): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of message) {
        // While the consumer writes, the peer owes us nothing.
        watch.stop();
        yield chunk as Buffer;
        watch.feed();
      }
      if (!message.complete) throw new Failure("upstream_unreachable", `Cannot read "${shown(url)}": it broke off`);
    } catch (error) {
      throw explain(watch.silence() ?? error, url, undefined);
    } finally {
      release();
      message.destroy();
    }
  };
  return {
    status: message.statusCode ?? 0,
    headers: message.headers,
    body: body(),
    async read(limitBytes) {
      const chunks: Uint8Array[] = [];
      let sizeBytes = 0;
      for await (const chunk of this.body) {
        sizeBytes += chunk.byteLength;
        if (sizeBytes > limitBytes)
          throw new Failure("too_large", `Cannot read "${shown(url)}": it is larger than ${limitBytes} bytes`);
        chunks.push(chunk);
      }
      return Buffer.concat(chunks);
    },
    discard() {
      const length = Number(message.headers["content-length"] ?? 0);
      if (length > discardBytes) message.destroy();
      else message.resume();
    },
  };
}

/** The rest of an answer that is read to keep its connection. */
const discardBytes = 64 * 1024;

interface Watch {
  /** Something moved: silence is counted anew. */
  feed(): void;
  stop(): void;
  /** Why it was ended, where silence was the reason: the connection itself tells only that it was cut. */
  silence(): Error | undefined;
}

function startWatch(idleMs: number, onSilence: (error: Error) => void): Watch {
  let timer: NodeJS.Timeout | undefined;
  let silence: Error | undefined;
  return {
    feed() {
      clearTimeout(timer);
      timer = setTimeout(() => {
        silence = new Error(`no answer for ${Math.ceil(idleMs / 1000)} s`);
        onSilence(silence);
      }, idleMs);
    },
    stop: () => clearTimeout(timer),
    silence: () => silence,
  };
}

/** Resolves a name and refuses it where any of its addresses is private: checked at connect, so a name cannot change its mind. */
function publicLookup(url: URL): LookupFunction {
  return (hostname, options, callback) => {
    resolveHost(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, "", 0);
      if (addresses.some(({ address }) => isPrivateAddress(address))) return callback(privateHost(url), "", 0);
      if (options.all === true) return callback(null, addresses);
      const [first] = addresses;
      return callback(null, first?.address ?? "", first?.family ?? 0);
    });
  };
}

function privateHost(url: URL): Failure {
  return new Failure("forbidden", `Cannot ask "${url.host}": it is a private address that nobody configured`, {
    hint: "Name the host among the trusted hosts of the peer if the peer may send us there",
  });
}

function stopped(url: URL): Failure {
  return new Failure("cancelled", `Stopped asking "${url.host}" on request`);
}

function explain(error: unknown, url: URL, signal: AbortSignal | undefined): unknown {
  if (error instanceof Failure) return error;
  if (signal?.aborted === true) return stopped(url);
  return new Failure("upstream_unreachable", `Cannot reach "${shown(url)}": ${messageOf(error)}`, { cause: error });
}

/** An address without its query, which may hold a signature. */
function shown(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}
