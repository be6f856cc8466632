import type { JWTVerifyGetKey } from "jose";
import { z } from "zod";
import { Failure } from "../../base/errors.ts";
import { fetchLimited } from "../../base/http.ts";
import { isTrustedUrl, type OidcIssuerConfig } from "../../config/directory-values.ts";
import { keepDocument } from "./kept-document.ts";

/** What an issuer says of itself. Source: OpenID Connect Discovery 1.0 section 3. */
export interface IssuerDescription {
  readonly jwks_uri: string;
  readonly authorization_endpoint?: string | undefined;
  readonly token_endpoint?: string | undefined;
  readonly token_endpoint_auth_methods_supported?: readonly string[] | undefined;
  readonly authorization_response_iss_parameter_supported?: boolean | undefined;
}

/** An issuer of tokens, with what was fetched from it. */
export interface Issuer {
  readonly config: OidcIssuerConfig;
  /** @throws Failure `upstream_unreachable` */
  description(): Promise<IssuerDescription>;
  /**
   * The issuer's keys, for jose: a key that is not known is looked for anew, at most once a minute.
   *
   * @throws Failure `upstream_unreachable`, and jose's own errors where there is no such key
   */
  readonly key: JWTVerifyGetKey;
  /** Fetches what a sign-in would need. @throws Failure `upstream_unreachable` */
  readonly check: () => Promise<void>;
}

/** Opens an issuer; nothing is fetched before it is needed. */
export function openIssuer(config: OidcIssuerConfig): Issuer {
  const description = keepDocument(() => fetchDescription(config));
  const keys = keepDocument(async () => {
    const { createLocalJWKSet } = await import("jose");
    return createLocalJWKSet(await fetchKeys(config, config.jwksUrl ?? (await description.get()).jwks_uri));
  });
  return {
    config,
    description: () => description.get(),
    async key(header, token) {
      const { errors } = await import("jose");
      const known = await keys.get();
      try {
        return await known(header, token);
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
        const renewed = await keys.renew();
        if (renewed === known) throw error;
        return await renewed(header, token);
      }
    },
    async check() {
      if (config.jwksUrl === undefined || config.login !== undefined) await description.get();
      await keys.get();
    },
  };
}

const documentBytes = 256 * 1024;
const answerMs = 10_000;
const keyCount = 100;

const descriptionSchema = z.object({
  issuer: z.string(),
  jwks_uri: z.string(),
  authorization_endpoint: z.string().optional(),
  token_endpoint: z.string().optional(),
  token_endpoint_auth_methods_supported: z.array(z.string()).optional(),
  authorization_response_iss_parameter_supported: z.boolean().optional(),
});

async function fetchDescription({ issuer }: OidcIssuerConfig): Promise<IssuerDescription> {
  const address = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  const description = descriptionSchema.safeParse(await fetchJson(issuer, address)).data;
  if (description === undefined) throw unreachable(issuer, "its discovery document is not of that form");
  if (description.issuer !== issuer)
    throw unreachable(issuer, `its discovery document says that it is "${description.issuer.slice(0, 200)}"`);
  const { jwks_uri, authorization_endpoint, token_endpoint } = description;
  for (const endpoint of [jwks_uri, authorization_endpoint, token_endpoint])
    if (endpoint !== undefined && !mayPointTo(issuer, endpoint))
      throw unreachable(issuer, "its discovery document names an address that is not protected by https");
  return description;
}

/** An issuer elsewhere has no business to send us to a port of this machine without encryption. */
function mayPointTo(issuer: string, endpoint: string): boolean {
  return isTrustedUrl(endpoint) && (endpoint.startsWith("https:") || issuer.startsWith("http:"));
}

const publicKeySchema = z.looseObject({ kty: z.string() });

/** Only public keys of pairs: a shared secret in the list would let anybody who reads it sign. */
async function fetchKeys(
  { issuer }: OidcIssuerConfig,
  address: string,
): Promise<{ keys: z.output<typeof publicKeySchema>[] }> {
  const list = z.object({ keys: z.array(z.unknown()) }).safeParse(await fetchJson(issuer, address)).data;
  if (list === undefined) throw unreachable(issuer, "its list of keys is not of that form");
  if (list.keys.length > keyCount) throw unreachable(issuer, `it has more than ${keyCount} keys`);
  const keys = list.keys
    .flatMap((key) => publicKeySchema.safeParse(key).data ?? [])
    .filter((key) => ["RSA", "EC", "OKP"].includes(key.kty) && !("d" in key));
  return { keys };
}

async function fetchJson(issuer: string, address: string): Promise<unknown> {
  try {
    const bytes = await fetchLimited(address, {
      limitBytes: documentBytes,
      idleMs: answerMs,
      signal: AbortSignal.timeout(answerMs),
      headers: { accept: "application/json" },
    });
    return JSON.parse(bytes.toString("utf8")) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) throw unreachable(issuer, "it answered with something that is not JSON");
    if (error instanceof Failure && error.code === "cancelled")
      throw unreachable(issuer, `no answer for ${answerMs / 1000} s`, error);
    throw unreachable(issuer, error instanceof Failure ? error.message : "it cannot be reached", error);
  }
}

function unreachable(issuer: string, state: string, cause?: unknown): Failure {
  return new Failure("upstream_unreachable", `Cannot ask the issuer "${issuer}": ${state}`, {
    hint: "Accounts of this registry itself still sign in; `mintmark doctor` asks each issuer",
    cause,
  });
}
