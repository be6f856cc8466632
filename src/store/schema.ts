import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Kysely, sql } from "kysely";
import { newId, nowIso, nowMs } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import { syncFolder } from "../base/files.ts";
import { sha256Hex } from "../base/hash.ts";
import type { Database, DatabaseFile } from "./database.ts";
import type { Migration } from "./migration.ts";

interface MigrateOptions {
  readonly migrations: readonly Migration[];
  /** Where the copy of an existing database goes before it is changed. */
  readonly snapshotFolder: string;
  /** Called before an existing database is changed; where it fails, nothing is. */
  readonly beforeChange?: () => Promise<void>;
}

/**
 * Brings a database to the schema of this program; each migration and the record of it are one transaction.
 *
 * Before an existing database is changed, a copy of it is written as `snapshotFolder`/before-<version>-<time>.db.
 *
 * @returns the version before and after, and the path of the copy
 * @throws Failure `data_newer` where the database knows a migration that this program does not
 */
export async function migrate(
  file: DatabaseFile,
  options: MigrateOptions,
): Promise<{ readonly from: number; readonly to: number; readonly snapshot: string | undefined }> {
  const from = await checkSchema(file.db, options.migrations);
  const pending = options.migrations.slice(from);
  if (pending.length === 0) return { from, to: from, snapshot: undefined };
  if (from > 0) await options.beforeChange?.();
  const snapshot = from === 0 ? undefined : await takeSnapshot(file.db, options.snapshotFolder, from);
  await sql`create table if not exists migrations (version integer primary key, name text not null, checksum text not null, applied_at bigint not null)`.execute(
    file.db,
  );
  for (const migration of pending) {
    await file.transaction(async (db) => {
      await migration.up(db as unknown as Kysely<unknown>);
      await db
        .insertInto("migrations")
        .values({
          version: migration.version,
          name: migration.name,
          checksum: checksumOf(migration),
          applied_at: nowMs(),
        })
        .execute();
    });
  }
  return { from, to: from + pending.length, snapshot };
}

/**
 * The version of a database's schema, 0 for a new file; everything up to it is what this program knows.
 *
 * @throws Failure `data_newer` where the database knows a migration that this program does not
 */
export async function checkSchema(db: Database, migrations: readonly Migration[]): Promise<number> {
  const table = await sql`select 1 from sqlite_master where type = 'table' and name = 'migrations'`.execute(db);
  if (table.rows.length === 0) return 0;
  const applied = await db.selectFrom("migrations").selectAll().orderBy("version").execute();
  for (const [index, record] of applied.entries()) {
    const known = migrations[index];
    if (known !== undefined && known.version === record.version && checksumOf(known) === record.checksum) continue;
    throw new Failure(
      "data_newer",
      `Cannot open the database: its schema has migration ${record.version} "${record.name}", which this version does not know`,
      {
        hint: "Start the version that wrote the data folder, or restore the copy in its snapshots folder",
        details: { databaseVersion: applied.length, programVersion: migrations.length },
      },
    );
  }
  return applied.length;
}

function checksumOf(migration: Migration): string {
  return sha256Hex(`${migration.version} ${migration.name}`);
}

async function takeSnapshot(db: Database, folder: string, version: number): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, `before-${version + 1}-${nowIso().replaceAll(":", "")}-${newId().slice(-6)}.db`);
  const temporary = `${path}.tmp`;
  try {
    await sql`vacuum into ${temporary}`.execute(db);
    // VACUUM INTO does not promise that its file survives a power cut.
    const handle = await open(temporary, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
  return path;
}
