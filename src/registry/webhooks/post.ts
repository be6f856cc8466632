import { lookup } from "node:dns";
import { request as requestHttp, type IncomingMessage, type RequestOptions } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import { tickMs } from "../../base/clock.ts";
import { Failure, messageOf } from "../../base/errors.ts";
import { isPrivateAddress } from "../../base/http.ts";
import type { WebhooksConfig } from "../../config/event-keys.ts";

/** One message to be sent. */
interface Post {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly allow: WebhooksConfig;
  /** From the look-up of the name to the end of the answer. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** What came back; without a status, `answer` says why nothing did. */
export interface PostEnd {
  readonly status: number | undefined;
  /** The beginning of the answer. */
  readonly answer: string;
  readonly durationMs: number;
  /** Seconds after which the receiver wants to be asked again. */
  readonly retryAfterSeconds: number | undefined;
}

/** Of an answer that much is read. */
const answerBytes = 4096;

/** Of it that much is kept. */
const keptChars = 1000;

/**
 * Posts a message; redirects are not followed.
 *
 * The connection goes to an address that was looked at: a name that resolves to a private one the next moment
 * (DNS rebinding) does not lead there.
 */
export async function post({ url, headers, body, allow, timeoutMs, signal }: Post): Promise<PostEnd> {
  const start = tickMs();
  const timeout = AbortSignal.timeout(timeoutMs);
  const stop = signal === undefined ? timeout : AbortSignal.any([timeout, signal]);
  try {
    const response = await send(new URL(url), { headers, body, allow, stop });
    const answer = await readAnswer(response);
    const retryAfter = /^\d{1,6}$/.exec(response.headers["retry-after"] ?? "")?.[0];
    return {
      status: response.statusCode,
      answer,
      durationMs: tickMs() - start,
      retryAfterSeconds: retryAfter === undefined ? undefined : Number(retryAfter),
    };
  } catch (error) {
    const answer = timeout.aborted ? `no answer within ${timeoutMs / 1000} s` : messageOf(error);
    return { status: undefined, answer: shortened(answer), durationMs: tickMs() - start, retryAfterSeconds: undefined };
  }
}

/**
 * Checks the address of a target as far as that can be done before its name is resolved.
 *
 * @throws Failure `usage` for what is no http or https address, `forbidden` for a private address that is not allowed
 */
export function checkTargetUrl(text: string, allow: WebhooksConfig): string {
  const url = URL.parse(text);
  const refuse = (state: string): Failure =>
    new Failure("usage", `Cannot send webhooks to "${shownUrl(text)}": ${state}`);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:"))
    throw refuse("it is not an http or https address");
  if (url.username !== "" || url.password !== "") throw refuse("it has credentials in it: give them apart");
  if (url.href.length > 2048) throw refuse("it has more than 2048 characters");
  const host = bareHost(url);
  if (isIP(host) !== 0 && !mayReach(host, host, allow)) throw privateFailure(host);
  url.hash = "";
  return url.href;
}

interface Sending {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly allow: WebhooksConfig;
  readonly stop: AbortSignal;
}

async function send(url: URL, { headers, body, allow, stop }: Sending): Promise<IncomingMessage> {
  const host = bareHost(url);
  if (isIP(host) !== 0 && !mayReach(host, host, allow)) throw privateFailure(host);
  const options: RequestOptions = {
    method: "POST",
    agent: false,
    lookup: fencedLookup(allow),
    signal: stop,
    headers: { ...headers, "content-length": String(Buffer.byteLength(body)), connection: "close" },
  };
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const request = url.protocol === "https:" ? requestHttps(url, options) : requestHttp(url, options);
  request.on("response", resolve).on("error", reject);
  request.end(body);
  return await promise;
}

/** Looks a name up and gives those of its addresses that may be reached. */
function fencedLookup(allow: WebhooksConfig): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error !== null) return callback(error, "");
      const addresses = found.filter(({ address }) => mayReach(hostname, address, allow));
      const [first] = addresses;
      if (first === undefined) return callback(privateFailure(hostname), "");
      if (options.all === true) return callback(null, addresses);
      return callback(null, first.address, first.family);
    });
  };
}

function mayReach(host: string, address: string, { allowPrivate, allowedHosts }: WebhooksConfig): boolean {
  if (allowPrivate || !isPrivateAddress(address)) return true;
  return allowedHosts.some((allowed) => [host, address].includes(allowed.toLowerCase()));
}

function privateFailure(host: string): Failure {
  return new Failure("forbidden", `Cannot send webhooks to "${host}": it is a private address`, {
    hint: "Name it in webhooks.allowedHosts, or set webhooks.allowPrivate",
  });
}

async function readAnswer(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= answerBytes) break;
  }
  response.destroy();
  return shortened(Buffer.concat(chunks).subarray(0, answerBytes).toString("utf8"));
}

function shortened(text: string): string {
  return text
    .replaceAll(/\p{Cc}+/gu, " ")
    .slice(0, keptChars)
    .toWellFormed();
}

function bareHost(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "").toLowerCase();
}

/** An address without what may be secret in it: who knows the path of some may use them. */
export function shownUrl(text: string): string {
  const url = URL.parse(text);
  return url === null ? text.slice(0, 100) : `${url.protocol}//${url.host}`;
}
