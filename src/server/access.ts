import { timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import type { FastifyRequest } from "fastify";
import { Failure } from "../base/errors.ts";
import { sha256Hex } from "../base/hash.ts";
import type { Config } from "../config/config.ts";
import type { Actor } from "../auth/auth.ts";
import { readCookie, refuseForgery, sessionCookie } from "./session-cookie.ts";

/** Who asks, in the words of the API; `may` answers for a repository, or for the whole project by its name. */
export interface Caller extends Actor {
  readonly groups: readonly string[];
  /** Whether it may list or pull anything in a project: what a caller does not see does not exist for it. */
  sees(project: string): boolean;
}

/**
 * Finds who stands behind an `Authorization` header; undefined where it proves nobody.
 *
 * @throws Failure `rate_limited` with `details.retryAfterSeconds` after too many wrong passwords
 */
export type Identify = (header: string, address: string) => Promise<Caller | undefined>;

/**
 * What a route asks of its caller; `write` routes ask about the repository themselves.
 *
 * `public` routes show each caller what it may see, and so let in whoever has no account as soon as any project is public.
 */
export type Need = "open" | "public" | "read" | "write" | "administrator";

interface AccessOptions {
  readonly config: Pick<Config, "anonymousRead" | "listen" | "publicUrl" | "tls">;
  readonly identify: Identify;
  /** Who has no account, as far as public projects go; undefined where there are none. */
  readonly visit: () => Promise<Caller | undefined>;
  /** Who is signed in with the secret of a session's cookie; undefined where nobody is. */
  readonly recall: (secret: string) => Promise<Caller | undefined>;
  /** Counts a request of somebody who is known. @throws Failure `rate_limited` */
  readonly countIdentity: (name: string) => void;
  /** The secret in server.json: whoever can read that file owns the data folder. */
  readonly ownerToken: string;
}

/** Whom the doorkeeper lets in without an account may see everything: that is what `anonymousRead` says. */
const nobody: Caller = {
  name: "anonymous",
  role: "anonymous",
  groups: [],
  may: (action) => action === "pull" || action === "list",
  sees: () => true,
};
const owner: Caller = { name: "owner", role: "administrator", groups: [], may: () => true, sees: () => true };

/**
 * Lets a request through or refuses it.
 *
 * Reads need no account while the server listens on loopback, `anonymousRead` is set, no proxy stands before it and
 * the request names this server: a web page that re-points its own name at this machine (DNS rebinding) does not.
 *
 * @throws Failure `unauthorized`, `forbidden`, `rate_limited`
 */
export async function admit(request: FastifyRequest, need: Need, options: AccessOptions): Promise<Caller> {
  if (need === "open") return nobody;
  const caller = await callerOf(request, options);
  const isAnonymous = caller.role === "anonymous";
  const isRead = need === "read" || need === "public";
  // The anonymous caller of a registry token is not the one below, who may see everything.
  if (isRead && (!isAnonymous || (caller === nobody && mayReadAnonymously(request, options.config)))) return caller;
  const visitor = need === "public" && isAnonymous ? await options.visit() : undefined;
  if (visitor !== undefined) return visitor;
  if (isAnonymous)
    throw new Failure("unauthorized", `Cannot ${isRead ? "read" : "change"} anything here without an account`, {
      hint: "Sign in as admin with the password in the file admin-password of the data folder, as yourself, or as a robot",
    });
  if (need === "administrator" && caller.role !== "administrator")
    throw new Failure("forbidden", `Cannot do this as "${caller.name}": it needs the administrator`, {
      details: { account: caller.name },
    });
  return caller;
}

async function callerOf(request: FastifyRequest, options: AccessOptions): Promise<Caller> {
  const { authorization } = request.headers;
  if (authorization === undefined) return await callerOfSession(request, options);
  const bearer = /^Bearer ([\x21-\x7e]+)$/i.exec(authorization)?.[1];
  if (bearer !== undefined && sameSecret(bearer, options.ownerToken)) return owner;
  const caller = await options.identify(authorization, request.ip);
  if (caller === undefined)
    throw new Failure("unauthorized", "Cannot sign in: the credentials are not valid, or have ended");
  options.countIdentity(caller.name);
  return caller;
}

/** A session that has ended makes nobody, not a failure: the browser still sends its cookie. */
async function callerOfSession(request: FastifyRequest, options: AccessOptions): Promise<Caller> {
  const secret = readCookie(request, sessionCookie(options.config));
  const caller = secret === undefined ? undefined : await options.recall(secret);
  if (caller === undefined) return nobody;
  refuseForgery(request, options.config);
  options.countIdentity(caller.name);
  return caller;
}

/**
 * Whether a request without an account may read everything: it comes from this machine, to this machine, by no proxy.
 *
 * A page of another site that re-points its own name at this machine still sends that name as `Host`.
 */
export function mayReadAnonymously(
  request: Pick<FastifyRequest, "headers">,
  config: Pick<Config, "anonymousRead" | "listen" | "publicUrl">,
): boolean {
  if (!config.anonymousRead || !isLoopback(config.listen.host)) return false;
  if (proxyHeaders.some((name) => request.headers[name] !== undefined)) return false;
  return isOwnName(request.headers.host ?? "", config.publicUrl);
}

/** What proxies add to the requests of others. */
const proxyHeaders = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "forwarded", "via"];

function isOwnName(host: string, publicUrl: string | undefined): boolean {
  const name = /^(?:\[([^\]]+)\]|([^:]+))(?::\d+)?$/.exec(host.toLowerCase());
  const bare = name?.[1] ?? name?.[2] ?? "";
  return isLoopback(bare) || (publicUrl !== undefined && new URL(publicUrl).host === host.toLowerCase());
}

/** Whether a host name or address means this machine only. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

/** Compares hashes, so that neither length nor a common beginning shows in the time. */
function sameSecret(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(sha256Hex(a), "hex"), Buffer.from(sha256Hex(b), "hex"));
}
