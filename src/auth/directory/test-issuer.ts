import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from "jose";
import { newSecret, nowMs } from "../../base/clock.ts";

/** A small OpenID Connect issuer on loopback with real keys, for tests. */
export interface TestIssuer {
  readonly url: string;
  /** Paths that were asked for, in order. */
  readonly requests: string[];
  /** What the issuer answers in place of what it should, by path. */
  readonly answers: Map<string, (response: ServerResponse) => void>;
  /** Who signs in at the next authorization; `error` sends the browser back with that instead. */
  person: Readonly<Record<string, unknown>>;
  /** Claims in place of, or beside, those of the next ID token; undefined takes one out. */
  twist: Readonly<Record<string, unknown>>;
  /** Signs claims: `iss`, `iat` and `exp` are added where they are not given. */
  sign(claims: Readonly<Record<string, unknown>>, header?: { alg?: string; kid?: string }): Promise<string>;
  /** The public key in use. */
  publicKey(): JWK;
  /** Makes a new key; the old one is no longer told. */
  rotate(algorithm?: string): Promise<void>;
  close(): Promise<void>;
}

/** The client that the issuer knows. */
export const testClient = { id: "mintmark", secret: "se:cr%t +1" } as const;

/** Starts an issuer. */
export async function startTestIssuer(): Promise<TestIssuer> {
  let key = await newKey("RS256", "key-1");
  let keyCount = 1;
  const server = createServer((request, response) => {
    answer(issuer, { request, response, login }).catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const issuer: TestIssuer = {
    url,
    requests: [],
    answers: new Map(),
    person: { sub: "u-1" },
    twist: {},
    async sign(claims, header = {}) {
      const now = Math.floor(nowMs() / 1000);
      return await new SignJWT({ iss: url, iat: now, exp: now + 300, ...claims })
        .setProtectedHeader({ alg: header.alg ?? key.algorithm, kid: header.kid ?? key.kid })
        .sign(key.privateKey);
    },
    publicKey: () => key.publicJwk,
    async rotate(algorithm = "RS256") {
      keyCount += 1;
      key = await newKey(algorithm, `key-${keyCount}`);
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  const login = openLogin(issuer);
  return issuer;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly login: Login;
}

async function answer(issuer: TestIssuer, { request, response, login }: Exchange): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? "/", issuer.url);
  issuer.requests.push(pathname);
  const other = issuer.answers.get(pathname);
  if (other !== undefined) other(response);
  else if (pathname === "/.well-known/openid-configuration") sendJson(response, describe(issuer.url));
  else if (pathname === "/keys") sendJson(response, { keys: [issuer.publicKey()] });
  else if (pathname === "/authorize") login.authorize(searchParams, response);
  else if (pathname === "/token") await login.token(request, response);
  else response.writeHead(404).end();
}

/** The two ends of the authorization code flow; whoever comes is signed in at once. */
interface Login {
  authorize(query: URLSearchParams, response: ServerResponse): void;
  token(request: IncomingMessage, response: ServerResponse): Promise<void>;
}

interface IssuedCode {
  readonly challenge: string;
  readonly redirectUri: string;
  readonly nonce: string;
  readonly person: Readonly<Record<string, unknown>>;
}

function openLogin(issuer: TestIssuer): Login {
  const codes = new Map<string, IssuedCode>();
  return {
    authorize(query, response) {
      assert.equal(query.get("response_type"), "code");
      assert.equal(query.get("client_id"), testClient.id);
      assert.equal(query.get("code_challenge_method"), "S256");
      const redirectUri = query.get("redirect_uri")!;
      const back = new URL(redirectUri);
      back.searchParams.set("state", query.get("state")!);
      const { person } = issuer;
      if (typeof person["error"] === "string") back.searchParams.set("error", person["error"]);
      else {
        const code = newSecret(16);
        const [challenge, nonce] = [query.get("code_challenge")!, query.get("nonce")!];
        codes.set(code, { challenge, redirectUri, nonce, person });
        back.searchParams.set("code", code);
      }
      response.writeHead(302, { location: back.href }).end();
    },
    async token(request, response) {
      const form = new URLSearchParams(await textOf(request));
      const code = form.get("code") ?? "";
      const issued = codes.get(code);
      codes.delete(code);
      if (!isTestClient(request)) return sendJson(response, { error: "invalid_client" }, 401);
      const verifier = form.get("code_verifier") ?? "";
      const challenge = createHash("sha256").update(verifier).digest("base64url");
      if (issued?.challenge !== challenge || issued.redirectUri !== form.get("redirect_uri"))
        return sendJson(response, { error: "invalid_grant" }, 400);
      const { nonce, person } = issued;
      const claims = Object.entries({ aud: testClient.id, nonce, ...person, ...issuer.twist });
      const idToken = await issuer.sign(Object.fromEntries(claims.filter(([, value]) => value !== undefined)));
      sendJson(response, { token_type: "Bearer", access_token: newSecret(8), id_token: idToken });
    },
  };
}

/** Source: RFC 6749 section 2.3.1. */
function isTestClient({ headers }: IncomingMessage): boolean {
  const pair = Buffer.from(headers.authorization?.slice("Basic ".length) ?? "", "base64").toString();
  const [id, secret] = pair.split(":").map((part) => decodeURIComponent(part.replaceAll("+", "%20")));
  return id === testClient.id && secret === testClient.secret;
}

interface TestKey {
  readonly algorithm: string;
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly publicJwk: JWK;
}

async function newKey(algorithm: string, kid: string): Promise<TestKey> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm);
  return {
    algorithm,
    kid,
    privateKey,
    publicJwk: { ...(await exportJWK(publicKey)), kid, alg: algorithm, use: "sig" },
  };
}

function describe(url: string): object {
  return {
    issuer: url,
    jwks_uri: `${url}/keys`,
    authorization_endpoint: `${url}/authorize`,
    token_endpoint: `${url}/token`,
    response_types_supported: ["code"],
    code_challenge_methods_supported: ["S256"],
  };
}

function sendJson(response: ServerResponse, body: object, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
