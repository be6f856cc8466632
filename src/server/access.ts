import { timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import type { FastifyRequest } from "fastify";
import { Failure } from "../base/errors.ts";
import { sha256Hex } from "../base/hash.ts";
import type { Config } from "../config/config.ts";

/** Who asks. */
export interface Caller {
  readonly name: string;
  readonly role: "anonymous" | "robot" | "administrator";
  /** Whether the account may start and stop builds; anonymous callers never may. */
  readonly mayBuild: boolean;
}

/** What a route asks of its caller. */
export type Need = "open" | "read" | "write" | "administrator";

/** Finds the account behind an `Authorization` header; undefined where the credentials are wrong. */
export type Authenticate = (header: string) => Promise<Caller | undefined>;

interface AccessOptions {
  readonly config: Pick<Config, "anonymousRead" | "listen" | "publicUrl">;
  readonly authenticate: Authenticate;
  /** The secret in server.json: whoever can read that file owns the data folder. */
  readonly ownerToken: string;
}

const nobody: Caller = { name: "anonymous", role: "anonymous", mayBuild: false };
const owner: Caller = { name: "owner", role: "administrator", mayBuild: true };

/**
 * Lets a request through or refuses it.
 *
 * Reads need no account while the server listens on loopback, `anonymousRead` is set, no proxy stands before it and
 * the request names this server: a web page that re-points its own name at this machine (DNS rebinding) does not.
 *
 * @throws Failure `unauthorized`, `forbidden`
 */
export async function admit(request: FastifyRequest, need: Need, options: AccessOptions): Promise<Caller> {
  if (need === "open") return nobody;
  const header = request.headers.authorization;
  const caller = header === undefined ? nobody : await callerOf(header, options);
  if (caller === undefined) throw new Failure("unauthorized", "Cannot sign in: the credentials are not valid");
  if (need === "read" && (caller.role !== "anonymous" || mayReadAnonymously(request, options.config))) return caller;
  if (caller.role === "anonymous")
    throw new Failure("unauthorized", `Cannot ${need === "read" ? "read" : "change"} anything here without an account`, {
      hint: "Sign in as admin with the password in the file admin-password of the data folder, or as a robot",
    });
  if (need === "write" ? caller.mayBuild : caller.role === "administrator") return caller;
  throw new Failure("forbidden", `Cannot do this as "${caller.name}": it needs the ${need === "write" ? "right to build" : "administrator"}`);
}

async function callerOf(header: string, options: AccessOptions): Promise<Caller | undefined> {
  const bearer = /^Bearer ([\x21-\x7e]+)$/i.exec(header)?.[1];
  if (bearer !== undefined && sameSecret(bearer, options.ownerToken)) return owner;
  return await options.authenticate(header);
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
