import assert from "node:assert/strict";
import type { Insertable, Selectable } from "kysely";
import { newId, nowMs } from "../base/clock.ts";
import { currentOrigin } from "../base/origin.ts";
import { projectOf } from "../model/permission.ts";
import { type Database } from "./database.ts";
import { eventHash } from "./event-chain.ts";
import type { EventsTable } from "./events-tables.ts";

/** Something that was changed, refused or given out, for the audit trail and for everybody who follows it. */
export interface AuditEvent {
  readonly actor: string;
  /** `robot.created`, `image.deleted` … */
  readonly action: string;
  /** What it was done to: `repository@digest`, `repository:tag`, an account's name. */
  readonly subject: string;
  /** Whose audit log shows it; by default read from the subject of events about images, tags and repositories. */
  readonly project?: string | undefined;
  /** The network address it came from; by default that of the request being answered. */
  readonly address?: string | undefined;
  /** Facts for the reader; never secrets. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Adds an event to the audit trail; inside the transaction of the change itself, so that neither is without the other. */
export async function addAuditEvent(db: Database, event: AuditEvent): Promise<void> {
  await addAuditEvents(db, [event]);
}

/**
 * Adds events to the audit trail in their order, as {@link addAuditEvent} does one.
 *
 * Whoever adds first moves the head of the chain: on a database with many writers that row is locked until the
 * transaction ends, which keeps the sequence without gaps and in the order of the commits.
 */
export async function addAuditEvents(db: Database, events: readonly AuditEvent[]): Promise<void> {
  if (events.length === 0) return;
  if (!db.isTransaction) {
    await db.transaction().execute(async (inner) => await addAuditEvents(inner, events));
    return;
  }
  const before = await db
    .updateTable("event_heads")
    .set((expression) => ({ sequence: expression("sequence", "+", events.length) }))
    .where("name", "=", "head")
    .returning(["sequence", "hash"])
    .executeTakeFirstOrThrow();
  const rows = chainedRows(events, { sequence: before.sequence - events.length, hash: before.hash });
  const last = rows.at(-1)!;
  for (const part of powersOfTwo(rows)) await db.insertInto("events").values(part).execute();
  const moved = await db
    .updateTable("event_heads")
    .set({ hash: last.hash, at: last.at })
    .where("name", "=", "head")
    .where("sequence", "=", last.sequence)
    .executeTakeFirst();
  assert(moved.numUpdatedRows === 1n, "Events are added one after the other in a transaction: await each call");
}

function chainedRows(
  events: readonly AuditEvent[],
  before: { readonly sequence: number; readonly hash: string },
): Insertable<EventsTable>[] {
  const at = nowMs();
  let { sequence, hash } = before;
  return events.map((event) => {
    sequence += 1;
    const facts = {
      sequence,
      id: newId(),
      at,
      actor: text(event.actor, 256),
      // An IPv4 client of a socket that takes both is no other client.
      address: optionalText((event.address ?? currentOrigin()?.address)?.replace(/^::ffff:/i, ""), 64),
      action: text(event.action, 64),
      project: optionalText(event.project ?? projectOfSubject(event), 256),
      subject: text(event.subject, 1024),
      details: detailsText(event.details),
    };
    const row = { ...facts, previous_hash: hash, hash: eventHash(hash, facts) };
    hash = row.hash;
    return row;
  });
}

/** What no database keeps as it is, a zero byte or half a surrogate pair, would break the chain when it is read back. */
function text(value: string, lengthMax: number): string {
  const cut = value.length > lengthMax ? `${value.slice(0, lengthMax - 1)}…` : value;
  return cut.toWellFormed().replaceAll("\0", "\uFFFD");
}

function optionalText(value: string | undefined, lengthMax: number): string | null {
  return value === undefined ? null : text(value, lengthMax);
}

/** JSON text of the details of one event, in characters; longer ones are cut down to their beginning. */
const detailsLengthMax = 16 * 1024;

function detailsText(details: Readonly<Record<string, unknown>> = {}): string {
  const json = JSON.stringify(details);
  if (json.length <= detailsLengthMax) return json;
  return JSON.stringify({ cut: true, length: json.length, beginning: json.slice(0, 1024) });
}

const projectSubjects = /^(?:image|blob|tag|repository|pull|scan|quota|project|member|immutability|retention)\./;

function projectOfSubject({ action, subject }: AuditEvent): string | undefined {
  const project = projectSubjects.test(action) ? projectOf(subject.split(/[@:]/, 1)[0]!) : "";
  return project === "" ? undefined : project;
}

/** Parts of 256, 128 … 1 rows: few different statements, so that each stays prepared. */
function* powersOfTwo<T>(rows: readonly T[]): Generator<readonly T[]> {
  let start = 0;
  for (let size = 256; size >= 1; size /= 2)
    for (; rows.length - start >= size; start += size) yield rows.slice(start, start + size);
}

/** An event as it stands in the trail. */
export interface AuditRecord {
  /** 1, 2, 3 … without gaps, in the order of the commits. */
  readonly sequence: number;
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly actor: string;
  readonly address: string | undefined;
  readonly action: string;
  readonly project: string | undefined;
  readonly subject: string;
  readonly details: Readonly<Record<string, unknown>>;
  /** Its hash in the chain; see event-chain.ts. */
  readonly hash: string;
}

/** Lists events, oldest first, after a sequence number. */
export async function listAuditEvents(
  db: Database,
  page: { readonly after?: number; readonly limit: number; readonly actions?: readonly string[] | undefined },
): Promise<AuditRecord[]> {
  const { after = 0, limit, actions } = page;
  const rows = await db
    .selectFrom("events")
    .selectAll()
    .where("sequence", ">", after)
    .$if(actions !== undefined, (query) => query.where("action", "in", actions!))
    .orderBy("sequence")
    .limit(limit)
    .execute();
  return rows.map(auditRecordOf);
}

/** An event from its row. */
export function auditRecordOf(row: Selectable<EventsTable>): AuditRecord {
  const { previous_hash: _, address, project, details, ...rest } = row;
  return {
    ...rest,
    address: address ?? undefined,
    project: project ?? undefined,
    details: readDetails(details),
  };
}

/** What was changed behind our back is shown as it is: verifying names it, and nobody stumbles over it. */
export function readDetails(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  } catch {
    // No JSON, as below.
  }
  return { unreadable: text.slice(0, 1024) };
}

/** The last event of the trail: its sequence number (0 where there is none), hash and instant. */
export async function auditHead(
  db: Database,
): Promise<{ readonly sequence: number; readonly hash: string; readonly at: number }> {
  return await db
    .selectFrom("event_heads")
    .select(["sequence", "hash", "at"])
    .where("name", "=", "head")
    .executeTakeFirstOrThrow();
}

/** Denials that are recorded in a minute; the rest is counted. */
const denialsPerMinute = 60;

/**
 * Records denials, but no more than 60 a minute, so that guessing cannot fill the disk.
 *
 * The next one that is recorded tells in `details.skipped` how many were not.
 */
export function openDenialTrail(db: Database): (event: AuditEvent) => Promise<void> {
  let windowStart = 0;
  let recorded = 0;
  let skipped = 0;
  return async (event) => {
    const now = nowMs();
    if (now - windowStart >= 60_000) {
      windowStart = now;
      recorded = 0;
    }
    if (recorded >= denialsPerMinute) {
      skipped += 1;
      return;
    }
    recorded += 1;
    const details = skipped === 0 ? event.details : { ...event.details, skipped };
    skipped = 0;
    await addAuditEvent(db, details === undefined ? event : { ...event, details });
  };
}
