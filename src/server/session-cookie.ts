import type { FastifyReply, FastifyRequest } from "fastify";
import { Failure } from "../base/errors.ts";
import type { Config } from "../config/config.ts";

/** What the cookies need to know of the configuration. */
export type CookieConfig = Pick<Config, "tls" | "publicUrl">;

/** One cookie of ours. */
export interface CookieForm {
  readonly name: string;
  /** Where browsers send it. */
  readonly path: string;
}

/** The cookie of who is signed in. */
export function sessionCookie(config: CookieConfig): CookieForm {
  // With the prefix no other host of the same domain can set it. Source: RFC 6265bis section 4.1.3.2.
  return { name: isEncrypted(config) ? "__Host-mintmark-session" : "mintmark-session", path: "/" };
}

/** The cookie of who is on the way to an issuer and back. */
export function loginCookie(config: CookieConfig): CookieForm {
  return { name: isEncrypted(config) ? "__Secure-mintmark-login" : "mintmark-login", path: "/auth/oidc/" };
}

/** The value of a cookie that came with a request. Where it came twice it counts as none: one may be an intruder's. */
export function readCookie(request: FastifyRequest, { name }: CookieForm): string | undefined {
  const values = (request.headers.cookie ?? "")
    .split(";")
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`));
  return values.length === 1 ? values[0]!.slice(name.length + 1) : undefined;
}

/** Sets a cookie that scripts do not see and other sites' requests do not carry; without a value it is taken away. */
export function setCookie(
  reply: FastifyReply,
  config: CookieConfig,
  cookie: CookieForm & { readonly value: string | undefined; readonly maxAgeSeconds: number },
): void {
  const { name, path, value, maxAgeSeconds } = cookie;
  const parts = [`${name}=${value ?? ""}`, `Path=${path}`, `Max-Age=${value === undefined ? 0 : maxAgeSeconds}`];
  parts.push("HttpOnly", "SameSite=Lax");
  if (isEncrypted(config)) parts.push("Secure");
  const before = reply.getHeader("set-cookie");
  const all = [before ?? []].flat().map(String);
  reply.header("set-cookie", [...all, parts.join("; ")]);
}

/**
 * Refuses a request that changes something on the strength of a cookie and may have been sent by another site's page.
 *
 * A browser says where a page is from; other programs send the header `x-mintmark-request`, which no page of another
 * site can add without asking first. Source: OWASP, "Cross-Site Request Forgery Prevention", Fetch Metadata.
 *
 * @throws Failure `forbidden`
 */
export function refuseForgery(request: FastifyRequest, config: CookieConfig): void {
  if (request.method === "GET" || request.method === "HEAD") return;
  const { origin } = request.headers;
  const site = request.headers["sec-fetch-site"];
  const own = [config.publicUrl, `${request.protocol}://${request.host}`];
  const isOwn = origin === undefined ? site === undefined || site === "same-origin" : own.includes(origin);
  const isSaid = origin !== undefined || site !== undefined || request.headers["x-mintmark-request"] !== undefined;
  if (isOwn && isSaid) return;
  throw new Failure("forbidden", "Cannot do this for another site's page", {
    hint: "Send it from this server's own pages, with the header x-mintmark-request, or with a token instead of the cookie",
  });
}

/** Whether browsers speak TLS with this server, or with the proxy before it. */
function isEncrypted({ tls, publicUrl }: CookieConfig): boolean {
  return tls !== undefined || publicUrl?.startsWith("https:") === true;
}
