import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isoSeconds, nowMs } from "../base/clock.ts";
import { listAuditEvents } from "../store/event-records.ts";
import { openStore, type Store } from "../store/store.ts";
import { type Accounts, type AccountsOptions, openAccounts } from "./auth.ts";
import { type Actor, type Identity } from "./identity.ts";

/** Whence the tests of this room sign in. */
export const address = "192.0.2.1";

/** Who may do everything, as whoever holds the data folder. */
export const owner: Actor = { name: "owner", role: "administrator", may: () => true };

interface Opened {
  readonly store: Store;
  readonly accounts: Accounts;
}

/** Runs a test with the accounts of a store in a temporary folder; anonymous callers may pull unless told otherwise. */
export async function withAccounts(
  work: (opened: Opened) => Promise<void>,
  options: Partial<Pick<AccountsOptions, "anonymousPull" | "directory">> = {},
): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), "mintmark-auth-"));
  const store = await openStore({ dataDir });
  try {
    const keyFile = join(dataDir, "keys", "token.key");
    const accounts = await openAccounts({ store, keyFile, anonymousPull: true, ...options });
    await work({ store, accounts });
    await accounts.close();
  } finally {
    await store.close();
    await rm(dataDir, { recursive: true });
  }
}

/** A `Basic` header. */
export function basic(name: string, password: string): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`;
}

/** An hour from now, ISO 8601. */
export function inAnHour(): string {
  return isoSeconds(nowMs() + 3_600_000);
}

/** The actions in the audit trail, sorted. */
export async function trail(store: Store): Promise<string[]> {
  return (await listAuditEvents(store.db, { limit: 1000 })).map(({ action }) => action).sort();
}

/** An identity as the actor of a change. */
export function actorOf(accounts: Accounts, identity: Identity): Actor {
  return { ...identity, may: (action, repository) => accounts.authorize(identity, repository, action) };
}
