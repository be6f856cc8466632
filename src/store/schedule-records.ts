import { type Database } from "./database.ts";

/** When a schedule was served last. Instants are milliseconds. */
export interface ScheduleRecord {
  readonly name: string;
  readonly cron: string;
  readonly lastAt: number;
}

/** The record of a schedule. */
export async function findSchedule(db: Database, name: string): Promise<ScheduleRecord | undefined> {
  const row = await db.selectFrom("schedules").selectAll().where("name", "=", name).executeTakeFirst();
  return row === undefined ? undefined : { name, cron: row.cron, lastAt: row.last_at };
}

/** Writes down that a schedule was served, or that it is new from this instant on. */
export async function recordSchedule(db: Database, { name, cron, lastAt }: ScheduleRecord): Promise<void> {
  await db
    .insertInto("schedules")
    .values({ name, cron, last_at: lastAt })
    .onConflict((conflict) => conflict.column("name").doUpdateSet({ cron, last_at: lastAt }))
    .execute();
}

/** Forgets a schedule. */
export async function forgetSchedule(db: Database, name: string): Promise<void> {
  await db.deleteFrom("schedules").where("name", "=", name).execute();
}
