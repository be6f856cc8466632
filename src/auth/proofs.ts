import { type AccountRecord, findAccountAndGeneration } from "../store/accounts-records.ts";
import { findPersonalToken, type PersonalTokenRecord } from "../store/accounts-token-records.ts";
import { type Directory, type ExternalSubject, type ExternalWorkload } from "./external.ts";
import { anonymous, type Identity } from "./identity.ts";
import { type Passwords } from "./passwords.ts";
import { type People } from "./people.ts";
import { limitsOfToken, provesToken, readPersonalToken, type TokenParts } from "./personal-tokens.ts";
import {
  type IssuedToken,
  openRegistryTokens,
  outerBinding,
  type RegistryTokens,
  type RegistryTokensOptions,
} from "./registry-tokens.ts";
import { isSystemAdmin, type Rights, withList } from "./rights.ts";
import { type Credentials, isUsable, openSignIn, readBasic } from "./sign-in.ts";
import { openSignInTrail } from "./sign-in-trail.ts";
import { type Uses } from "./uses.ts";

/** Tells who asks by what they show, and gives tokens in return. */
export interface Proofs {
  /**
   * Finds who stands behind a `Basic` or `Bearer` header; undefined where the credentials are wrong or have ended.
   *
   * Basic takes a password, a robot's secret or a personal token with its owner's name; Bearer takes a registry
   * token, a personal token, or what the directory vouches for. Without a header it is {@link anonymous}. A token
   * gives an identity that is narrowed to the token and administrates nothing, unless it was made to.
   *
   * @param address of the client, for the lockout
   * @throws Failure `rate_limited` with `details.retryAfterSeconds` after too many wrong passwords
   */
  authenticate(header: string | undefined, address: string): Promise<Identity | undefined>;
  /** The identity of an account by name, without any proof: for those who have proven themselves in another way. */
  identityOf(name: string): Promise<Identity | undefined>;
  /**
   * Issues a token for those of the scopes that the identity may have; asking for more is no error.
   *
   * @param identity the very one that `authenticate` gave for anything but a registry token, or {@link anonymous}
   * @param scopes such as `repository:NAME:pull,push` and `registry:catalog:*`; others are left out
   * @param service whom the token is for; `authenticate` takes {@link tokenService} only
   * @throws Failure `unauthorized` for the identity of a registry token: it must not outlive itself
   */
  issueToken(identity: Identity, scopes: readonly string[], service: string): IssuedToken;
}

/** A signed token of somebody else in place of a password. Source: RFC 7515 section 3.1; the first part begins with `{"`. */
const outerToken = /^eyJ[\w-]*\.[\w-]+\.[\w-]*$/;

/** What proofs are checked with. */
export interface ProofsOptions extends RegistryTokensOptions {
  readonly passwords: Passwords;
  readonly uses: Uses;
  readonly people: Pick<People, "admit">;
  readonly directory: Directory | undefined;
}

/** Opens the ways to prove who one is. */
export function openProofs(options: ProofsOptions): Proofs {
  const { rights, directory } = options;
  const tokens = openRegistryTokens(options);
  const ways = openWays(options, tokens);
  return {
    async authenticate(header, address) {
      if (header === undefined) {
        await rights.freshen();
        return anonymous;
      }
      const bearer = /^Bearer +([\w.~+/=-]+)$/i.exec(header)?.[1];
      if (bearer === undefined) {
        const credentials = readBasic(header);
        if (credentials === undefined) return undefined;
        const { name, password } = credentials;
        const parts = readPersonalToken(password);
        if (parts !== undefined) return await ways.byPersonalToken(parts, { address, owner: name });
        // No password begins like this, and a token that has ended is no guess: it must not lock anybody out.
        if (directory !== undefined && outerToken.test(password)) return await ways.byOuterToken(credentials);
        return await ways.byPassword(credentials, address);
      }
      const parts = readPersonalToken(bearer);
      if (parts !== undefined) return await ways.byPersonalToken(parts, { address });
      return (await tokens.identityOf(bearer)) ?? (await ways.byDirectory(bearer));
    },
    identityOf: async (name) => await ways.byName(name),
    issueToken: tokens.issue,
  };
}

/** Each way to prove who one is by itself. */
function openWays(options: ProofsOptions, tokens: RegistryTokens) {
  const { store, passwords, rights, uses, directory } = options;
  const admit = async (subject: ExternalSubject): Promise<string | undefined> => await admitted(options, subject);
  const trail = openSignInTrail(store);
  const signIn = openSignIn({ store, trail, passwords, directory, admit });

  /** Makes an identity whose registry tokens end with a stored secret. */
  async function bound(proof: Proof): Promise<Identity> {
    const identity = await identityFor(rights, proof);
    tokens.bind(identity, proof.boundTo);
    uses.note(proof.account.name, proof.token?.id);
    return identity;
  }

  async function byPassword(credentials: Credentials, address: string): Promise<Identity | undefined> {
    const found = await signIn(credentials, address);
    if (found === undefined) return undefined;
    const { account, generation, secretHash } = found;
    return await bound({ account, generation, boundTo: secretHash ?? outerBinding(account) });
  }

  async function byPersonalToken({ id, proof }: TokenParts, sender: Sender): Promise<Identity | undefined> {
    const { address, owner } = sender;
    const token = await findPersonalToken(store.db, id);
    const isTheirs = provesToken(token, proof) && (owner === undefined || owner === token.account);
    const { account, generation } = await findAccountAndGeneration(store.db, token?.account ?? "");
    if (!isTheirs || account === undefined || !isUsable(account)) {
      await trail.failed({ account: account?.name, address, failures: 1 });
      return undefined;
    }
    await trail.succeeded({ account: account.name, address, method: "personal token" });
    return await bound({ account, generation, boundTo: token.secretHash, token });
  }

  async function byDirectory(text: string): Promise<Identity | undefined> {
    const subject = await directory?.bearer(text);
    if (subject?.kind === "workload") return await boundWorkload(subject);
    const name = subject === undefined ? undefined : await admit(subject);
    if (name === undefined) return undefined;
    return await byName(name, subject?.kind === "robot" ? subject.endsAt : undefined);
  }

  async function boundWorkload({ name, grants, endsAt }: ExternalWorkload): Promise<Identity> {
    await rights.freshen();
    const identity: Identity = { name, role: "robot", groups: [], grants: grants.map(withList), endsAt };
    tokens.bind(identity, undefined);
    return identity;
  }

  /** The name before a machine's token says whose it is, or is one of the words `oidc` and `token`. */
  async function byOuterToken({ name, password }: Credentials): Promise<Identity | undefined> {
    const identity = await byDirectory(password);
    return identity?.name === name || name === "oidc" || name === "token" ? identity : undefined;
  }

  async function byName(name: string, endsAt?: number): Promise<Identity | undefined> {
    const { account, generation } = await findAccountAndGeneration(store.db, name);
    if (account === undefined || !isUsable(account)) return undefined;
    return await bound({ account, generation, boundTo: account.secretHash ?? outerBinding(account), endsAt });
  }

  return { byPassword, byPersonalToken, byDirectory, byOuterToken, byName };
}

/** The account of somebody who was vouched for: people get one, machines have to have theirs. */
async function admitted({ store, people }: ProofsOptions, subject: ExternalSubject): Promise<string | undefined> {
  if (subject.kind === "person") return await people.admit(subject);
  if (subject.kind === "workload") return undefined;
  const { account } = await findAccountAndGeneration(store.db, subject.name);
  return account?.kind === "robot" ? account.name : undefined;
}

/** Who sent a personal token. */
interface Sender {
  readonly address: string;
  /** The name that came with it, where one did. */
  readonly owner?: string;
}

interface Proof {
  readonly account: AccountRecord;
  readonly generation: number;
  /** The stored secret with which registry tokens of this identity end. */
  readonly boundTo: string;
  /** A personal token narrows its owner's rights. */
  readonly token?: PersonalTokenRecord;
  /** When the proof itself ends. */
  readonly endsAt?: number | undefined;
}

async function identityFor(rights: Rights, { account, generation, token, endsAt }: Proof): Promise<Identity> {
  await rights.freshen(generation);
  const { groups, grants } = await rights.of(account, generation);
  const limits = token === undefined ? undefined : limitsOfToken(token);
  const isAdmin = isSystemAdmin(account) && (token === undefined || (token.administrates && limits === undefined));
  const ends = [account.expiresAt, token?.expiresAt, endsAt].filter((one) => typeof one === "number");
  return {
    name: account.name,
    role: isAdmin ? "administrator" : account.kind === "robot" ? "robot" : "person",
    groups,
    grants,
    ...(limits === undefined ? {} : { limits, secretLimits: limits }),
    ...(token === undefined ? {} : { isToken: true }),
    ...(ends.length === 0 ? {} : { endsAt: Math.min(...ends) }),
  };
}
