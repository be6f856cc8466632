import { createHash, timingSafeEqual } from "node:crypto";
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { newSecret, nowMs } from "../../base/clock.ts";
import { Failure, messageOf } from "../../base/errors.ts";
import { sha256Hex } from "../../base/hash.ts";
import type { OidcIssuerConfig } from "../../config/directory-values.ts";
import type { ExternalPerson } from "../external.ts";
import { claimAt, textsOf, type Claims } from "./claim-rules.ts";
import type { Issuer } from "./issuer.ts";
import { openSeal } from "./seal.ts";
import { exchangeCode } from "./token-exchange.ts";
import { proveToken } from "./token-proof.ts";

/** Where a browser is sent, and what it must bring back. */
export interface LoginStart {
  readonly location: string;
  /** The value of a cookie for the way back; worthless after ten minutes, after its use, and to others. */
  readonly cookie: string;
}

/** What a browser brings back from the issuer. */
export interface LoginReturn {
  readonly query: URLSearchParams;
  readonly cookie: string | undefined;
  readonly redirectUri: string;
}

/** Who came back, and where they wanted to go; or why they are not let in. */
type LoginEnd = { readonly person: ExternalPerson; readonly returnTo: string } | { readonly reason: string };

/** Signs people in with a browser at one issuer: authorization code flow with PKCE. */
export interface CodeFlow {
  /** @throws Failure `upstream_unreachable` */
  begin(way: { readonly redirectUri: string; readonly returnTo: string }): Promise<LoginStart>;
  /** @throws Failure `upstream_unreachable` */
  end(way: LoginReturn): Promise<LoginEnd>;
}

/** How long somebody may take at the issuer. */
const lifeMs = 10 * 60_000;
const usedCount = 10_000;

const planSchema = z.object({
  issuer: z.string(),
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  returnTo: z.string(),
  at: z.number(),
});

/**
 * Opens the sign-in of people at an issuer.
 *
 * What must be known on the way back travels sealed in a cookie: beginnings cost no memory, and only the browser that
 * began can end. Sources: OpenID Connect Core 1.0 section 3.1, RFC 7636, RFC 9207, RFC 9700 section 2.1.
 */
export function openCodeFlow(issuer: Issuer, login: NonNullable<OidcIssuerConfig["login"]>): CodeFlow {
  const seal = openSeal(planSchema);
  const used = new Set<string>();

  /** What the browser began, once; or why it is not taken. */
  function planOf({ query, cookie }: LoginReturn): z.output<typeof planSchema> | { readonly reason: string } {
    const plan = cookie === undefined ? undefined : seal.open(cookie);
    if (plan === undefined || plan.issuer !== issuer.config.issuer)
      return { reason: "this browser did not begin it, or the server was started anew since" };
    if (!sameText(query.get("state") ?? "", plan.state)) return { reason: "its state is not the one it began with" };
    if (nowMs() - plan.at > lifeMs) return { reason: "it took longer than ten minutes" };
    if (used.has(plan.state)) return { reason: "it has come back already" };
    used.add(plan.state);
    const oldest = used.size > usedCount ? used.values().next() : undefined;
    if (oldest?.done === false) used.delete(oldest.value);
    return plan;
  }

  return {
    async begin({ redirectUri, returnTo }) {
      const { authorization_endpoint } = await issuer.description();
      if (authorization_endpoint === undefined) throw lacking(issuer, "authorization_endpoint");
      const [state, nonce, verifier] = [newSecret(24), newSecret(24), newSecret(32)];
      const location = new URL(authorization_endpoint);
      const query = {
        response_type: "code",
        client_id: login.clientId,
        redirect_uri: redirectUri,
        scope: login.scopes.join(" "),
        state,
        nonce,
        code_challenge: createHash("sha256").update(verifier).digest("base64url"),
        code_challenge_method: "S256",
      };
      for (const [name, value] of Object.entries(query)) location.searchParams.set(name, value);
      const plan = { issuer: issuer.config.issuer, state, nonce, verifier, returnTo, at: nowMs() };
      return { location: location.href, cookie: seal.close(plan) };
    },
    async end(way) {
      const plan = planOf(way);
      if ("reason" in plan) return plan;
      const { query, redirectUri } = way;
      const description = await issuer.description();
      const from = query.get("iss");
      const mustTell = description.authorization_response_iss_parameter_supported === true;
      if (from === null ? mustTell : from !== plan.issuer) return { reason: "the answer is another issuer's" };
      const refusal = query.get("error");
      if (refusal !== null) return { reason: `the issuer says "${plainWord(refusal)}"` };
      const code = query.get("code");
      if (code === null || code.length > 4096) return { reason: "the issuer gave no code" };
      const clientSecret = await readClientSecret(login.clientSecretFile);
      const exchange = { code, redirectUri, verifier: plan.verifier, clientId: login.clientId, clientSecret };
      const answer = await exchangeCode(issuer.config.issuer, description, exchange);
      if ("reason" in answer) return answer;
      const person = await personOf(issuer, login, { idToken: answer.idToken, nonce: plan.nonce });
      return "reason" in person ? person : { person, returnTo: plan.returnTo };
    },
  };
}

/** An ID token may be this old when it is read; it was made a moment ago. */
const idTokenAgeSeconds = 600;

async function personOf(
  issuer: Issuer,
  login: NonNullable<OidcIssuerConfig["login"]>,
  { idToken, nonce }: { readonly idToken: string; readonly nonce: string },
): Promise<ExternalPerson | { readonly reason: string }> {
  const { config } = issuer;
  const proof = await proveToken(issuer, idToken, { audience: [login.clientId], maxAgeSeconds: idTokenAgeSeconds });
  if ("reason" in proof) return { reason: `the ID token is not believed: ${proof.reason}` };
  const { claims } = proof;
  if (!sameText(textsOf(claims["nonce"])[0] ?? "", nonce))
    return { reason: "the ID token was made for another sign-in" };
  const party = claims["azp"];
  if (party !== undefined ? party !== login.clientId : Array.isArray(claims.aud) && claims.aud.length > 1)
    return { reason: "the ID token was made for another client" };
  const theirs = textsOf(claimAt(claims, config.groupsClaim));
  if (login.allowedGroups !== undefined && !login.allowedGroups.some((group) => theirs.includes(group)))
    return { reason: "the person is in none of the groups that may sign in" };
  const name = textsOf(claimAt(claims, config.nameClaim))[0];
  if (name === undefined) return { reason: `the ID token has no claim "${config.nameClaim}"` };
  return {
    kind: "person",
    origin: "oidc",
    externalId: `${config.issuer}#${claims.sub}`,
    name: name.toLowerCase(),
    email: provenEmail(claims),
    groups: theirs.map((group) => (Object.hasOwn(config.groups, group) ? config.groups[group]! : group)),
    isSystemAdmin: login.adminGroup === undefined ? undefined : theirs.includes(login.adminGroup),
  };
}

/** Some issuers let people claim addresses that are not theirs, and say so. */
function provenEmail(claims: Claims): string | undefined {
  const email = claims["email"];
  return typeof email === "string" && claims["email_verified"] !== false ? email.slice(0, 254) : undefined;
}

async function readClientSecret(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return (await readFile(path, "utf8")).replace(/\r?\n$/, "");
  } catch (error) {
    throw new Failure("config_invalid", `Cannot read the client secret "${path}": ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function lacking(issuer: Issuer, member: string): Failure {
  const { issuer: url } = issuer.config;
  return new Failure("upstream_unreachable", `Cannot sign in at the issuer "${url}": it has no ${member}`);
}

/** Of what comes from outside only plain words are shown again. */
function plainWord(text: string): string {
  return /^\w{1,60}$/.test(text) ? text : "something else";
}

function sameText(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(sha256Hex(a), "hex"), Buffer.from(sha256Hex(b), "hex"));
}
