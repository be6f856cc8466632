import { newSecret, nowMs } from "../base/clock.ts";
import { sha256Hex } from "../base/hash.ts";
import { deleteSession, findSession, insertSession } from "../store/session-records.ts";
import { type Store } from "../store/store.ts";

/** A browser in which somebody is signed in. Instants are milliseconds since 1970. */
interface Session {
  readonly account: string;
  readonly createdAt: number;
  readonly expiresAt: number;
}

/** Keeps browsers signed in; of their secrets only hashes are stored. */
export interface Sessions {
  /** Begins a session of eight hours. Its secret is told here and nowhere else. */
  begin(account: string): Promise<{ readonly secret: string; readonly expiresAt: number }>;
  /** The session of a secret, until it ends. */
  find(secret: string): Promise<Session | undefined>;
  /** Ends a session at once; gives whose it was, undefined where there was none. */
  end(secret: string): Promise<string | undefined>;
}

/** How long a session lasts, in milliseconds. */
const lifeMs = 8 * 60 * 60_000;
/** Sessions of one account; the oldest ends where one more begins. */
const sessionsPerAccount = 50;
const secretForm = /^mms_[\w-]{43}$/;

/** Opens the sessions of a store. */
export function openSessions(store: Store): Sessions {
  return {
    async begin(account) {
      const secret = `mms_${newSecret(32)}`;
      const createdAt = nowMs();
      const expiresAt = createdAt + lifeMs;
      const record = { idHash: sha256Hex(secret), account, createdAt, expiresAt };
      await store.transaction(async (db) => await insertSession(db, record, sessionsPerAccount));
      return { secret, expiresAt };
    },
    async find(secret) {
      const session = secretForm.test(secret) ? await findSession(store.db, sha256Hex(secret)) : undefined;
      return session !== undefined && nowMs() < session.expiresAt ? session : undefined;
    },
    end: async (secret) => await deleteSession(store.db, sha256Hex(secret)),
  };
}
