import { nowMs } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import { openWire, type WireResponse } from "../base/wire.ts";
import { openBackoffs } from "./backoff.ts";

/** A request to an upstream. */
interface UpstreamRequest {
  readonly method?: "GET" | "HEAD";
  readonly url: URL;
  readonly accept?: string | undefined;
  /** Validators of what is here. */
  readonly etag?: string | undefined;
  readonly modified?: string | undefined;
  /** Files come as they are; documents may come compressed. */
  readonly mayCompress: boolean;
  /** Goes on behind so many bytes, as long as the rest is of what had this validator. */
  readonly resume?: { readonly from: number; readonly validator: string | undefined } | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An answer of an upstream that says something; its body has to be read or discarded. */
export interface UpstreamResponse extends WireResponse {
  readonly status: 200 | 206 | 304 | 404;
  /** Where it came from in the end. */
  readonly url: URL;
}

/** The server behind a proxy repository. */
export interface Upstream {
  /** With a slash at its end; empty where there is no one address. */
  readonly address: string;
  /**
   * Asks, and follows redirects: at most 5, never from https to http, to private addresses only where that is allowed,
   * with credentials to the upstream's own origin alone.
   *
   * 404 and 410 are an answer. @throws Failure `upstream_unreachable`, `rate_limited`, `forbidden`, `cancelled`
   */
  fetch(request: UpstreamRequest): Promise<UpstreamResponse>;
  /** Asks a question by POST, once, at the upstream's own origin. @throws Failure as {@link fetch} */
  post(question: {
    readonly url: URL;
    readonly mediaType: string;
    readonly body: Uint8Array;
    readonly signal?: AbortSignal | undefined;
  }): Promise<WireResponse>;
  /**
   * Makes an absolute address. What is relative, or begins with the upstream's address, stays below that address.
   *
   * @throws Failure `upstream_unreachable` for what is none, `forbidden` for what would leave the upstream
   */
  resolve(address: string): URL;
  close(): void;
}

const redirectsMax = 5;
const socketCount = 24;

/** How an upstream is reached. */
export interface UpstreamOptions {
  readonly address: string | undefined;
  readonly authorization: string | undefined;
  readonly allowPrivate: boolean;
  readonly idleMs: number;
  readonly onRequest: () => void;
}

/** Opens the connections to an upstream. */
export function openUpstream(options: UpstreamOptions): Upstream {
  const address = options.address === undefined ? "" : options.address.replace(/\/*$/, "/");
  const home = URL.parse(address);
  const trustedHosts = new Set(home === null ? [] : [home.host]);
  const { allowPrivate, idleMs } = options;
  const wire = openWire({ trustedHosts, allowPrivate, idleMs, socketCount });
  // A dead host beside the upstream's own, which keeps the files, is not the upstream.
  const backoffOf = openBackoffs();

  async function step(request: UpstreamRequest, url: URL, hop: number): Promise<UpstreamResponse | { to: string }> {
    options.onRequest();
    const isHome = url.origin === home?.origin;
    const headers = headersFor(request, isHome ? options.authorization : undefined);
    const answer = await wire.send({ method: request.method ?? "GET", url, headers, signal: request.signal });
    const { location } = answer.headers;
    if (![301, 302, 303, 307, 308].includes(answer.status) || location === undefined)
      return judged(answer, url, {
        isListing: hop > 0 && url.pathname.endsWith("/") && !request.url.pathname.endsWith("/"),
      });
    answer.discard();
    return { to: location };
  }

  async function follow(request: UpstreamRequest): Promise<UpstreamResponse> {
    let { url } = request;
    for (let hop = 0; hop <= redirectsMax; hop++) {
      // Each server rests for itself: whoever sends us to a dead one is not dead.
      const at = url;
      const answer = await backoffOf(at.host).run(async () => await step(request, at, hop));
      if (!("to" in answer)) return answer;
      url = redirected(url, answer.to);
    }
    throw new Failure(
      "upstream_unreachable",
      `Cannot fetch "${shown(request.url)}": more than ${redirectsMax} redirects`,
      {
        details: { status: 310 },
      },
    );
  }

  return {
    address,
    fetch: follow,
    post: async (question) =>
      await backoffOf(question.url.host).run(async () => {
        options.onRequest();
        const { url, mediaType, body, signal } = question;
        const headers = {
          ...headersFor({ url, mayCompress: false }, url.origin === home?.origin ? options.authorization : undefined),
          "content-type": mediaType,
          "content-length": String(body.byteLength),
        };
        return judged(await wire.send({ method: "POST", url, headers, body: () => once(body), signal }), url);
      }),
    resolve: (text) => resolved(text, address),
    close: () => wire.close(),
  };
}

function resolved(text: string, address: string): URL {
  const url = URL.parse(text, address === "" ? undefined : address);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:"))
    throw new Failure("upstream_unreachable", `Cannot fetch "${text.slice(0, 200)}": it is no http or https address`, {
      details: { status: 0 },
    });
  url.username = "";
  url.password = "";
  if (address !== "" && (text.startsWith(address) || !/^https?:\/\//i.test(text))) checkBelow(url, { text, address });
  url.hash = "";
  return url;
}

/** The last fence: whatever a path becomes as an address, it neither climbs nor goes elsewhere, nor loses its end. */
function checkBelow(url: URL, { text, address }: { readonly text: string; readonly address: string }): void {
  const home = URL.parse(address);
  const isBelow = home !== null && url.origin === home.origin && url.pathname.startsWith(home.pathname);
  if (!isBelow || /[\\\p{Cc}]/u.test(text))
    throw new Failure(
      "forbidden",
      `Cannot fetch "${text.slice(0, 200)}": it does not lie below the upstream's address`,
    );
}

async function* once(body: Uint8Array): AsyncGenerator<Uint8Array> {
  yield body;
}

function headersFor(request: UpstreamRequest, authorization: string | undefined): Record<string, string> {
  const { accept, etag, modified, resume } = request;
  return {
    "user-agent": "mintmark",
    accept: accept ?? "*/*",
    "accept-encoding": request.mayCompress ? "gzip" : "identity",
    ...(authorization === undefined ? {} : { authorization }),
    ...(etag === undefined ? {} : { "if-none-match": etag }),
    // A validator by time counts only where there is none by content. Source: RFC 9110 section 13.1.3.
    ...(modified === undefined || etag !== undefined ? {} : { "if-modified-since": modified }),
    ...(resume === undefined ? {} : { range: `bytes=${resume.from}-` }),
    ...(resume?.validator === undefined ? {} : { "if-range": resume.validator }),
  };
}

function redirected(from: URL, location: string): URL {
  const to = URL.parse(location, from.href);
  if (to === null || (to.protocol !== "http:" && to.protocol !== "https:"))
    throw new Failure(
      "upstream_unreachable",
      `Cannot fetch "${shown(from)}": it redirects to no http or https address`,
      {
        details: { status: 310 },
      },
    );
  if (from.protocol === "https:" && to.protocol === "http:")
    throw new Failure("forbidden", `Cannot fetch "${shown(from)}": it redirects from https to http`);
  to.username = "";
  to.password = "";
  return to;
}

/** Only 404 and 410 say that something is not there; everything else that is no success is a failure. */
function judged(answer: WireResponse, url: URL, { isListing = false } = {}): UpstreamResponse {
  const { status } = answer;
  const found = (as: UpstreamResponse["status"]): UpstreamResponse => Object.assign(answer, { status: as, url });
  if ((status === 200 || status === 206 || status === 304) && !isListing) return found(status);
  answer.discard();
  // The Gradle plugin portal sends whoever asks for what it does not have to the listing of a folder.
  if (status < 300 && isListing) return found(404);
  if (status === 404 || status === 410) return found(404);
  const retryAfterSeconds = secondsOf(answer.headers["retry-after"]);
  const code =
    status === 429 ? "rate_limited" : status === 401 || status === 403 ? "forbidden" : "upstream_unreachable";
  throw new Failure(code, `Cannot fetch "${shown(url)}": the upstream answered ${status}`, {
    details: { status, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) },
  });
}

/** Source: RFC 9110 section 10.2.3. */
function secondsOf(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header)) return Number(header);
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, Math.ceil((at - nowMs()) / 1000));
}

/** An address without its query, which may hold a signature. */
function shown(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}
