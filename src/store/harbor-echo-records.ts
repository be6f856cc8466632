import { type Database } from "./database.ts";

/** What is echoed. */
type EchoKind = "robot" | "retention" | "registry" | "replication" | "webhook";

/** What something of a kind came to here; any JSON value. */
interface Echoed {
  readonly kind: EchoKind;
  readonly subject: string;
  readonly meaning: unknown;
}

/** Keeps what a client sent about something; never a secret. */
export async function keepEcho(db: Database, { kind, subject, meaning }: Echoed, sent: unknown): Promise<void> {
  const columns = { sent: JSON.stringify(sent), meaning: JSON.stringify(meaning) };
  await db
    .insertInto("harbor_echoes")
    .values({ kind, subject, ...columns })
    .onConflict((conflict) => conflict.columns(["kind", "subject"]).doUpdateSet(columns))
    .execute();
}

/** What a client sent about something, while it is still so; undefined otherwise. */
export async function findEcho<Sent>(db: Database, { kind, subject, meaning }: Echoed): Promise<Sent | undefined> {
  const row = await db
    .selectFrom("harbor_echoes")
    .select(["sent", "meaning"])
    .where("kind", "=", kind)
    .where("subject", "=", subject)
    .executeTakeFirst();
  return row === undefined || row.meaning !== JSON.stringify(meaning) ? undefined : (JSON.parse(row.sent) as Sent);
}

/** Forgets what was sent about something that is gone. */
export async function dropEcho(db: Database, { kind, subject }: Pick<Echoed, "kind" | "subject">): Promise<void> {
  await db.deleteFrom("harbor_echoes").where("kind", "=", kind).where("subject", "=", subject).execute();
}
