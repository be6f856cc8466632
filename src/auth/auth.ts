/**
 * Auth knows who asks and what they may do: one administrator, robots, and short-lived registry tokens.
 *
 * It owns the accounts, the key that signs tokens and the audit events about them. It promises that a secret is
 * told once and kept only as a scrypt hash, that a disabled, ended or rotated account is refused at the next
 * request, tokens included, that unknown names take as long as wrong passwords, and that guessing gets slower.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { join } from "node:path";
import { newSecret, nowIso, nowMs } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import { writeFileAtomic } from "../base/files.ts";
import { findAccount, findAdministrator, insertAccount } from "../store/accounts-records.ts";
import { addAuditEvent } from "../store/event-records.ts";
import { type Store } from "../store/store.ts";
import { type Action, anonymous, type Identity, permits } from "./identity.ts";
import { openPasswords } from "./passwords.ts";
import { identityOf, openRobots, type Robots } from "./robots.ts";
import { isUsable, openSignIn, readBasic } from "./sign-in.ts";
import { readScopes, readToken, signToken, type TokenClaims } from "./token.ts";
import { openTokenKey } from "./token-key.ts";

export { anonymous, type Identity } from "./identity.ts";

/** A bearer token and how long it lasts. */
interface IssuedToken {
  readonly token: string;
  readonly expiresInSeconds: number;
  /** ISO 8601. */
  readonly issuedAt: string;
}

/** The accounts of a store. */
export interface Accounts extends Robots {
  /**
   * Finds who stands behind a `Basic` or `Bearer` header; undefined where the credentials are wrong or have ended.
   *
   * A token gives an identity with the token's permissions only, that is no administrator and builds nothing.
   *
   * @param address of the client, for the lockout
   * @throws Failure `rate_limited` with `details.retryAfterSeconds` after too many wrong passwords
   */
  authenticate(header: string, address: string): Promise<Identity | undefined>;
  /** Whether an identity may do something in a repository. */
  authorize(identity: Identity, repository: string, action: Action): boolean;
  /**
   * Issues a token for those of the scopes that the identity may have; asking for more is no error.
   *
   * @param identity the very one that `authenticate` gave for a `Basic` header, or {@link anonymous}
   * @param scopes such as `repository:NAME:pull,push`; others are left out
   * @param service whom the token is for; `authenticate` takes {@link tokenService} only
   * @throws Failure `unauthorized` for the identity of a token: it must not outlive itself
   */
  issueToken(identity: Identity, scopes: readonly string[], service: string): IssuedToken;
}

/** The name of the token service, for `WWW-Authenticate` and for the audience of tokens. */
export const tokenService = "mintmark";

/** What opens the accounts. */
export interface AccountsOptions {
  readonly store: Store;
  /** Where the key that signs tokens is; made on the first run. */
  readonly keyFile: string;
  /** Whether who has no account may pull everything. */
  readonly anonymousPull: boolean;
}

const tokenLifeSeconds = 300;

/**
 * Opens the accounts of a store.
 *
 * @throws Failure `key_unusable`
 */
export async function openAccounts({ store, keyFile, anonymousPull }: AccountsOptions): Promise<Accounts> {
  const key = await openTokenKey(keyFile);
  const passwords = openPasswords();
  const signIn = openSignIn({ store, passwords });
  /** The identities that may have tokens, with what their tokens are bound to. */
  const bindings = new WeakMap<Identity, string>([[anonymous, ""]]);
  const authorize: Accounts["authorize"] = (identity, repository, action) =>
    (identity.role !== "anonymous" || anonymousPull) && permits(identity.permissions, repository, action);
  return {
    ...openRobots({ store, passwords }),
    async authenticate(header, address) {
      const token = /^Bearer +([\w.-]+)$/i.exec(header)?.[1];
      if (token !== undefined) return await identityOfToken({ store, key, token });
      const credentials = readBasic(header);
      const account = credentials === undefined ? undefined : await signIn(credentials, address);
      if (account === undefined) return undefined;
      const identity = identityOf(account);
      bindings.set(identity, bindingOf(key, account.secretHash));
      return identity;
    },
    authorize,
    issueToken(identity, scopes, service) {
      const binding = bindings.get(identity);
      if (binding === undefined)
        throw new Failure("unauthorized", `Cannot issue a token for "${identity.name}": it signed in with a token`, {
          hint: "Ask for tokens with name and secret",
        });
      const access = readScopes(scopes)
        .map(({ repository, actions }) => ({
          repository,
          actions: actions.filter((action) => authorize(identity, repository, action)),
        }))
        .filter(({ actions }) => actions.length > 0);
      const claims: TokenClaims = { subject: identity.name, audience: service, access, binding };
      return {
        token: signToken(key, claims, tokenLifeSeconds),
        expiresInSeconds: tokenLifeSeconds,
        issuedAt: nowIso(),
      };
    },
  };
}

/**
 * Makes `admin` on the first run, with a random password in `<dataDir>/admin-password` that its owner alone may read.
 *
 * The file comes first: a crash between the two leaves no account whose password nobody knows.
 */
export async function ensureAdministrator(
  store: Store,
): Promise<{ readonly created: boolean; readonly passwordFile: string }> {
  const passwordFile = join(store.dataDir, "admin-password");
  if ((await findAdministrator(store.db)) !== undefined) return { created: false, passwordFile };
  const password = newSecret(24);
  const secretHash = await openPasswords().hash(password);
  await writeFileAtomic(passwordFile, `${password}\n`, 0o600);
  await store.transaction(async (db) => {
    await insertAccount(db, {
      name: "admin",
      kind: "administrator",
      secretHash,
      permissions: [],
      createdAt: nowMs(),
      createdBy: "first run",
      expiresAt: null,
      disabled: false,
    });
    await addAuditEvent(db, { actor: "first run", action: "administrator.created", subject: "admin" });
  });
  return { created: true, passwordFile };
}

interface TokenInput {
  readonly store: Store;
  readonly key: Buffer;
  readonly token: string;
}

async function identityOfToken({ store, key, token }: TokenInput): Promise<Identity | undefined> {
  const claims = readToken(key, token, tokenService);
  if (claims === undefined) return undefined;
  const limited = { mayBuild: false, permissions: claims.access };
  if (claims.subject === anonymous.name) return { name: anonymous.name, role: "anonymous", ...limited };
  const account = await findAccount(store.db, claims.subject);
  if (account === undefined || !isUsable(account)) return undefined;
  const isBound = timingSafeEqual(Buffer.from(bindingOf(key, account.secretHash)), Buffer.from(claims.binding));
  return isBound ? { name: account.name, role: "robot", ...limited } : undefined;
}

/** A fingerprint of the stored hash that tells nothing of it without the key. */
function bindingOf(key: Buffer, secretHash: string): string {
  return createHmac("sha256", key).update(`binding\n${secretHash}`).digest("base64url");
}
