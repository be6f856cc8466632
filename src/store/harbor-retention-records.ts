import { sql } from "kysely";
import { type Database } from "./database.ts";

/** What a run of retention decided in one repository, in numbers of tags. */
export interface RetentionTask {
  readonly repository: string;
  readonly total: number;
  readonly retained: number;
}

/** The repositories of a run of retention, by name. */
export async function retentionTasks(db: Database, runId: string): Promise<RetentionTask[]> {
  const rows = await db
    .selectFrom("retention_outcomes")
    .select((row) => [
      "repository",
      row.fn.countAll<number>().as("total"),
      sql<number>`sum(case when decision = 'kept' then 1 else 0 end)`.as("retained"),
    ])
    .where("run_id", "=", runId)
    .groupBy("repository")
    .orderBy("repository")
    .execute();
  return rows.map((row) => ({ repository: row.repository, total: Number(row.total), retained: Number(row.retained) }));
}
