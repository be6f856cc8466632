import { type Expression, type ExpressionBuilder, type Selectable, sql, type SqlBool } from "kysely";
import { type Database } from "./database.ts";
import { auditHead, type AuditRecord, auditRecordOf } from "./event-records.ts";
import type { EventTables, EventsTable } from "./events-tables.ts";

/** What events are looked for; every member narrows. */
export interface EventSearch {
  readonly actor?: string | undefined;
  /** `image.pushed`, or `image.*` for all of a kind. */
  readonly action?: string | undefined;
  readonly project?: string | undefined;
  /** Milliseconds since 1970: from this instant on. */
  readonly since?: number | undefined;
  /** Milliseconds since 1970: before this instant. */
  readonly until?: number | undefined;
  /** Anywhere in subject, actor, address or details; ASCII letters in either case. */
  readonly text?: string | undefined;
}

/** Which part of the found events. */
export interface EventPage {
  /** Newest first; otherwise oldest first. */
  readonly newestFirst: boolean;
  /** Beyond this sequence number, in the direction of the order. */
  readonly beyond?: number | undefined;
  readonly limit: number;
}

/** Events of a page; `next` is where to go on, undefined at the end. A page may be empty and still have a next one. */
export interface FoundEvents {
  readonly events: readonly AuditRecord[];
  readonly next: number | undefined;
}

/** What no index serves alone is looked for in so many events at a time: other work gets its turn between. */
const windowCounts = { text: 10_000, several: 50_000 } as const;

/** One page looks through this many windows at most. */
const windowMax = 50;

/** Finds events; what no index serves alone is read through in bounded parts, so that a search holds nobody up. */
export async function searchEvents(db: Database, search: EventSearch, page: EventPage): Promise<FoundEvents> {
  const head = (await auditHead(db)).sequence;
  const { newestFirst, limit } = page;
  const windowCount = windowCountOf(search);
  let beyond = page.beyond ?? (newestFirst ? head + 1 : 0);
  const found: Selectable<EventsTable>[] = [];
  for (let windows = 0; windows < windowMax; windows++) {
    const end = windowCount === undefined ? undefined : beyond + (newestFirst ? -windowCount : windowCount);
    const rows = await findRows(db, { search, newestFirst, beyond, end, limit: limit - found.length });
    found.push(...rows);
    if (found.length >= limit) return foundEvents(found, found.at(-1)!.sequence);
    if (end === undefined || (newestFirst ? end <= 1 : end >= head)) return foundEvents(found, undefined);
    beyond = newestFirst ? end + 1 : end - 1;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return foundEvents(found, beyond);
}

function windowCountOf(search: EventSearch): number | undefined {
  if (search.text !== undefined) return windowCounts.text;
  const count = Object.values(search).filter((value) => value !== undefined).length;
  return count > 1 ? windowCounts.several : undefined;
}

interface RowQuery {
  readonly search: EventSearch;
  readonly newestFirst: boolean;
  readonly beyond: number;
  readonly end: number | undefined;
  readonly limit: number;
}

async function findRows(db: Database, query: RowQuery): Promise<Selectable<EventsTable>[]> {
  const { search, newestFirst, beyond, end, limit } = query;
  return await db
    .selectFrom("events")
    .selectAll()
    .where("sequence", newestFirst ? "<" : ">", beyond)
    .$if(end !== undefined, (rows) => rows.where("sequence", newestFirst ? ">" : "<", end!))
    .where((expression) => expression.and(conditions(expression, search)))
    .orderBy("sequence", newestFirst ? "desc" : "asc")
    .limit(limit)
    .execute();
}

function conditions(
  expression: ExpressionBuilder<EventTables, "events">,
  { actor, action, project, since, until, text }: EventSearch,
): Expression<SqlBool>[] {
  const all: Expression<SqlBool>[] = [];
  if (actor !== undefined) all.push(expression("actor", "=", actor));
  if (project !== undefined) all.push(expression("project", "=", project));
  if (since !== undefined) all.push(expression("at", ">=", since));
  if (until !== undefined) all.push(expression("at", "<", until));
  if (action?.endsWith(".*") === true) {
    const stem = action.slice(0, -1);
    // "/" is the character after ".": a range, which the index serves.
    all.push(expression("action", ">=", stem), expression("action", "<", `${stem.slice(0, -1)}/`));
  } else if (action !== undefined) all.push(expression("action", "=", action));
  if (text !== undefined) {
    const pattern = `%${text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase()).replaceAll(/[\\%_]/g, String.raw`\$&`)}%`;
    const columns = ["subject", "actor", "address", "details"] as const;
    all.push(
      expression.or(
        columns.map((column) => sql<SqlBool>`lower(${expression.ref(column)}) like ${pattern} escape '\\'`),
      ),
    );
  }
  return all;
}

function foundEvents(rows: readonly Selectable<EventsTable>[], next: number | undefined): FoundEvents {
  return { events: rows.map(auditRecordOf), next };
}
