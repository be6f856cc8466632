import { createHmac, timingSafeEqual } from "node:crypto";
import { nowIso, nowMs } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import { type ProjectAction } from "../model/permission.ts";
import { type AccountRecord, findAccountAndGeneration } from "../store/accounts-records.ts";
import { type PersonalTokenRecord } from "../store/accounts-token-records.ts";
import { type Store } from "../store/store.ts";
import { anonymous, type Grant, type Identity, stranger } from "./identity.ts";
import { limitsOfToken } from "./personal-tokens.ts";
import { type Rights } from "./rights.ts";
import { isUsable } from "./sign-in.ts";
import { readScopes, readToken, signToken, type TokenClaims } from "./token.ts";

/** A bearer token and how long it lasts. */
export interface IssuedToken {
  readonly token: string;
  readonly expiresInSeconds: number;
  /** ISO 8601. */
  readonly issuedAt: string;
}

/** Gives short-lived tokens for the registry, and knows them again. */
export interface RegistryTokens {
  /** Lets an identity have tokens, which end with a stored secret; undefined where time alone ends them. */
  bind(identity: Identity, secret: string | undefined): void;
  /** Issues a token. @throws Failure `unauthorized` for an identity that was not bound */
  issue(identity: Identity, scopes: readonly string[], audience: string): IssuedToken;
  /** The identity of a token: what it was made for, as far as its account may still do it. */
  identityOf(text: string): Promise<Identity | undefined>;
}

/** The name of the token service, for `WWW-Authenticate` and for the audience of tokens. */
export const tokenService = "mintmark";

const tokenLifeSeconds = 300;

/** Registry tokens of workloads without an account end with their time alone. */
const workloadBinding = "workload";

/** What registry tokens are made with. */
export interface RegistryTokensOptions {
  readonly store: Store;
  /** Signs the tokens. */
  readonly key: Buffer;
  readonly rights: Rights;
  readonly authorize: (identity: Identity, repository: string, action: ProjectAction) => boolean;
}

/** Opens the registry tokens of a store. */
export function openRegistryTokens(options: RegistryTokensOptions): RegistryTokens {
  const { key, authorize } = options;
  /** The identities that may have tokens, with what their tokens are bound to. */
  const bindings = new WeakMap<Identity, string>([
    [anonymous, ""],
    [stranger, ""],
  ]);
  return {
    bind: (identity, secret) =>
      void bindings.set(identity, secret === undefined ? workloadBinding : bindingOf(key, secret)),
    issue(identity, scopes, audience) {
      const binding = bindings.get(identity);
      if (binding === undefined)
        throw new Failure("unauthorized", `Cannot issue a token for "${identity.name}": it signed in with a token`, {
          hint: "Ask for tokens with name and secret",
        });
      const asked = readScopes(scopes);
      const access = asked.repositories
        .map(({ repository, actions }) => ({
          repository,
          actions: actions.filter((action) => authorize(identity, repository, action)),
        }))
        .filter(({ actions }) => actions.length > 0);
      const claims: TokenClaims = {
        subject: identity.name,
        audience,
        access,
        catalog: asked.catalog,
        binding,
      };
      const leftSeconds = Math.ceil(((identity.endsAt ?? Infinity) - nowMs()) / 1000);
      const lifeSeconds = Math.max(1, Math.min(tokenLifeSeconds, leftSeconds));
      return {
        token: signToken(key, claims, lifeSeconds),
        expiresInSeconds: lifeSeconds,
        issuedAt: nowIso(),
      };
    },
    identityOf: async (text) => await identityOfToken(options, text),
  };
}

/** The identity of a registry token: what it was made for, as far as its account may still do it. */
async function identityOfToken(options: RegistryTokensOptions, text: string): Promise<Identity | undefined> {
  const { store, key, rights } = options;
  const claims = readToken(key, text, tokenService);
  if (claims === undefined) return undefined;
  const limits = limitsOf(claims);
  if (claims.subject === anonymous.name) {
    await rights.freshen();
    return { ...anonymous, limits, isToken: true };
  }
  // No account has a colon in its name: what the token allows is all that is known of who has none.
  if (claims.binding === workloadBinding && claims.subject.includes(":"))
    return { name: claims.subject, role: "robot", groups: [], grants: limits, limits, isToken: true };
  const { account, generation } = await findAccountAndGeneration(store.db, claims.subject);
  if (account === undefined || !isUsable(account)) return undefined;
  await rights.freshen(generation);
  const { groups, grants, tokens } = await rights.of(account, generation);
  const isBoundTo = (secret: string): boolean => sameText(bindingOf(key, secret), claims.binding);
  const token = tokens.filter(isCurrent).find(({ secretHash }) => isBoundTo(secretHash));
  if (token === undefined && !secretsOf(account).some(isBoundTo)) return undefined;
  const role = account.kind === "robot" ? "robot" : "person";
  const secretLimits = token === undefined ? undefined : limitsOfToken(token);
  const behind = secretLimits === undefined ? {} : { secretLimits };
  return { name: account.name, role, groups, grants, limits, ...behind, isToken: true };
}

function limitsOf({ access, catalog }: TokenClaims): readonly Grant[] {
  const repositories = access.map(({ repository, actions }) => ({
    repository,
    actions: actions.includes("pull") ? (["list", ...actions] as const) : actions,
  }));
  return catalog ? [...repositories, { repository: "*", actions: ["list"] }] : repositories;
}

/** What registry tokens of an account may be bound to, personal tokens aside. */
function secretsOf(account: AccountRecord): string[] {
  const { secretHash, oldSecret } = account;
  const old = oldSecret !== undefined && nowMs() < oldSecret.until ? [oldSecret.hash] : [];
  return [secretHash ?? outerBinding(account), ...old];
}

function isCurrent({ expiresAt }: PersonalTokenRecord): boolean {
  return nowMs() < expiresAt;
}

/** What stands in place of a stored hash where the password is kept elsewhere. */
export function outerBinding({ number, origin, externalId }: AccountRecord): string {
  return JSON.stringify([number, origin, externalId]);
}

/** A fingerprint of the stored hash that tells nothing of it without the key. */
function bindingOf(key: Buffer, secret: string): string {
  return createHmac("sha256", key).update(`binding\n${secret}`).digest("base64url");
}

function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
