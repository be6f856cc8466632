import { z } from "zod";
import { nowMs } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import { type Wire } from "../../base/wire.ts";
import { parseChallenge, type Challenge } from "./challenge.ts";

/** A name and a secret at a peer. */
export interface Credential {
  readonly username: string;
  readonly secret: string;
}

/** How one peer is convinced of who we are: Basic, or tokens by scope, whichever it asks for. */
export interface Authority {
  /** The header for a request with these scopes as far as it is known already. */
  header(scopes: readonly string[]): string | undefined;
  /**
   * Does what a 401 asks for; false where there is nothing more that could be tried.
   *
   * @throws Failure `forbidden` where the token service is somewhere that credentials must not go
   */
  answer(
    challengeHeader: string | undefined,
    ask: { scopes: readonly string[]; signal?: AbortSignal | undefined },
  ): Promise<boolean>;
}

interface Token {
  readonly text: string;
  readonly endsAt: number;
}

/** Tokens are used a little shorter than they are promised to live. */
const leewayMs = 10_000;
const leastMs = 60_000;
/** Tokens that are kept; a replication of a thousand repositories has a thousand scopes. */
const keptCount = 500;

const tokenAnswer = z.object({
  token: z.string().min(1).optional(),
  access_token: z.string().min(1).optional(),
  expires_in: z.number().positive().optional(),
});

/** Opens the authority of one peer. */
export function openAuthority(options: {
  readonly wire: Wire;
  readonly base: URL;
  readonly credential: Credential | undefined;
}): Authority {
  const { wire, base, credential } = options;
  const basic =
    credential === undefined
      ? undefined
      : `Basic ${Buffer.from(`${credential.username}:${credential.secret}`).toString("base64")}`;
  const tokens = new Map<string, Token>();
  let scheme: Challenge["scheme"] | undefined;
  return {
    header(scopes) {
      if (scheme === "basic") return basic;
      const kept = tokens.get(keyOf(scopes));
      return kept === undefined || kept.endsAt <= nowMs() ? undefined : `Bearer ${kept.text}`;
    },
    async answer(challengeHeader, { scopes, signal }) {
      const challenge = parseChallenge(challengeHeader);
      if (challenge === undefined) return false;
      if (challenge.scheme === "basic") {
        const isNew = scheme !== "basic" && basic !== undefined;
        scheme = "basic";
        return isNew;
      }
      scheme = "bearer";
      const url = tokenUrl(base, challenge, scopes);
      const answer = await wire.send({
        method: "GET",
        url,
        headers: { accept: "application/json", ...(basic === undefined ? {} : { authorization: basic }) },
        signal,
      });
      if (answer.status === 401 || answer.status === 403) {
        answer.discard();
        return false;
      }
      if (answer.status !== 200) {
        answer.discard();
        throw new Failure(
          answer.status === 429 ? "rate_limited" : "upstream_unreachable",
          `Cannot get a token at "${url.host}": the token service answered ${answer.status}`,
        );
      }
      keep(tokens, keyOf(scopes), readToken(await answer.read(1024 * 1024), url));
      return true;
    },
  };
}

function keep(tokens: Map<string, Token>, key: string, token: Token): void {
  tokens.delete(key);
  tokens.set(key, token);
  const oldest = tokens.keys().next();
  if (tokens.size > keptCount && oldest.done !== true) tokens.delete(oldest.value);
}

function keyOf(scopes: readonly string[]): string {
  return [...scopes].sort().join(" ");
}

/** A registry on HTTPS must not have its credentials carried to a service on HTTP. */
function tokenUrl(base: URL, challenge: Challenge & { scheme: "bearer" }, scopes: readonly string[]): URL {
  const url = URL.parse(challenge.realm, base.href);
  if (url === null || (url.protocol !== "https:" && url.protocol !== "http:"))
    throw new Failure("upstream_unreachable", `Cannot sign in at "${base.host}": its token service has no address`);
  const isSafe = url.protocol === "https:" || (base.protocol === "http:" && url.hostname === base.hostname);
  if (!isSafe)
    throw new Failure(
      "forbidden",
      `Cannot sign in at "${base.host}": it sends credentials to "${url.host}" in the clear`,
    );
  url.username = "";
  url.password = "";
  if (challenge.service !== undefined) url.searchParams.set("service", challenge.service);
  const asked = new Set([...scopes, ...(challenge.scope?.split(" ") ?? [])].filter((scope) => scope !== ""));
  for (const scope of asked) url.searchParams.append("scope", scope);
  return url;
}

function readToken(bytes: Buffer, url: URL): Token {
  const parsed = tokenAnswer.safeParse(parseJson(bytes));
  const text = parsed.success ? (parsed.data.token ?? parsed.data.access_token) : undefined;
  if (text === undefined || !parsed.success || !/^[\x21-\x7e]+$/.test(text))
    throw new Failure("upstream_unreachable", `Cannot get a token at "${url.host}": its answer holds none`);
  const lifeMs = Math.max(leastMs, (parsed.data.expires_in ?? 60) * 1000);
  return { text, endsAt: nowMs() + lifeMs - leewayMs };
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}
