import { type Kysely, sql } from "kysely";
import { eventHash, genesisHash } from "../event-chain.ts";
import { type Migration } from "../migration.ts";

/** Events get a sequence without gaps and a hash chain; those that exist are carried over in their order. */
export const eventsMigration: Migration = {
  version: 7,
  name: "events",
  async up(db) {
    await db.schema.dropIndex("events_by_subject").execute();
    await db.schema.alterTable("events").renameTo("events_before").execute();
    await db.schema
      .createTable("events")
      .addColumn("sequence", "integer", (column) => column.primaryKey())
      .addColumn("id", "text", (column) => column.notNull())
      .addColumn("at", "bigint", (column) => column.notNull())
      .addColumn("actor", "text", (column) => column.notNull())
      .addColumn("address", "text")
      .addColumn("action", "text", (column) => column.notNull())
      .addColumn("project", "text")
      .addColumn("subject", "text", (column) => column.notNull())
      .addColumn("details", "text", (column) => column.notNull())
      .addColumn("previous_hash", "text", (column) => column.notNull())
      .addColumn("hash", "text", (column) => column.notNull())
      .execute();
    await db.schema
      .createTable("event_heads")
      .addColumn("name", "text", (column) => column.primaryKey())
      .addColumn("sequence", "integer", (column) => column.notNull())
      .addColumn("hash", "text", (column) => column.notNull())
      .addColumn("at", "bigint", (column) => column.notNull())
      .execute();
    await db.schema
      .createTable("event_cursors")
      .addColumn("name", "text", (column) => column.primaryKey())
      .addColumn("sequence", "integer", (column) => column.notNull())
      .addColumn("failure_count", "integer", (column) => column.notNull().defaultTo(0))
      .addColumn("failure", "text")
      .addColumn("seen_at", "bigint", (column) => column.notNull())
      .execute();
    await carryOver(db);
    await db.schema.dropTable("events_before").execute();
    for (const column of ["subject", "actor", "action", "project"])
      await db.schema.createIndex(`events_by_${column}`).on("events").columns([column, "sequence"]).execute();
    await db.schema.createIndex("events_by_time").on("events").columns(["at", "sequence"]).execute();
  },
};

interface OldEvent {
  readonly id: string;
  readonly at: number;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  readonly details: string;
}

const batchCount = 1000;

async function carryOver(db: Kysely<unknown>): Promise<void> {
  let last = { sequence: 0, hash: genesisHash, at: 0 };
  let after = "";
  for (;;) {
    const { rows } = await sql<OldEvent>`select id, at, actor, action, subject, details from events_before
      where id > ${after} order by id limit ${batchCount}`.execute(db);
    for (const { id, at, actor, action, subject, details } of rows) {
      const sequence = last.sequence + 1;
      const hash = eventHash(last.hash, {
        sequence,
        id,
        at,
        actor,
        address: null,
        action,
        project: null,
        subject,
        details,
      });
      await sql`insert into events (sequence, id, at, actor, action, subject, details, previous_hash, hash)
        values (${sequence}, ${id}, ${at}, ${actor}, ${action}, ${subject}, ${details}, ${last.hash}, ${hash})`.execute(
        db,
      );
      last = { sequence, hash, at };
    }
    const end = rows.at(-1);
    if (end === undefined) break;
    after = end.id;
  }
  await sql`insert into event_heads (name, sequence, hash, at) values
    ('head', ${last.sequence}, ${last.hash}, ${last.at}), ('anchor', 0, ${genesisHash}, 0)`.execute(db);
}
