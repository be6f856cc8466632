import { nowMs } from "../base/clock.ts";
import { type Database } from "./database.ts";

/** A repository of packages as it is stored. */
export interface MirrorRepositoryRecord {
  readonly name: string;
  readonly format: string;
  readonly kind: string;
  /** JSON. */
  readonly settings: string;
  /** Sealed `user:password` of its upstream. */
  readonly secret: string | undefined;
}

/** All repositories by name. */
export async function listMirrorRepositories(db: Database): Promise<MirrorRepositoryRecord[]> {
  const rows = await db
    .selectFrom("mirror_repositories")
    .select(["name", "format", "kind", "settings", "secret"])
    .orderBy("name")
    .execute();
  return rows.map((row) => ({ ...row, secret: row.secret ?? undefined }));
}

/** Adds a repository or changes its settings; format and kind stay what they were. Call it in a transaction. */
export async function putMirrorRepository(db: Database, record: MirrorRepositoryRecord): Promise<void> {
  const at = nowMs();
  const changed = { settings: record.settings, secret: record.secret ?? null, changed_at: at };
  await db
    .insertInto("mirror_repositories")
    .values({ name: record.name, format: record.format, kind: record.kind, created_at: at, ...changed })
    .onConflict((conflict) => conflict.column("name").doUpdateSet(changed))
    .execute();
}

/** Removes a repository with all that it names; the blobs go with the next collection. Call it in a transaction. */
export async function deleteMirrorRepository(db: Database, name: string): Promise<boolean> {
  const gone = await db.deleteFrom("mirror_repositories").where("name", "=", name).executeTakeFirst();
  for (const table of ["mirror_entries", "mirror_renderings", "mirror_derived"] as const)
    await db.deleteFrom(table).where("repository", "=", name).execute();
  return gone.numDeletedRows > 0n;
}
