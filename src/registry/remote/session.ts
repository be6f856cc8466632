import { nowMs, sleep } from "../../base/clock.ts";
import { type ErrorCodeName } from "../../base/error-codes.ts";
import { Failure } from "../../base/errors.ts";
import { openWire, type Wire, type WireRequest, type WireResponse } from "../../base/wire.ts";
import { type Authority, type Credential, openAuthority } from "./credentials.ts";

/** Where a peer is and how it is spoken to. */
export interface PeerAddress {
  /** `https://registry.example` or with a port; without a path. */
  readonly url: string;
  readonly credential?: Credential | undefined;
  readonly caPem?: string | undefined;
  /** Takes any certificate. */
  readonly insecure?: boolean;
  /** Hosts with port beside the peer's own that may be at private addresses: its token service, its blob store. */
  readonly trustedHosts?: readonly string[];
  /** No byte for this long ends a request, in milliseconds. */
  readonly idleMs?: number;
  /** The first wait after a failure that passes, in milliseconds; it doubles. Default 500. */
  readonly retryMs?: number;
  /** How often a request is sent in all; default 5. */
  readonly triesMax?: number;
}

/** One request to a peer. */
export interface PeerRequest {
  readonly method: WireRequest["method"];
  /** A path from `/v2` on, or an address that the peer gave. */
  readonly target: string;
  /** `repository:NAME:pull` …; the rights that the request needs. */
  readonly scopes: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: WireRequest["body"];
  readonly signal?: AbortSignal | undefined;
  /** Whether it may be sent again after the connection broke; default for GET, HEAD and PUT. */
  readonly isRepeatable?: boolean;
}

/** A conversation with one peer: tokens, waits, redirects. */
export interface Session {
  readonly url: URL;
  /**
   * Sends a request until there is an answer that says something: 401 is signed in to, 429 and 5xx are waited for,
   * redirects of reads are followed without credentials.
   *
   * @throws Failure `upstream_unreachable`, `rate_limited` with `details.retryAfterSeconds`, `forbidden`, `cancelled`
   */
  send(request: PeerRequest): Promise<WireResponse>;
  close(): void;
}

const redirectsMax = 5;
/** A peer that wants a longer pause gets it from the queue, which has time. */
const longestWaitMs = 30_000;
const passingStatus: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/**
 * Opens a conversation.
 *
 * @throws Failure `usage` for an address that is none
 */
export function openSession(peer: PeerAddress): Session {
  const url = peerUrl(peer.url);
  const wire = openWire({
    trustedHosts: new Set([url.host, ...(peer.trustedHosts ?? [])]),
    caPem: peer.caPem,
    ...(peer.insecure === undefined ? {} : { insecure: peer.insecure }),
    ...(peer.idleMs === undefined ? {} : { idleMs: peer.idleMs }),
  });
  const authority = openAuthority({ wire, base: url, credential: peer.credential });
  const line = { url, wire, authority, triesMax: peer.triesMax ?? 5, retryMs: peer.retryMs ?? 500 };
  return { url, send: async (request) => await sendPatiently(line, request), close: () => wire.close() };
}

interface Line {
  readonly url: URL;
  readonly wire: Wire;
  readonly authority: Authority;
  readonly triesMax: number;
  readonly retryMs: number;
}

async function sendPatiently(line: Line, request: PeerRequest): Promise<WireResponse> {
  const isRepeatable = request.isRepeatable ?? ["GET", "HEAD", "PUT"].includes(request.method);
  for (let tries = 1; ; tries++) {
    const pauseMs = line.retryMs * 2 ** (tries - 1);
    let answer: WireResponse;
    try {
      answer = await sendFollowing(line, request);
    } catch (error) {
      const isPassing = error instanceof Failure && error.code === "upstream_unreachable";
      if (!isPassing || !isRepeatable || tries >= line.triesMax) throw error;
      await pause(pauseMs, request.signal);
      continue;
    }
    if (!passingStatus.has(answer.status)) return answer;
    const waitMs = retryAfterMs(answer.headers["retry-after"]);
    const isWorthIt = (isRepeatable || answer.status === 429) && tries < line.triesMax;
    answer.discard();
    if (!isWorthIt || (waitMs ?? 0) > longestWaitMs) throw busy(answer, { url: line.url, waitMs });
    await pause(Math.max(pauseMs, waitMs ?? 0), request.signal);
  }
}

async function sendFollowing(line: Line, request: PeerRequest): Promise<WireResponse> {
  const { host } = line.url;
  let target = targetUrl(line.url, request.target);
  for (let hop = 0; hop <= redirectsMax; hop++) {
    const answer = await sendSigned(line, request, target);
    const { location } = answer.headers;
    const isRead = request.method === "GET" || request.method === "HEAD";
    if (!isRead || answer.status < 301 || answer.status > 308 || answer.status === 304 || location === undefined)
      return answer;
    answer.discard();
    const next = URL.parse(location, target.href);
    const isWeb = next !== null && /^https?:$/.test(next.protocol);
    if (!isWeb || (target.protocol === "https:" && next.protocol === "http:"))
      throw new Failure("forbidden", `Cannot follow "${host}": it redirects to where nothing may be fetched`);
    next.username = "";
    next.password = "";
    target = next;
  }
  throw new Failure("upstream_unreachable", `Cannot ask "${host}": more than ${redirectsMax} redirects`);
}

/** Credentials go to the peer's own address and nowhere else. */
async function sendSigned({ url, wire, authority }: Line, request: PeerRequest, target: URL): Promise<WireResponse> {
  const isOwn = target.origin === url.origin;
  for (let asked = 0; ; asked++) {
    const authorization = isOwn ? authority.header(request.scopes) : undefined;
    const signed = authorization === undefined ? {} : { authorization };
    const headers = { "user-agent": "mintmark", ...request.headers, ...signed };
    const answer = await wire.send({ ...request, url: target, headers });
    if (answer.status !== 401 || !isOwn || asked >= 2) return answer;
    const ask = { scopes: request.scopes, signal: request.signal };
    const isAnswered = await authority.answer(answer.headers["www-authenticate"], ask).catch((error: unknown) => {
      answer.discard();
      throw error;
    });
    if (!isAnswered) return answer;
    answer.discard();
  }
}

/** The address of a peer: a scheme, a host, perhaps a port. @throws Failure `usage` */
export function peerUrl(text: string): URL {
  const url = URL.parse(text);
  const isPlain = url !== null && /^https?:$/.test(url.protocol) && (url.pathname === "/" || url.pathname === "");
  if (!isPlain || url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "")
    throw new Failure("usage", `Cannot use the address "${shownUrl(text)}": it is not http(s)://host[:port]`, {
      hint: "Leave out the path and any credentials; a name and a secret are given apart",
    });
  return url;
}

/** Nothing of what may be a secret. */
function shownUrl(text: string): string {
  const url = URL.parse(text);
  return url === null ? text.slice(0, 40).replace(/\/\/.*@/, "//…@") : `${url.protocol}//${url.host}${url.pathname}`;
}

/** Proxies before registries often forget that the client came by HTTPS: its own host is asked by its own scheme. */
function targetUrl(base: URL, target: string): URL {
  const url = URL.parse(target, base.href);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new Failure("upstream_unreachable", `Cannot ask "${base.host}": it gave an address that is none`);
  if (url.host === base.host || (url.hostname === base.hostname && url.port === "" && base.port === ""))
    url.protocol = base.protocol;
  if (base.protocol === "https:" && url.protocol === "http:")
    throw new Failure("forbidden", `Cannot ask "${base.host}": it leads from https to http`);
  return url;
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(Math.min(ms, longestWaitMs), signal);
  if (signal?.aborted === true) throw new Failure("cancelled", "Stopped waiting for a peer on request");
}

/** Seconds or a date. Source: RFC 9110 section 10.2.3. */
function retryAfterMs(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs());
}

function busy(answer: WireResponse, { url, waitMs }: { url: URL; waitMs: number | undefined }): Failure {
  const details = waitMs === undefined ? {} : { retryAfterSeconds: Math.ceil(waitMs / 1000) };
  if (answer.status === 429)
    return new Failure("rate_limited", `Cannot ask "${url.host}" now: it wants fewer requests`, {
      hint: "Wait as long as it asks for, or give the peer an account with a higher limit",
      details,
    });
  return new Failure("upstream_unreachable", `Cannot ask "${url.host}": it answered ${answer.status}`, { details });
}

const refusalCodes: Readonly<Record<number, ErrorCodeName>> = {
  401: "forbidden",
  403: "forbidden",
  404: "not_found",
  413: "too_large",
};

/** The failure for an answer that is not what was asked for; says the peer's own words. Reads the body. */
export async function refusedBy(session: Session, answer: WireResponse, what: string): Promise<Failure> {
  const text = await answer.read(64 * 1024).then(
    (bytes) => bytes.toString("utf8"),
    () => "",
  );
  const words = firstError(text);
  return new Failure(
    refusalCodes[answer.status] ?? "conflict",
    `Cannot ${what} at "${session.url.host}": it answered ${answer.status}${words === undefined ? "" : ` ${words}`}`,
    answer.status === 401 || answer.status === 403
      ? { hint: "Check the account of the peer and what it may do there", details: { status: answer.status } }
      : { details: { status: answer.status } },
  );
}

/** Source: OCI distribution spec, "Error Codes". Control characters of strangers stay out of terminals. */
function firstError(text: string): string | undefined {
  try {
    const { errors } = JSON.parse(text) as { errors?: { code?: unknown; message?: unknown }[] };
    const first = errors?.[0];
    const words = [first?.code, first?.message].filter((word) => typeof word === "string").join(": ");
    // oxlint-disable-next-line no-control-regex
    return words === "" ? undefined : words.replace(/[\u0000-\u001f\u007f-\u009f]/g, " ").slice(0, 300);
  } catch {
    return undefined;
  }
}
