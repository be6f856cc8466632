import { timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import type { FastifyRequest } from "fastify";
import { Failure } from "../base/errors.ts";
import { sha256Hex } from "../base/hash.ts";
import type { Config } from "../config/config.ts";
import type { ProjectAction } from "../model/permission.ts";

/** Who asks, in the words of the API. */
export interface Caller {
  readonly name: string;
  readonly role: "anonymous" | "robot" | "administrator";
  /** Whether it may do something in a repository; a project's name stands for the whole project. */
  may(action: ProjectAction, repository: string): boolean;
}

/**
 * Finds who stands behind an `Authorization` header; undefined where it proves nobody.
 *
 * @throws Failure `rate_limited` with `details.retryAfterSeconds` after too many wrong passwords
 */
export type Identify = (header: string, address: string) => Promise<Caller | undefined>;

/** What a route asks of its caller; `write` routes ask about the repository themselves. */
export type Need = "open" | "read" | "write" | "administrator";

interface AccessOptions {
  readonly config: Pick<Config, "anonymousRead" | "listen" | "publicUrl">;
  readonly identify: Identify;
  /** The secret in server.json: whoever can read that file owns the data folder. */
  readonly ownerToken: string;
}

/** Whom the doorkeeper lets in without an account may see everything: that is what `anonymousRead` says. */
const nobody: Caller = {
  name: "anonymous",
  role: "anonymous",
  may: (action) => action === "pull" || action === "list",
};
const owner: Caller = { name: "owner", role: "administrator", may: () => true };

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
  if (need === "read" && (!isAnonymous || mayReadAnonymously(request, options.config))) return caller;
  if (isAnonymous)
    throw new Failure(
      "unauthorized",
      `Cannot ${need === "read" ? "read" : "change"} anything here without an account`,
      {
        hint: "Sign in as admin with the password in the file admin-password of the data folder, or as a robot",
      },
    );
  if (need === "administrator" && caller.role !== "administrator")
    throw new Failure("forbidden", `Cannot do this as "${caller.name}": it needs the administrator`);
  return caller;
}

async function callerOf(request: FastifyRequest, options: AccessOptions): Promise<Caller> {
  const { authorization } = request.headers;
  if (authorization === undefined) return nobody;
  const bearer = /^Bearer ([\x21-\x7e]+)$/i.exec(authorization)?.[1];
  if (bearer !== undefined && sameSecret(bearer, options.ownerToken)) return owner;
  const caller = await options.identify(authorization, request.ip);
  if (caller === undefined)
    throw new Failure("unauthorized", "Cannot sign in: the credentials are not valid, or have ended");
  return caller;
}

function mayReadAnonymously(request: FastifyRequest, config: AccessOptions["config"]): boolean {
  if (!config.anonymousRead || !isLoopback(config.listen.host)) return false;
  if (request.headers["x-forwarded-for"] !== undefined || request.headers.forwarded !== undefined) return false;
  return isOwnName(request.headers.host ?? "", config.publicUrl);
}

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
