import { nowMs } from "../base/clock.ts";
import { type Database, mayBeLost } from "./database.ts";

/** Who pushes into which upload. */
export interface UploadRecord {
  /** The id of the blob store's upload. */
  readonly id: string;
  readonly repository: string;
  readonly account: string;
}

/** Records a new upload. After a power cut its client begins again, as it must with the bytes that it had sent. */
export async function insertUpload(db: Database, upload: UploadRecord): Promise<void> {
  const now = nowMs();
  await db
    .insertInto("uploads")
    .values({ ...upload, created_at: now, touched_at: now })
    .modifyEnd(mayBeLost)
    .execute();
}

/** The upload of an id, and when it was touched last in milliseconds. */
export async function findUpload(
  db: Database,
  id: string,
): Promise<(UploadRecord & { readonly touchedAt: number }) | undefined> {
  return await db
    .selectFrom("uploads")
    .select(["id", "repository", "account", "touched_at as touchedAt"])
    .where("id", "=", id)
    .executeTakeFirst();
}

/** Counts the uploads that are open in a repository. */
export async function countUploads(db: Database, repository: string): Promise<number> {
  const row = await db
    .selectFrom("uploads")
    .select((select) => select.fn.countAll<number>().as("count"))
    .where("repository", "=", repository)
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

/** Notes that bytes came. */
export async function touchUpload(db: Database, id: string): Promise<void> {
  await db.updateTable("uploads").set({ touched_at: nowMs() }).where("id", "=", id).execute();
}

/** Forgets an upload that has ended. */
export async function deleteUpload(db: Database, id: string): Promise<void> {
  await db.deleteFrom("uploads").where("id", "=", id).execute();
}

/** The ids of uploads that nobody has touched since an instant in milliseconds, oldest first, at most `limit`. */
export async function listStaleUploads(
  db: Database,
  page: { readonly untouchedSince: number; readonly limit: number },
): Promise<string[]> {
  const rows = await db
    .selectFrom("uploads")
    .select("id")
    .where("touched_at", "<", page.untouchedSince)
    .orderBy("touched_at")
    .limit(page.limit)
    .execute();
  return rows.map(({ id }) => id);
}
