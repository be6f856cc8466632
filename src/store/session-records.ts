import { type Database } from "./database.ts";

/** A browser in which somebody is signed in. Instants are milliseconds since 1970. */
export interface SessionRecord {
  /** SHA-256 of the session's secret, in hex. */
  readonly idHash: string;
  readonly account: string;
  readonly createdAt: number;
  readonly expiresAt: number;
}

/** Adds a session, and drops those that have ended and the oldest of the account beyond `kept`. */
export async function insertSession(db: Database, session: SessionRecord, kept: number): Promise<void> {
  const { idHash, account, createdAt, expiresAt } = session;
  await db.deleteFrom("sessions").where("expires_at", "<=", createdAt).execute();
  await db
    .insertInto("sessions")
    .values({ id_hash: idHash, account, created_at: createdAt, expires_at: expiresAt })
    .execute();
  const newest = db
    .selectFrom("sessions")
    .select("id_hash")
    .where("account", "=", account)
    .orderBy("created_at", "desc")
    .orderBy("id_hash")
    .limit(kept);
  await db.deleteFrom("sessions").where("account", "=", account).where("id_hash", "not in", newest).execute();
}

/** The session of a secret's hash. */
export async function findSession(db: Database, idHash: string): Promise<SessionRecord | undefined> {
  const row = await db.selectFrom("sessions").selectAll().where("id_hash", "=", idHash).executeTakeFirst();
  if (row === undefined) return undefined;
  return { idHash, account: row.account, createdAt: row.created_at, expiresAt: row.expires_at };
}

/** Ends a session; gives whose it was, undefined where there was none. */
export async function deleteSession(db: Database, idHash: string): Promise<string | undefined> {
  const row = await db.deleteFrom("sessions").where("id_hash", "=", idHash).returning("account").executeTakeFirst();
  return row?.account;
}

/** Ends every session of an account. */
export async function deleteSessionsOf(db: Database, account: string): Promise<void> {
  await db.deleteFrom("sessions").where("account", "=", account).execute();
}
