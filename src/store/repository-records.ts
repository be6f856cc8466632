import { nowMs } from "../base/clock.ts";
import { type Database } from "./database.ts";
import { ensureProjectOf } from "./projects-records.ts";

/** Makes a repository known, and its project with it; nothing happens where it is. */
export async function ensureRepository(db: Database, name: string): Promise<void> {
  const result = await db
    .insertInto("repositories")
    .values({ name, created_at: nowMs() })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  if (result.numInsertedOrUpdatedRows === 1n) await ensureProjectOf(db, name);
}

/** Whether a repository has ever held anything. */
export async function hasRepository(db: Database, name: string): Promise<boolean> {
  return (await db.selectFrom("repositories").select("name").where("name", "=", name).executeTakeFirst()) !== undefined;
}

/** Lists repository names in ASCII order, after `after` (exclusive; it need not exist), at most `limit`. */
export async function listRepositories(
  db: Database,
  page: { readonly after: string; readonly limit: number },
): Promise<string[]> {
  const rows = await db
    .selectFrom("repositories")
    .select("name")
    .where("name", ">", page.after)
    .orderBy("name")
    .limit(page.limit)
    .execute();
  return rows.map(({ name }) => name);
}
