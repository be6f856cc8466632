/**
 * The store keeps everything that must survive: one SQLite database and the blobs beside it.
 *
 * It owns the data folder: `mintmark.db`, `blobs/`, `snapshots/` and the lock that keeps a second writer out.
 * It promises that what a call has answered is still there after `kill -9` or a power cut, that a blob is whole
 * or absent, and that no SQL is written anywhere else. Each noun has three files of its own here:
 * `<noun>-tables.ts`, `migrations/000N-<noun>.ts` and `<noun>-records.ts` with plain functions over {@link Database}.
 */
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { tickMs } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";
import { type Log, silentLog } from "../base/log.ts";
import { makeBackup } from "./backup/make-backup.ts";
import type { BlobStore } from "./blobs.ts";
import { type DataLock, lockDataFolder } from "./data-lock.ts";
import { type Database, type DatabaseFile, openDatabase } from "./database.ts";
import { openDiskBlobs } from "./disk-blobs.ts";
import { migrations } from "./migrations/migrations.ts";
import { checkSchema, migrate } from "./schema.ts";

export { type Backup, listBackups } from "./backup/backup-folder.ts";
export { FollowedUpload, withheldBytes } from "./followed-upload.ts";
export { touchingBlobs } from "./touching-blobs.ts";
export { makeBackup } from "./backup/make-backup.ts";
export { proveBackup, restoreBackup } from "./backup/restore-backup.ts";

/** An open data folder. */
export interface Store {
  readonly dataDir: string;
  /** Single statements; inside a transaction use the one that it hands in. */
  readonly db: Database;
  readonly blobs: BlobStore;
  /** Runs `work` in one transaction; an exception rolls it back. Never await network, disk or a child in it. */
  transaction<T>(work: (db: Database) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Where the data folder is and how it is opened. */
export interface StoreOptions {
  readonly dataDir: string;
  /** False opens the database for reading only, beside a running server; default true. */
  readonly exclusive?: boolean;
  readonly log?: Log;
  /** Where an older database and all blobs are backed up to before the database is migrated. */
  readonly upgradeBackupFolder?: string | undefined;
}

/** A transaction above this holds everybody up; it is logged. */
const slowTransactionMs = 100;

/**
 * Opens a data folder; with `exclusive` (the default) it is made where it does not exist, migrated, and locked.
 *
 * @throws Failure `data_locked` where another process has it, `data_newer` where a newer version wrote it,
 *   `not_found` or `conflict` where it is to be read only and does not exist or is not migrated yet
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const log = options.log ?? silentLog;
  return options.exclusive === false ? await openForReading(options.dataDir, log) : await openAsOwner(options, log);
}

async function openAsOwner({ dataDir, upgradeBackupFolder }: StoreOptions, log: Log): Promise<Store> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const lock = lockDataFolder(dataDir);
  let file: DatabaseFile | undefined;
  try {
    file = openDatabase(join(dataDir, "mintmark.db"), { readOnly: false });
    const blobs = await openDiskBlobs({ folder: join(dataDir, "blobs"), exclusive: true });
    const { from, to, snapshot } = await migrate(file, {
      migrations,
      snapshotFolder: join(dataDir, "snapshots"),
      async beforeChange() {
        if (upgradeBackupFolder === undefined) return;
        const { id } = await makeBackup({ dataDir, blobs, folder: upgradeBackupFolder });
        log.info({ folder: upgradeBackupFolder, id }, "made a backup before the upgrade");
      },
    });
    if (from !== to) log.info({ from, to, snapshot }, "migrated the database");
    return assemble({ dataDir, log, file, blobs, lock });
  } catch (error) {
    await file?.close();
    lock.release();
    throw error;
  }
}

async function openForReading(dataDir: string, log: Log): Promise<Store> {
  const path = join(dataDir, "mintmark.db");
  if ((await stat(path).catch(() => undefined)) === undefined)
    throw new Failure("not_found", `Cannot open the data folder "${dataDir}": it has no database`, {
      hint: "Start the server once with `mintmark up`, or name another folder with --data",
    });
  const file = openDatabase(path, { readOnly: true });
  try {
    const version = await checkSchema(file.db, migrations);
    if (version < migrations.length)
      throw new Failure("conflict", `Cannot read the data folder "${dataDir}": an older version wrote it`, {
        hint: "Start the server once with `mintmark up`: it brings the database up to date",
        details: { databaseVersion: version, programVersion: migrations.length },
      });
    const blobs = await openDiskBlobs({ folder: join(dataDir, "blobs"), exclusive: false });
    return assemble({ dataDir, log, file, blobs, lock: undefined });
  } catch (error) {
    await file.close();
    throw error;
  }
}

interface Parts {
  readonly dataDir: string;
  readonly log: Log;
  readonly file: DatabaseFile;
  readonly blobs: BlobStore;
  readonly lock: DataLock | undefined;
}

function assemble({ dataDir, log, file, blobs, lock }: Parts): Store {
  return {
    dataDir,
    db: file.db,
    blobs,
    async transaction(work) {
      return await file.transaction(async (db) => {
        const start = tickMs();
        try {
          return await work(db);
        } finally {
          const durationMs = tickMs() - start;
          if (durationMs > slowTransactionMs) log.info({ durationMs, stack: new Error().stack }, "slow transaction");
        }
      });
    },
    async close() {
      await blobs.close();
      await file.close();
      lock?.release();
    },
  };
}
