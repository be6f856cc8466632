import { z } from "zod";
import { Failure, messageOf } from "../../base/errors.ts";
import type { IssuerDescription } from "./issuer.ts";

/** A code and what proves that it is ours. */
export interface CodeExchange {
  readonly code: string;
  readonly redirectUri: string;
  readonly verifier: string;
  readonly clientId: string;
  /** Undefined for a public client. */
  readonly clientSecret: string | undefined;
}

const answerMs = 10_000;
const answerBytes = 256 * 1024;
const answerSchema = z.object({ id_token: z.string() });

/**
 * Exchanges a code for an ID token; a code that the issuer does not take is an answer.
 *
 * Source: RFC 6749 sections 2.3.1 and 4.1.3, RFC 7636 section 4.5.
 *
 * @throws Failure `upstream_unreachable` where the issuer does not answer, `config_invalid` where it does not know us
 */
export async function exchangeCode(
  issuer: string,
  description: IssuerDescription,
  exchange: CodeExchange,
): Promise<{ readonly idToken: string } | { readonly reason: string }> {
  const { token_endpoint } = description;
  if (token_endpoint === undefined) throw failed(issuer, "it has no token_endpoint");
  const { status, text } = await post(issuer, token_endpoint, requestOf(description, exchange));
  if (status === 401)
    throw new Failure(
      "config_invalid",
      `Cannot sign in at the issuer "${issuer}": it does not take our client secret`,
      {
        hint: "Check login.clientId and login.clientSecretFile of auth.oidc.issuers",
      },
    );
  if (status >= 400 && status < 500) return { reason: "the issuer does not take the code: used, too old, or not ours" };
  if (status !== 200) throw failed(issuer, `its token endpoint answered ${status}`);
  const idToken = answerSchema.safeParse(jsonOf(text)).data?.id_token;
  if (idToken === undefined) throw failed(issuer, "its token endpoint gave no ID token");
  return { idToken };
}

interface TokenRequest {
  readonly form: URLSearchParams;
  readonly headers: Readonly<Record<string, string>>;
}

function requestOf(description: IssuerDescription, exchange: CodeExchange): TokenRequest {
  const { code, redirectUri, verifier, clientId, clientSecret } = exchange;
  const form = new URLSearchParams({ grant_type: "authorization_code", code, redirect_uri: redirectUri });
  form.set("code_verifier", verifier);
  const methods = description.token_endpoint_auth_methods_supported ?? ["client_secret_basic"];
  if (clientSecret !== undefined && methods.includes("client_secret_basic")) {
    const pair = [clientId, clientSecret].map(formEncoded).join(":");
    return { form, headers: { authorization: `Basic ${Buffer.from(pair).toString("base64")}` } };
  }
  form.set("client_id", clientId);
  if (clientSecret !== undefined) form.set("client_secret", clientSecret);
  return { form, headers: {} };
}

function formEncoded(text: string): string {
  return new URLSearchParams({ "": text }).toString().slice(1);
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Follows no redirect: the code and the secret are for this address only. */
async function post(issuer: string, address: string, { form, headers }: TokenRequest): Promise<Answer> {
  try {
    const response = await fetch(address, {
      method: "POST",
      body: form,
      headers: { accept: "application/json", ...headers },
      redirect: "error",
      signal: AbortSignal.timeout(answerMs),
    });
    const chunks: Uint8Array[] = [];
    let sizeBytes = 0;
    const body: AsyncIterable<Uint8Array> | null = response.body;
    for await (const chunk of body ?? []) {
      sizeBytes += chunk.length;
      if (sizeBytes > answerBytes) throw new Error("its answer is too long");
      chunks.push(chunk);
    }
    return { status: response.status, text: Buffer.concat(chunks).toString("utf8") };
  } catch (error) {
    throw failed(issuer, `its token endpoint cannot be reached: ${messageOf(error)}`, error);
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function failed(issuer: string, state: string, cause?: unknown): Failure {
  return new Failure("upstream_unreachable", `Cannot sign in at the issuer "${issuer}": ${state}`, { cause });
}
