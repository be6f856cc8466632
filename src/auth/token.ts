import { createHmac, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { newSecret, nowMs } from "../base/clock.ts";
import { isRepository } from "../model/reference.ts";
import { allActions, type Action } from "./identity.ts";

/** What a token allows in one repository. */
interface Access {
  readonly repository: string;
  readonly actions: readonly Action[];
}

/** What a token says; the claims of the Docker registry's token specification and one of our own. */
export interface TokenClaims {
  /** The account's name. */
  readonly subject: string;
  /** Whom the token is for. */
  readonly audience: string;
  /** What it allows; never more than the account. */
  readonly access: readonly Access[];
  /** Whether it may list what its account sees: the scope `registry:catalog:*`. */
  readonly catalog: boolean;
  /** Ties the token to the secret that its account had; a rotated secret ends it. */
  readonly binding: string;
}

const issuer = "mintmark";
/** The one header that is ever accepted: a token cannot choose its algorithm. */
const header = Buffer.from(JSON.stringify({ alg: "HS256", typ: "JWT" })).toString("base64url");
const longestTokenLength = 12 * 1024;
const longestScopeCount = 100;

const payloadSchema = z.object({
  iss: z.literal(issuer),
  sub: z.string(),
  aud: z.string(),
  nbf: z.number(),
  exp: z.number(),
  bound: z.string(),
  access: z.array(
    z.discriminatedUnion("type", [
      z.object({
        type: z.literal("repository"),
        name: z.string().refine(isRepository),
        actions: z.array(z.enum(["pull", "push", "delete"])),
      }),
      z.object({ type: z.literal("registry"), name: z.literal("catalog"), actions: z.tuple([z.literal("*")]) }),
    ]),
  ),
});

/** Signs claims as a compact JWS with HMAC-SHA-256, valid from now. Source: RFC 7515 section 3.1, RFC 7519 section 4.1. */
export function signToken(key: Buffer, claims: TokenClaims, lifeSeconds: number): string {
  const now = Math.floor(nowMs() / 1000);
  const payload: z.input<typeof payloadSchema> & { iat: number; jti: string } = {
    iss: issuer,
    sub: claims.subject,
    aud: claims.audience,
    iat: now,
    nbf: now,
    exp: now + lifeSeconds,
    jti: newSecret(12),
    bound: claims.binding,
    access: [
      ...claims.access.map(({ repository, actions }) => ({
        type: "repository" as const,
        name: repository,
        actions: [...actions],
      })),
      ...(claims.catalog
        ? [{ type: "registry" as const, name: "catalog" as const, actions: ["*" as const] as ["*"] }]
        : []),
    ],
  };
  const signed = `${header}.${Buffer.from(JSON.stringify(payload)).toString("base64url")}`;
  return `${signed}.${signatureOf(key, signed)}`;
}

/** Reads a token; undefined where it is not ours, not for this audience, or not valid now. */
export function readToken(key: Buffer, token: string, audience: string): TokenClaims | undefined {
  if (token.length > longestTokenLength) return undefined;
  const [tokenHeader, body, signature, ...rest] = token.split(".");
  if (tokenHeader !== header || body === undefined || signature === undefined || rest.length > 0) return undefined;
  // The text is compared, not its bytes: base64url lets several texts stand for the same ones.
  const given = Buffer.from(signature);
  const expected = Buffer.from(signatureOf(key, `${header}.${body}`));
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
  const payload = payloadSchema.safeParse(JSON.parse(Buffer.from(body, "base64url").toString())).data;
  const now = nowMs() / 1000;
  if (payload === undefined || payload.aud !== audience || now < payload.nbf || now >= payload.exp) return undefined;
  return {
    subject: payload.sub,
    audience: payload.aud,
    binding: payload.bound,
    access: payload.access.flatMap((one) =>
      one.type === "repository" ? [{ repository: one.name, actions: one.actions }] : [],
    ),
    catalog: payload.access.some(({ type }) => type === "registry"),
  };
}

/** What the scopes of a token request ask for. */
export interface Scopes {
  /** One entry a repository. */
  readonly repositories: readonly Access[];
  /** Whether `registry:catalog:*` is among them. */
  readonly catalog: boolean;
}

/**
 * Reads the scopes of a token request: `repository:NAME:pull,push`, several in one text with spaces between.
 *
 * What is neither a repository's scope nor the catalog's is left out, patterns too; `*` stands for every action.
 * Source: the Docker registry's token scope specification.
 */
export function readScopes(scopes: readonly string[]): Scopes {
  const wanted = new Map<string, Set<Action>>();
  let catalog = false;
  for (const scope of scopes.flatMap((text) => text.split(/\s+/)).slice(0, longestScopeCount)) {
    if (scope === "registry:catalog:*") catalog = true;
    const [, name = "", actions = ""] = /^repository(?:\([a-z]+\))?:([^:]+):([a-z,*]+)$/.exec(scope) ?? [];
    if (!isRepository(name)) continue;
    const asked = actions.split(",");
    const known = asked.includes("*") ? allActions : allActions.filter((action) => asked.includes(action));
    wanted.set(name, new Set([...(wanted.get(name) ?? []), ...known]));
  }
  const repositories = Array.from(wanted, ([repository, actions]) => ({
    repository,
    actions: allActions.filter((action) => actions.has(action)),
  }));
  return { repositories, catalog };
}

function signatureOf(key: Buffer, text: string): string {
  return createHmac("sha256", key).update(text).digest("base64url");
}
