import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { nowMs } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import type { BrowserSignIn } from "../auth/auth.ts";
import {
  loginCookie,
  readCookie,
  refuseForgery,
  sessionCookie,
  setCookie,
  type CookieConfig,
} from "./session-cookie.ts";

const loginSeconds = 600;
const longestReturn = 1000;

interface SignInSite {
  readonly browser: BrowserSignIn;
  readonly config: CookieConfig;
}

/**
 * Adds the pages of signing in with a browser: `GET /auth/oidc`, `/auth/oidc/NAME/login`, `/auth/oidc/NAME/callback`
 * and `POST /auth/sign-out`.
 */
export function addSignInRoutes(app: FastifyInstance, site: SignInSite): void {
  const { browser } = site;
  app.get("/auth/oidc", async () => ({
    issuers: browser.issuers.map((name) => ({ name, loginPath: `/auth/oidc/${name}/login` })),
  }));
  app.get<{ Params: { issuer: string } }>("/auth/oidc/:issuer/login", async (request, reply) => {
    const { issuer } = request.params;
    const way = { redirectUri: redirectUri(site, request, issuer), returnTo: returnPath(queryOf(request)) };
    const start = await browser.begin(issuer, way);
    if (start === undefined) throw noIssuer(issuer);
    setCookie(reply, site.config, { ...loginCookie(site.config), value: start.cookie, maxAgeSeconds: loginSeconds });
    return await reply.redirect(start.location, 303);
  });
  app.get<{ Params: { issuer: string } }>(
    "/auth/oidc/:issuer/callback",
    async (request, reply) => await comeBack(site, { request, reply, issuer: request.params.issuer }),
  );
  app.post("/auth/sign-out", async (request, reply) => {
    refuseForgery(request, site.config);
    const cookie = sessionCookie(site.config);
    const secret = readCookie(request, cookie);
    if (secret !== undefined) await browser.signOut(secret);
    setCookie(reply, site.config, { ...cookie, value: undefined, maxAgeSeconds: 0 });
    return await reply.code(204).send();
  });
}

interface Exchange {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly issuer: string;
}

async function comeBack(site: SignInSite, { request, reply, issuer }: Exchange): Promise<FastifyReply> {
  const { browser, config } = site;
  const login = loginCookie(config);
  const session = sessionCookie(config);
  const ended = await browser.end(issuer, {
    query: queryOf(request),
    cookie: readCookie(request, login),
    redirectUri: redirectUri(site, request, issuer),
  });
  if (ended === undefined) throw noIssuer(issuer);
  setCookie(reply, config, { ...login, value: undefined, maxAgeSeconds: 0 });
  if ("reason" in ended)
    throw new Failure("forbidden", `Cannot sign in at "${issuer}": ${ended.reason}`, {
      hint: `Begin again at /auth/oidc/${issuer}/login`,
    });
  const before = readCookie(request, session);
  if (before !== undefined) await browser.signOut(before);
  const maxAgeSeconds = Math.floor((ended.expiresAt - nowMs()) / 1000);
  setCookie(reply, config, { ...session, value: ended.secret, maxAgeSeconds });
  return await reply.redirect(ended.returnTo, 303);
}

/** The issuer knows this address; it takes no other. */
function redirectUri({ config }: SignInSite, request: FastifyRequest, issuer: string): string {
  return `${config.publicUrl ?? `${request.protocol}://${request.host}`}/auth/oidc/${issuer}/callback`;
}

/** Only a path on this server: an address elsewhere would make us a stepping stone. */
function returnPath(query: URLSearchParams): string {
  const wish = query.get("return_to") ?? "/";
  const isPath = wish.length <= longestReturn && /^\/(?![/\\])[\x21-\x5b\x5d-\x7e]*$/.test(wish);
  return isPath ? wish : "/";
}

function queryOf(request: FastifyRequest): URLSearchParams {
  return new URLSearchParams(request.url.split(/\?(.*)/s)[1] ?? "");
}

function noIssuer(name: string): Failure {
  return new Failure("not_found", `Cannot find the issuer "${name.slice(0, 100)}": nobody signs in there`, {
    hint: "GET /auth/oidc lists those that are configured with login",
  });
}
