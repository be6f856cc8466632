import type { Database } from "./database.ts";

/** One thing that happened in a run; `sequence` counts from 1 without gaps. */
export interface RunEvent {
  readonly sequence: number;
  readonly at: number;
  readonly event: unknown;
}

/** An event on its way into a run: its JSON is made when it happens, so that later changes do not reach it. */
export interface NewRunEvent {
  readonly at: number;
  readonly json: string;
}

/** Rows of one insert. */
const insertRowCount = 100;

/** Appends events to a run in their order. Call it in a transaction. */
export async function appendEvents(db: Database, runId: string, events: readonly NewRunEvent[]): Promise<void> {
  const last = await db
    .selectFrom("run_events")
    .select((select) => select.fn.max("sequence").as("sequence"))
    .where("run_id", "=", runId)
    .executeTakeFirst();
  const first = (last?.sequence ?? 0) + 1;
  const rows = events.map(({ at, json }, index) => ({ run_id: runId, sequence: first + index, at, event: json }));
  for (let start = 0; start < rows.length; start += insertRowCount)
    await db
      .insertInto("run_events")
      .values(rows.slice(start, start + insertRowCount))
      .execute();
}

/** Lists the events of a run after a sequence number (0 for all), at most `limit` of them. */
export async function listEvents(
  db: Database,
  runId: string,
  page: { readonly after: number; readonly limit: number },
): Promise<RunEvent[]> {
  const rows = await db
    .selectFrom("run_events")
    .selectAll()
    .where("run_id", "=", runId)
    .where("sequence", ">", page.after)
    .orderBy("sequence")
    .limit(page.limit)
    .execute();
  return rows.map(({ sequence, at, event }) => ({ sequence, at, event: JSON.parse(event) as unknown }));
}
