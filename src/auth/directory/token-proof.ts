import type { JWTPayload, JWTVerifyOptions } from "jose";
import { nowMs } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import type { Issuer } from "./issuer.ts";

/** What was found of a token: its claims, or why it is not believed. */
export type TokenProof =
  | { readonly claims: JWTPayload & { readonly sub: string; readonly exp: number } }
  | { readonly reason: string };

/** What a token must be beside signed by its issuer and valid now. */
export interface TokenDemand {
  readonly audience: readonly string[];
  /** How long ago it may have been issued. */
  readonly maxAgeSeconds: number;
}

/** Signatures by key pairs only: never "none", never a secret that both sides know. */
const algorithms = [
  ..."RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512".split(" "),
  // The older and the newer name of the same. Source: RFC 9864.
  "EdDSA",
  "Ed25519",
];
const clockToleranceSeconds = 60;
const longestToken = 16 * 1024;
const longestSubject = 255;

/**
 * Proves a token of an issuer. Source: RFC 7519 section 7.2, RFC 8725.
 *
 * @throws Failure `upstream_unreachable` where the issuer's keys cannot be had
 */
export async function proveToken(issuer: Issuer, token: string, demand: TokenDemand): Promise<TokenProof> {
  const { jwtVerify, errors } = await import("jose");
  const options: JWTVerifyOptions = {
    algorithms,
    issuer: issuer.config.issuer,
    audience: [...demand.audience],
    clockTolerance: clockToleranceSeconds,
    currentDate: new Date(nowMs()),
    maxTokenAge: demand.maxAgeSeconds,
    requiredClaims: ["iss", "sub", "aud", "exp", "iat"],
  };
  try {
    const { payload } = await jwtVerify(token, issuer.key, options);
    const { sub, exp } = payload;
    if (typeof sub !== "string" || typeof exp !== "number" || !isSubject(sub))
      return { reason: "its subject is not a name" };
    return { claims: { ...payload, sub, exp } };
  } catch (error) {
    if (error instanceof Failure) throw error;
    if (error instanceof errors.JWTExpired) return { reason: "it has ended" };
    if (error instanceof errors.JWTClaimValidationFailed)
      return { reason: `its claim "${error.claim}" is not what is asked for` };
    if (error instanceof errors.JOSEAlgNotAllowed) return { reason: "its algorithm is not trusted" };
    if (error instanceof errors.JWKSNoMatchingKey) return { reason: "the issuer has no such key" };
    if (error instanceof errors.JWKSMultipleMatchingKeys) return { reason: "it does not say which key signed it" };
    if (error instanceof errors.JWSSignatureVerificationFailed) return { reason: "its signature is wrong" };
    return { reason: "it is not a signed token, or its key cannot be used" };
  }
}

/** Names stand in logs and in the audit trail: no control characters, no bidirectional overrides. */
function isSubject(text: string): boolean {
  return text.length <= longestSubject && /^[^\p{C}\p{Z}]+(?: [^\p{C}\p{Z}]+)*$/u.test(text);
}

/** The issuer that a token says it is from, without any proof; undefined where it is no token. */
export function claimedIssuer(token: string): string | undefined {
  const body = token.length > longestToken ? undefined : /^[\w-]+\.([\w-]+)\.[\w-]*$/.exec(token)?.[1];
  if (body === undefined) return undefined;
  try {
    const payload: unknown = JSON.parse(Buffer.from(body, "base64url").toString("utf8"));
    const issuer = payload !== null && typeof payload === "object" && "iss" in payload ? payload.iss : undefined;
    return typeof issuer === "string" ? issuer : undefined;
  } catch {
    return undefined;
  }
}
