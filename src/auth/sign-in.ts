import { createHmac, randomBytes } from "node:crypto";
import { nowMs } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import { type AccountRecord, findAccount } from "../store/accounts-records.ts";
import { addAuditEvent } from "../store/event-records.ts";
import { type Store } from "../store/store.ts";
import { openLockout } from "./lockout.ts";
import { type Passwords } from "./passwords.ts";

/** What a `Basic` header carries. */
export interface Credentials {
  readonly name: string;
  readonly password: string;
}

/**
 * Finds the account of credentials; undefined where they are wrong or the account has ended.
 *
 * Unknown names take as long as wrong passwords. @throws Failure `rate_limited` after too many failures
 */
export type SignIn = (credentials: Credentials, address: string) => Promise<AccountRecord | undefined>;

const rememberedMs = 60_000;
const rememberedCount = 1000;

/** Opens sign-in with a lockout and a memory of its own. */
export function openSignIn({ store, passwords }: { readonly store: Store; readonly passwords: Passwords }): SignIn {
  const lockout = openLockout();
  const reportFailure = openFailureReports(store);
  const remembered = new Map<string, number>();
  const pending = new Map<string, Promise<boolean>>();
  // Lives as long as the process: what is remembered is worthless to who reads it from a dump without this key.
  const memoryKey = randomBytes(32);

  async function verify(
    { name, password }: Credentials,
    address: string,
    stored: string | undefined,
  ): Promise<boolean> {
    const failures = lockout.count(name, address);
    let isRight: boolean;
    try {
      isRight = await passwords.matches(password, stored);
    } catch (error) {
      lockout.withdraw(name, address);
      throw error;
    }
    if (isRight) lockout.clear(name, address);
    else await reportFailure({ account: stored === undefined ? undefined : name, address, failures });
    return isRight;
  }

  return async (credentials, address) => {
    const { name, password } = credentials;
    const account = await findAccount(store.db, name);
    const remainingMs = lockout.remainingMs(name, address);
    const stored = account !== undefined && isUsable(account) ? account.secretHash : undefined;
    // The stored hash is part of the key: a rotated secret is forgotten at once.
    const key = createHmac("sha256", memoryKey)
      .update(JSON.stringify([stored, name, password, address]))
      .digest("base64url");
    // Who is signed in while another fails behind the same address shares the lock: else guesses could be tried on this memory.
    const running = pending.get(key);
    if (running === undefined && remainingMs > 0) throw lockedFailure(remainingMs);
    if (nowMs() - (remembered.get(key) ?? -Infinity) < rememberedMs) return account;
    const result = running ?? verify(credentials, address, stored).finally(() => pending.delete(key));
    pending.set(key, result);
    if (!(await result)) return undefined;
    remembered.delete(key);
    remembered.set(key, nowMs());
    const oldest = remembered.keys().next();
    if (remembered.size > rememberedCount && oldest.done !== true) remembered.delete(oldest.value);
    return account;
  };
}

/** Reads a `Basic` header; undefined where it is none. Source: RFC 7617 section 2. */
export function readBasic(header: string): Credentials | undefined {
  const encoded = /^Basic +([A-Za-z0-9+/_-]{1,4096}={0,2})$/i.exec(header)?.[1];
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

interface FailedSignIn {
  /** Undefined where there is no such account: what was sent as a name may be somebody's password. */
  readonly account: string | undefined;
  readonly address: string;
  readonly failures: number;
}

const reportWindowMs = 60_000;
const reportsPerWindow = 30;

/** Failed sign-ins go to the audit trail, a bounded number a minute; the next one after that says how many were left out. */
function openFailureReports(store: Store): (failed: FailedSignIn) => Promise<void> {
  let windowStartMs = -Infinity;
  let reported = 0;
  let leftOut = 0;
  return async ({ account = "unknown", address, failures }) => {
    if (nowMs() - windowStartMs >= reportWindowMs) {
      windowStartMs = nowMs();
      reported = 0;
    }
    if (reported >= reportsPerWindow) {
      leftOut += 1;
      return;
    }
    reported += 1;
    const details = { address, failures, leftOut };
    leftOut = 0;
    await addAuditEvent(store.db, { actor: account, action: "sign-in.failed", subject: account, details });
  };
}
