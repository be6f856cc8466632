import { lookup } from "node:dns/promises";
import { createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import { BlockList, isIP } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Failure, messageOf } from "./errors.ts";
import { limits } from "./limits.ts";
import { outboundProxy } from "./outbound-proxy.ts";

/** Bounds of one download. */
export interface FetchOptions {
  /** The body may have this many bytes after content decoding. */
  readonly limitBytes: number;
  /** No byte for this many milliseconds ends the download; {@link limits.upstreamIdleMs} where not given. */
  readonly idleMs?: number;
  /** Whether a redirect may lead to a loopback, private or link-local address. The first address is the operator's own choice. */
  readonly allowPrivate?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/**
 * Downloads an http or https address into memory; credentials in the address become basic authentication.
 *
 * Headers and credentials go to the origin of the address only, never to where it redirects.
 *
 * @throws Failure `usage` on another scheme, `not_found` on 404 and 410, `too_large`, `forbidden` where a redirect leads to
 *   a private address, `cancelled` on the signal, `upstream_unreachable` for the rest
 */
export async function fetchLimited(address: string, options: FetchOptions): Promise<Buffer> {
  const chunks: Buffer[] = [];
  await download(address, options, async (body) => {
    for await (const chunk of body) chunks.push(Buffer.from(chunk));
  });
  return Buffer.concat(chunks);
}

/**
 * Downloads an http or https address into a new file; on a failure the file is gone.
 *
 * @throws Failure as {@link fetchLimited}
 */
export async function fetchToFile(address: string, path: string, options: FetchOptions): Promise<void> {
  try {
    await download(address, options, (body) =>
      pipeline(Readable.from(body), createWriteStream(path, { flags: "wx", mode: 0o600 })),
    );
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
}

const redirectLimit = 5;

async function download(
  address: string,
  options: FetchOptions,
  consume: (body: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<void> {
  const watchdog = startWatchdog(options);
  try {
    const response = await follow(address, options, watchdog);
    const declaredBytes = Number(response.headers.get("content-length") ?? 0);
    if (declaredBytes > options.limitBytes) throw tooLarge(address, options.limitBytes);
    if (response.body !== null)
      await consume(bounded(response.body, { address, limitBytes: options.limitBytes, watchdog }));
  } catch (error) {
    throw asFailure(error, address, options.signal);
  } finally {
    watchdog.stop();
  }
}

async function follow(address: string, options: FetchOptions, watchdog: Watchdog): Promise<Response> {
  let target = webAddress(address);
  const { origin } = target;
  const ownHeaders = { ...credentialsOf(address), ...options.headers };
  for (let hop = 0; hop <= redirectLimit; hop++) {
    watchdog.arm(limits.upstreamHeadersMs);
    const headers = target.origin === origin ? ownHeaders : {};
    const response = await fetch(target, { redirect: "manual", signal: watchdog.signal, headers });
    const location = response.headers.get("location");
    if (response.status < 300 || response.status >= 400 || location === null) return succeeded(response, address);
    await response.body?.cancel();
    const next = webAddress(new URL(location, target).href);
    if (target.protocol === "https:" && next.protocol === "http:")
      throw new Failure("forbidden", `Cannot fetch "${shown(address)}": it redirects from https to http`);
    if (options.allowPrivate !== true && (await isPrivateHost(next)))
      throw new Failure(
        "forbidden",
        `Cannot fetch "${shown(address)}": it redirects to the private address "${next.hostname}"`,
        {
          hint: "Give the final address itself, or allow private upstreams in the configuration",
        },
      );
    target = next;
  }
  throw new Failure("upstream_unreachable", `Cannot fetch "${shown(address)}": more than ${redirectLimit} redirects`);
}

async function succeeded(response: Response, address: string): Promise<Response> {
  if (response.ok) return response;
  await response.body?.cancel();
  const code = response.status === 404 || response.status === 410 ? "not_found" : "upstream_unreachable";
  throw new Failure(code, `Cannot fetch "${shown(address)}": the server answered ${response.status}`);
}

interface Watchdog {
  readonly signal: AbortSignal;
  readonly idleMs: number;
  arm(ms: number): void;
  stop(): void;
}

function startWatchdog(options: FetchOptions): Watchdog {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  return {
    signal: options.signal === undefined ? controller.signal : AbortSignal.any([controller.signal, options.signal]),
    idleMs: options.idleMs ?? limits.upstreamIdleMs,
    arm(ms) {
      clearTimeout(timer);
      timer = setTimeout(() => controller.abort(new Error(`no answer for ${Math.ceil(ms / 1000)} s`)), ms);
    },
    stop: () => clearTimeout(timer),
  };
}

async function* bounded(
  body: ReadableStream<Uint8Array>,
  options: { address: string; limitBytes: number; watchdog: Watchdog },
): AsyncGenerator<Uint8Array> {
  let sizeBytes = 0;
  options.watchdog.arm(options.watchdog.idleMs);
  for await (const chunk of body) {
    sizeBytes += chunk.length;
    if (sizeBytes > options.limitBytes) throw tooLarge(options.address, options.limitBytes);
    // While the consumer writes, the peer owes us nothing.
    options.watchdog.stop();
    yield chunk;
    options.watchdog.arm(options.watchdog.idleMs);
  }
}

function webAddress(text: string): URL {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:"))
    throw new Failure("usage", `Cannot fetch "${shown(text)}": only http and https addresses are fetched`);
  // They travel as a header; fetch refuses them in an address, and tells the whole of it in its message.
  url.username = "";
  url.password = "";
  return url;
}

function credentialsOf(address: string): Record<string, string> {
  const url = URL.parse(address);
  if (url === null || url.username === "") return {};
  try {
    const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    return { authorization: `Basic ${Buffer.from(pair).toString("base64")}` };
  } catch {
    throw new Failure("usage", `Cannot fetch "${shown(address)}": a % in its credentials is no escape`, {
      hint: "Write a % of a user name or password as %25",
    });
  }
}

/** Networks that a public server has no business to send us to. Source: RFC 6890 and its IANA registries. */
const privateNetworks: readonly (readonly [string, number, "ipv4" | "ipv6"])[] = [
  ["0.0.0.0", 8, "ipv4"],
  ["10.0.0.0", 8, "ipv4"],
  ["100.64.0.0", 10, "ipv4"],
  ["127.0.0.0", 8, "ipv4"],
  ["169.254.0.0", 16, "ipv4"],
  ["172.16.0.0", 12, "ipv4"],
  ["192.0.0.0", 24, "ipv4"],
  ["192.168.0.0", 16, "ipv4"],
  ["198.18.0.0", 15, "ipv4"],
  ["224.0.0.0", 3, "ipv4"],
  ["::", 96, "ipv6"],
  ["64:ff9b::", 96, "ipv6"],
  ["64:ff9b:1::", 48, "ipv6"],
  ["2002::", 16, "ipv6"],
  ["fc00::", 7, "ipv6"],
  ["fe80::", 10, "ipv6"],
  ["fec0::", 10, "ipv6"],
  ["ff00::", 8, "ipv6"],
];

/** Whether a host is, or resolves to, a private address; the name may resolve anew at connect, so this is a fence, not a wall. */
async function isPrivateHost(url: URL): Promise<boolean> {
  const bare = url.hostname.replace(/^\[|\]$/g, "");
  if (isIP(bare) !== 0) return isPrivateAddress(bare);
  // Behind a proxy only the proxy resolves names: it is the fence then.
  if (outboundProxy(url) !== undefined) return false;
  return (await lookup(bare, { all: true })).some(({ address }) => isPrivateAddress(address));
}

/** Whether an IP address is loopback, private, link-local or otherwise not of the public network. */
export function isPrivateAddress(address: string): boolean {
  const list = new BlockList();
  for (const [network, prefix, family] of privateNetworks) list.addSubnet(network, prefix, family);
  return list.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
}

function tooLarge(address: string, limitBytes: number): Failure {
  return new Failure("too_large", `Cannot fetch "${shown(address)}": it is larger than ${limitBytes} bytes`);
}

function asFailure(error: unknown, address: string, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted === true) return new Failure("cancelled", `Stopped fetching "${shown(address)}" on request`);
  if (error instanceof Failure || (error instanceof Error && "syscall" in error && "path" in error)) return error;
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return new Failure("upstream_unreachable", `Cannot fetch "${shown(address)}": ${messageOf(cause)}`, { cause: error });
}

/** An address without credentials and query: both may hold secrets. */
function shown(address: string): string {
  const url = URL.parse(address);
  return url === null ? address.slice(0, 200) : `${url.protocol}//${url.host}${url.pathname}`;
}
