import { createHmac, randomBytes } from "node:crypto";
import { nowMs } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import { type AccountRecord, findAccountAndGeneration } from "../store/accounts-records.ts";
import { type Store } from "../store/store.ts";
import { type Directory, type ExternalSubject } from "./external.ts";
import { openLockout } from "./lockout.ts";
import { type Passwords } from "./passwords.ts";
import { type SignInTrail } from "./sign-in-trail.ts";

/** What a `Basic` header carries. */
export interface Credentials {
  readonly name: string;
  readonly password: string;
}

/** Who signed in with a password. */
interface SignedIn {
  readonly account: AccountRecord;
  /** The count of changes of rights that was read together with the account. */
  readonly generation: number;
  /** The stored hash that the password has; null where a directory vouched for it. */
  readonly secretHash: string | null;
}

/**
 * Finds the account of credentials; undefined where they are wrong or the account has ended.
 *
 * Unknown names take as long as wrong passwords. @throws Failure `rate_limited` after too many failures
 */
export type SignIn = (credentials: Credentials, address: string) => Promise<SignedIn | undefined>;

/** What sign-in is opened with. */
export interface SignInOptions {
  readonly store: Store;
  readonly trail: SignInTrail;
  readonly passwords: Passwords;
  /** Asked for names that no account with a password of its own has. */
  readonly directory: Directory | undefined;
  /** Finds or makes the account of somebody for whom the directory vouched; gives its name. */
  readonly admit: (subject: ExternalSubject) => Promise<string | undefined>;
}

const rememberedMs = 60_000;
const rememberedCount = 1000;

/** Opens sign-in with a lockout and a memory of its own. */
export function openSignIn(options: SignInOptions): SignIn {
  const { store, trail } = options;
  const lockout = openLockout();
  const remembered = new Map<string, { readonly at: number; readonly name: string }>();
  const pending = new Map<string, Promise<string | undefined>>();
  // Lives as long as the process: what is remembered is worthless to who reads it from a dump without this key.
  const memoryKey = randomBytes(32);

  async function verify(attempt: Attempt): Promise<string | undefined> {
    const { credentials, address, stored, account } = attempt;
    const guessed = foldedName(credentials.name);
    const failures = lockout.count(guessed, address);
    let name: string | undefined;
    try {
      name = await proveName(options, attempt);
    } catch (error) {
      lockout.withdraw(guessed, address);
      throw error;
    }
    if (name === undefined) {
      // What was sent as a name may be somebody's password.
      const known = stored === undefined ? undefined : account?.name;
      await trail.failed({ account: known, address, failures });
      return undefined;
    }
    lockout.clear(guessed, address);
    await trail.succeeded({ account: name, address, method: stored === undefined ? "directory" : "password" });
    return name;
  }

  return async (credentials, address) => {
    const { name, password } = credentials;
    const { account, generation } = await findAccountAndGeneration(store.db, name);
    const remainingMs = lockout.remainingMs(foldedName(name), address);
    const stored = account !== undefined && isUsable(account) ? secretFor(account, password) : undefined;
    // The stored hash is part of the key: a rotated secret is forgotten at once.
    const key = createHmac("sha256", memoryKey)
      .update(JSON.stringify([stored, name, password, address]))
      .digest("base64url");
    // Who is signed in while another fails behind the same address shares the lock: else guesses could be tried on this memory.
    const running = pending.get(key);
    if (running === undefined && remainingMs > 0) throw lockedFailure(remainingMs);
    const known = remembered.get(key);
    const isKnown = known !== undefined && nowMs() - known.at < rememberedMs;
    const result =
      running ??
      (isKnown
        ? Promise.resolve(known.name)
        : verify({ credentials, address, stored, account }).finally(() => pending.delete(key)));
    if (running === undefined && !isKnown) pending.set(key, result);
    const proven = await result;
    if (proven === undefined) return undefined;
    if (!isKnown) {
      remembered.delete(key);
      remembered.set(key, { at: nowMs(), name: proven });
      const oldest = remembered.keys().next();
      if (remembered.size > rememberedCount && oldest.done !== true) remembered.delete(oldest.value);
    }
    if (proven === account?.name && stored !== undefined) return { account, generation, secretHash: stored };
    const found = await findAccountAndGeneration(store.db, proven);
    if (found.account === undefined || !isUsable(found.account)) return undefined;
    return { account: found.account, generation: found.generation, secretHash: null };
  };
}

/** A name as directories compare it: whoever writes it in other letters guesses at the same account. Source: RFC 4518. */
function foldedName(name: string): string {
  return name
    .normalize("NFKC")
    .toLowerCase()
    .replaceAll(/\p{Cc}|\p{Cf}/gu, "")
    .trim()
    .replaceAll(/\s+/g, " ");
}

interface Attempt {
  readonly credentials: Credentials;
  readonly address: string;
  /** The hash to compare with; undefined where no usable account of that name has one. */
  readonly stored: string | undefined;
  readonly account: AccountRecord | undefined;
}

/** The name of the account that credentials prove. An unknown name pays for a comparison too, whoever else is asked. */
async function proveName(
  { passwords, directory, admit }: SignInOptions,
  attempt: Attempt,
): Promise<string | undefined> {
  const { credentials, stored, account } = attempt;
  const compared = passwords.matches(credentials.password, stored);
  if (directory === undefined) return (await compared) ? credentials.name : undefined;
  const isTheirs = (account === undefined || account.origin !== "local") && !credentials.name.includes("$");
  const [isRight, subject] = await Promise.all([compared, isTheirs ? directory.signIn(credentials) : undefined]);
  if (isRight) return credentials.name;
  return subject === undefined ? undefined : await admit(subject);
}

/**
 * The stored hash to compare a password with, one only so that a rotation does not show in the time: the new secret
 * where the password begins like it, the old one while it is still good, else the new one.
 */
function secretFor({ secretHash, secretHint, oldSecret }: AccountRecord, password: string): string | undefined {
  const current = secretHash ?? undefined;
  if (oldSecret === undefined || nowMs() >= oldSecret.until) return current;
  if (secretHint !== null && password.startsWith(secretHint)) return current;
  const mayBeOld = oldSecret.hint === null ? secretHint !== null : password.startsWith(oldSecret.hint);
  return mayBeOld ? oldSecret.hash : current;
}

/** Reads a `Basic` header; undefined where it is none. Source: RFC 7617 section 2. */
export function readBasic(header: string): Credentials | undefined {
  const encoded = /^Basic +([A-Za-z0-9+/_-]{1,16384}={0,2})$/i.exec(header)?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, "base64").toString("utf8");
  const colon = text.indexOf(":");
  return colon <= 0 ? undefined : { name: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** Whether an account is neither disabled nor at its end. */
export function isUsable(account: AccountRecord): boolean {
  return !account.disabled && (account.expiresAt === null || nowMs() < account.expiresAt);
}

function lockedFailure(remainingMs: number): Failure {
  const retryAfterSeconds = Math.ceil(remainingMs / 1000);
  return new Failure("rate_limited", "Cannot sign in: too many wrong passwords came for this account", {
    hint: `Try again in ${retryAfterSeconds} seconds`,
    details: { retryAfterSeconds },
  });
}
