import { createHash } from "node:crypto";
import { copyFile, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join, relative, resolve, sep } from "node:path";
import { backup as copyPages, DatabaseSync } from "node:sqlite";
import { nowIso, nowMs, tickMs } from "../../base/clock.ts";
import { Failure, systemCodeOf } from "../../base/errors.ts";
import { syncFolder, writeFileAtomic } from "../../base/files.ts";
import { sha256OfFile } from "../../base/hash.ts";
import { limits } from "../../base/limits.ts";
import { eachParallel } from "../../base/pool.ts";
import type { Digest } from "../../model/digest.ts";
import type { WorkEvent } from "../../model/work.ts";
import type { BlobStore } from "../blobs.ts";
import { lockDataFolder } from "../data-lock.ts";
import { openDiskBlobs } from "../disk-blobs.ts";
import { type Backup, backupPaths, claimBackupFolder, listBackups, listedBlobs } from "./backup-folder.ts";

/** What is backed up, and where to. */
export interface BackupInput {
  readonly dataDir: string;
  readonly blobs: BlobStore;
  /** Holds any number of backups; blobs that are in it already are not copied again. */
  readonly folder: string;
  /** How many backups are kept; older ones go when the new one is complete. Undefined keeps all. */
  readonly keepCount?: number | undefined;
  /** Signing keys, the key of tokens and the administrator's password file; default true. */
  readonly withKeys?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (event: WorkEvent) => void;
}

/** Blobs that are copied at the same time. */
const copyWidth = 4;
/** Pages that are copied before other threads of SQLite get a turn. */
const pagesPerStep = 2000;
const reportMs = 200;

/**
 * Backs a data folder up while it is written: the database as at one instant, then every blob that the store has.
 *
 * The database goes first, so each blob that it names is in the store already, and all are held against collection
 * until the last is copied. Each blob is hashed on its way; one that does not have its digest any more is
 * listed as `damaged` and not copied. What a cut-short backup copied is used by the next.
 *
 * @throws Failure `conflict` where the folder holds other things or another backup runs, `usage` where it lies within
 *   the data folder, `disk_full`, `cancelled`
 */
export async function makeBackup(input: BackupInput): Promise<Backup> {
  const { dataDir, folder, keepCount } = input;
  const inside = relative(resolve(dataDir), resolve(folder));
  if (inside === "" || !(inside === ".." || inside.startsWith(`..${sep}`)))
    throw new Failure("usage", `Cannot back up into "${folder}": it lies within the data folder`, {
      hint: "A backup belongs on another disk, at least into another folder",
    });
  await claimBackupFolder(folder);
  const lock = lockBackupFolder(folder);
  try {
    const backup = await input.blobs.holding("everything", async () => await writeBackup(input));
    if (keepCount !== undefined) await dropOldBackups(folder, keepCount);
    return backup;
  } finally {
    lock.release();
  }
}

function lockBackupFolder(folder: string): { release(): void } {
  try {
    return lockDataFolder(folder);
  } catch (cause) {
    if (!(cause instanceof Failure) || cause.code !== "data_locked") throw cause;
    throw new Failure("conflict", `Cannot back up into "${folder}": another backup is under way there`, { cause });
  }
}

async function writeBackup(input: BackupInput): Promise<Backup> {
  const { dataDir, folder } = input;
  // To the millisecond, so that ids sort by age; the lock keeps two out of one.
  const id = new Date(nowMs()).toISOString().replaceAll(/[-:.]/g, "");
  const backupsFolder = join(folder, "backups");
  await dropPartialBackups(backupsFolder);
  const partial = backupPaths(folder, `.${id}`);
  await mkdir(partial.home, { recursive: true, mode: 0o700 });
  input.onProgress?.({ kind: "progress", phase: "database", done: 0, total: 0, unit: "pages" });
  const databaseVersion = await copyDatabase(join(dataDir, "mintmark.db"), partial.database);
  await using to = await openDiskBlobs({ folder: join(folder, "blobs"), exclusive: true });
  const backup: Backup = {
    schemaVersion: 1,
    id,
    madeAt: nowIso(),
    databaseVersion,
    database: { sha256: await sha256OfFile(partial.database), sizeBytes: (await stat(partial.database)).size },
    files: input.withKeys === false ? [] : await copyKeys(dataDir, partial.files),
    ...(await copyBlobs({ from: input.blobs, to, input, id: `.${id}` })),
  };
  await writeFileAtomic(partial.about, `${JSON.stringify(backup, null, 2)}\n`, 0o600);
  await syncFolder(partial.home);
  await rename(partial.home, backupPaths(folder, id).home);
  await syncFolder(backupsFolder);
  return backup;
}

/** What a crash left of backups that never were. */
async function dropPartialBackups(backupsFolder: string): Promise<void> {
  const names = await readdir(backupsFolder).catch(() => []);
  for (const name of names) if (name.startsWith(".")) await rm(join(backupsFolder, name), { recursive: true });
}

/**
 * Copies the database as it is at one instant, beside its writers, and tells the version of its schema.
 *
 * A read transaction of a connection of its own pins the instant: writers go on in the log and nothing starts over.
 */
async function copyDatabase(from: string, to: string): Promise<number> {
  const source = new DatabaseSync(from, { readOnly: true, timeout: 5000 });
  try {
    source.exec("BEGIN");
    const row = source.prepare("select max(version) as version from migrations").get();
    await copyPages(source, to, { rate: pagesPerStep });
    await syncFile(to);
    return Number(row?.["version"]);
  } finally {
    source.close();
  }
}

async function syncFile(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function copyKeys(dataDir: string, to: string): Promise<{ name: string; sha256: string }[]> {
  const inKeys: string[] = await readdir(join(dataDir, "keys")).catch(() => []);
  const files: { name: string; sha256: string }[] = [];
  for (const name of ["admin-password", ...inKeys.toSorted().map((key) => `keys/${key}`)]) {
    const target = join(to, name);
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    try {
      await copyFile(join(dataDir, name), target);
    } catch (error) {
      if (systemCodeOf(error) === "ENOENT") continue;
      throw error;
    }
    await syncFile(target);
    files.push({ name, sha256: await sha256OfFile(target) });
  }
  return files;
}

interface BlobCopy {
  readonly from: BlobStore;
  readonly to: BlobStore;
  readonly input: BackupInput;
  readonly id: string;
}

/** Lists first and copies then: so the list need not fit into memory, and how much there is to copy is known. */
async function copyBlobs(copy: BlobCopy): Promise<Pick<Backup, "blobs" | "damaged">> {
  const { input, to, id } = copy;
  const blobs = await writeList(copy, backupPaths(input.folder, id).blobs);
  const damaged: Digest[] = [];
  let doneBytes = 0;
  let reportedAt = -Infinity;
  await eachParallel(listedBlobs(input.folder, id), copyWidth, async ({ digest, sizeBytes }) => {
    input.signal?.throwIfAborted();
    if ((await to.stat(digest))?.sizeBytes === sizeBytes) return;
    if (!(await copyBlob(copy, digest))) damaged.push(digest);
    doneBytes += sizeBytes;
    if (tickMs() - reportedAt < reportMs) return;
    reportedAt = tickMs();
    input.onProgress?.({ kind: "progress", phase: "blobs", done: doneBytes, total: blobs.addedBytes, unit: "bytes" });
  });
  return { blobs, damaged };
}

async function writeList({ from, to, input }: BlobCopy, path: string): Promise<Backup["blobs"]> {
  const sums = { count: 0, sizeBytes: 0, addedCount: 0, addedBytes: 0 };
  const hash = createHash("sha256");
  const list = await open(path, "wx", 0o600);
  try {
    let lines = "";
    const flush = async (): Promise<void> => {
      hash.update(lines);
      await list.writeFile(lines);
      lines = "";
      input.signal?.throwIfAborted();
      input.onProgress?.({ kind: "progress", phase: "list", done: sums.count, total: 0, unit: "blobs" });
    };
    for await (const digest of from.list()) {
      const blob = await from.stat(digest);
      if (blob === undefined) continue;
      sums.count++;
      sums.sizeBytes += blob.sizeBytes;
      if ((await to.stat(digest))?.sizeBytes !== blob.sizeBytes) {
        sums.addedCount++;
        sums.addedBytes += blob.sizeBytes;
      }
      lines += `${digest} ${blob.sizeBytes}\n`;
      if (lines.length >= limits.chunkBytes) await flush();
    }
    await flush();
    await list.sync();
  } finally {
    await list.close();
  }
  return { sha256: hash.digest("hex"), ...sums };
}

/** False where the store's own copy does not have its digest any more. */
async function copyBlob({ from, to }: BlobCopy, digest: Digest): Promise<boolean> {
  try {
    await to.put(await from.open(digest), { expected: digest });
    return true;
  } catch (error) {
    if (error instanceof Failure && error.code === "digest_mismatch") return false;
    throw error;
  }
}

/** Drops the oldest backups and the blobs that no other names. */
async function dropOldBackups(folder: string, keepCount: number): Promise<void> {
  const backups = await listBackups(folder);
  const old = backups.slice(keepCount);
  if (old.length === 0) return;
  for (const { id } of old) await rm(backupPaths(folder, id).home, { recursive: true });
  const kept = new Set<Digest>();
  for (const { id } of backups.slice(0, keepCount))
    for await (const { digest } of listedBlobs(folder, id)) kept.add(digest);
  await using blobs = await openDiskBlobs({ folder: join(folder, "blobs"), exclusive: true });
  for await (const digest of blobs.list()) if (!kept.has(digest)) await blobs.delete(digest);
}
