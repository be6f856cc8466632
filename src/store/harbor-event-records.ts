import { type TextCondition } from "../model/text-condition.ts";
import { type Database } from "./database.ts";
import { type AuditRecord, auditRecordOf } from "./event-records.ts";
import { type Counted, type Page, textMeets } from "./harbor-conditions.ts";

/** Which events; every member narrows. Instants are milliseconds. */
export interface HarborEventSearch {
  readonly project: string | undefined;
  readonly actors: readonly TextCondition[];
  readonly subjects: readonly TextCondition[];
  /** Undefined for all. */
  readonly actions: readonly string[] | undefined;
  readonly since?: number;
  /** Exclusive. */
  readonly until?: number;
}

/** Events by page number, newest first unless asked otherwise, with how many there are on all pages. */
export async function listEventsForHarbor(
  db: Database,
  search: HarborEventSearch,
  page: Page & { readonly isOldestFirst: boolean },
): Promise<Counted<AuditRecord>> {
  const { project, actors, subjects, actions, since, until } = search;
  if (actions?.length === 0) return { rows: [], total: 0 };
  const found = db
    .selectFrom("events")
    .$if(project !== undefined, (query) => query.where("project", "=", project!))
    .$if(actions !== undefined, (query) => query.where("action", "in", [...(actions ?? [])]))
    .$if(since !== undefined, (query) => query.where("at", ">=", since!))
    .$if(until !== undefined, (query) => query.where("at", "<", until!))
    .where((row) =>
      row.and([
        ...actors.map((condition) => textMeets(row.ref("actor"), condition)),
        ...subjects.map((condition) => textMeets(row.ref("subject"), condition)),
      ]),
    );
  const { count } = await found.select((row) => row.fn.countAll<number>().as("count")).executeTakeFirstOrThrow();
  const rows = await found
    .selectAll()
    .orderBy("sequence", page.isOldestFirst ? "asc" : "desc")
    .offset(page.offset)
    .limit(page.limit)
    .execute();
  return { rows: rows.map(auditRecordOf), total: Number(count) };
}
