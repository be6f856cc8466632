import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { tokenService, type openAccounts } from "../auth/auth.ts";
import { Failure } from "../base/errors.ts";
import type { Authenticate } from "./accounts.ts";

/** Where clients of `/v2` get their tokens. */
export const tokenPath = "/v2/_token";

/** Where scripts written for Harbor get theirs, and whom they say the token is for. */
const harborTokenPath = "/service/token";
const harborAudience = "harbor-registry";

/** Names, secrets and scopes are short. */
const formBytes = 64 * 1024;

interface TokenAccounts extends Pick<Awaited<ReturnType<typeof openAccounts>>, "issueToken"> {
  readonly authenticate: Authenticate;
}

/**
 * Adds the token service of the registry: `GET` with basic credentials or none, `POST` with a password grant.
 *
 * Source: the distribution project's "Token Authentication Specification" and its OAuth2 companion.
 */
export function addTokenRoutes(app: FastifyInstance, accounts: TokenAccounts): void {
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(
      "application/x-www-form-urlencoded",
      { parseAs: "string", bodyLimit: formBytes },
      (_request, body, done) => done(null, new URLSearchParams(String(body))),
    );
    for (const path of [tokenPath, harborTokenPath])
      scope.get(path, async (request, reply) => {
        const query = new URLSearchParams(request.url.split(/\?(.*)/s)[1] ?? "");
        return await issue(accounts, { request, reply }, { header: request.headers.authorization, wishes: query });
      });
    scope.post(tokenPath, async (request, reply) => {
      const form = request.body instanceof URLSearchParams ? request.body : new URLSearchParams();
      if (form.get("grant_type") !== "password") return await refuseGrant(reply);
      const pair = `${form.get("username") ?? ""}:${form.get("password") ?? ""}`;
      const header = `Basic ${Buffer.from(pair).toString("base64")}`;
      return await issue(accounts, { request, reply }, { header, wishes: form });
    });
  });
}

/** No token here can be renewed by itself: clients hold the secret. Source: RFC 6749 section 5.2. */
async function refuseGrant(reply: FastifyReply): Promise<FastifyReply> {
  const message = "Cannot issue a token: the only grant type here is password";
  return await reply
    .code(400)
    .header("cache-control", "no-store")
    .send({
      error: "unsupported_grant_type",
      error_description: message,
      errors: [{ code: "UNSUPPORTED", message }],
    });
}

interface Exchange {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

interface TokenRequest {
  readonly header: string | undefined;
  /** `service` and any number of `scope`, each of which may hold several with spaces between. */
  readonly wishes: URLSearchParams;
}

async function issue(
  accounts: TokenAccounts,
  { request, reply }: Exchange,
  { header, wishes }: TokenRequest,
): Promise<FastifyReply> {
  const identity = await accounts.authenticate(header, request);
  if (identity === undefined)
    throw new Failure("unauthorized", "Cannot issue a token: the credentials are not valid, or have ended");
  const scopes = wishes.getAll("scope").flatMap((scope) => scope.split(" ").filter((part) => part !== ""));
  const audience = wishes.get("service") ?? tokenService;
  const issued = accounts.issueToken(identity, scopes, audience === harborAudience ? tokenService : audience);
  return await reply.header("cache-control", "no-store").send({
    token: issued.token,
    access_token: issued.token,
    expires_in: issued.expiresInSeconds,
    issued_at: issued.issuedAt,
  });
}
