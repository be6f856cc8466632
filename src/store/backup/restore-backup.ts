import { createHash } from "node:crypto";
import { copyFile, mkdir, readdir, rename, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { tickMs } from "../../base/clock.ts";
import { Failure, systemCodeOf } from "../../base/errors.ts";
import { syncFolder } from "../../base/files.ts";
import { sha256OfFile } from "../../base/hash.ts";
import { eachParallel } from "../../base/pool.ts";
import type { Digest } from "../../model/digest.ts";
import type { WorkEvent } from "../../model/work.ts";
import { algorithmOf } from "../blob-digest.ts";
import type { BlobStore } from "../blobs.ts";
import { openDiskBlobs } from "../disk-blobs.ts";
import { type Backup, backupPaths, listBackups, listedBlobs } from "./backup-folder.ts";

/** Which backup is proven. */
interface ProofInput {
  readonly folder: string;
  /** The newest where undefined. */
  readonly id?: string | undefined;
  readonly signal?: AbortSignal;
  readonly onProgress?: (event: WorkEvent) => void;
}

/** Which backup is restored, and where to. */
export interface RestoreInput extends ProofInput {
  /** Where the data folder is to be; must not exist or be empty. */
  readonly dataDir: string;
}

/** What a proof found. */
export interface BackupProof {
  readonly backup: Backup;
  /** Blobs that are missing or do not have their digest; a restore refuses such a backup. */
  readonly broken: readonly Digest[];
}

const width = 4;
const reportMs = 200;
/** Digests that a message names. */
const namedCount = 5;

/**
 * Hashes everything that a backup is made of.
 *
 * @throws Failure `not_found` where there is no such backup, `digest_mismatch` where database, keys or list differ
 */
export async function proveBackup(input: ProofInput): Promise<BackupProof> {
  const backup = await chooseBackup(input);
  await proveFiles(input.folder, backup);
  await using blobs = await openDiskBlobs({ folder: join(input.folder, "blobs"), exclusive: false });
  const broken: Digest[] = [...backup.damaged] as Digest[];
  await eachBlob(input, backup, async (digest) => {
    if (!broken.includes(digest) && !(await isWhole(blobs, digest))) broken.push(digest);
  });
  return { backup, broken };
}

/**
 * Makes a data folder of a backup. Every byte is proven on its way, before anything stands under the folder's name.
 *
 * @throws Failure `conflict` where the data folder holds something, `not_found`, `digest_mismatch` where the backup
 *   is damaged, `disk_full`
 */
export async function restoreBackup(input: RestoreInput): Promise<Backup> {
  const { folder } = input;
  const dataDir = resolve(input.dataDir);
  await refuseUsedFolder(dataDir);
  const backup = await chooseBackup(input);
  await proveFiles(folder, backup);
  if (backup.damaged.length > 0) throw brokenFailure(backup, backup.damaged);
  const staging = `${dataDir}.restoring`;
  await rm(staging, { recursive: true, force: true });
  await mkdir(join(staging, "blobs"), { recursive: true, mode: 0o700 });
  await copyFile(backupPaths(folder, backup.id).database, join(staging, "mintmark.db"));
  proveDatabase(join(staging, "mintmark.db"), backup);
  for (const { name } of backup.files) {
    await mkdir(dirname(join(staging, name)), { recursive: true, mode: 0o700 });
    await copyFile(join(backupPaths(folder, backup.id).files, name), join(staging, name));
  }
  await restoreBlobs(input, backup, staging);
  await rmdir(dataDir).catch((error: unknown) => {
    if (systemCodeOf(error) !== "ENOENT") throw error;
  });
  await rename(staging, dataDir);
  await syncFolder(dirname(dataDir));
  return backup;
}

async function refuseUsedFolder(dataDir: string): Promise<void> {
  const names = await readdir(dataDir).catch((error: unknown) => {
    if (systemCodeOf(error) === "ENOENT") return [];
    throw error;
  });
  if (names.length > 0)
    throw new Failure("conflict", `Cannot restore into "${dataDir}": it is not empty`, {
      hint: "Name a new folder with --data, or move this one away first",
    });
}

async function chooseBackup({ folder, id }: ProofInput): Promise<Backup> {
  const backups = await listBackups(folder);
  const chosen = id === undefined ? backups[0] : backups.find((backup) => backup.id === id);
  if (chosen !== undefined) return chosen;
  throw new Failure("not_found", `Cannot find ${id === undefined ? "a backup" : `the backup "${id}"`} in "${folder}"`, {
    hint:
      backups.length === 0 ? "Make one with `mintmark backup`" : `There are ${backups.map((one) => one.id).join(", ")}`,
  });
}

/** Database, list of blobs and keys, by the digests that backup.json has of them. */
async function proveFiles(folder: string, backup: Backup): Promise<void> {
  const paths = backupPaths(folder, backup.id);
  const parts = [
    { path: paths.database, sha256: backup.database.sha256 },
    { path: paths.blobs, sha256: backup.blobs.sha256 },
    ...backup.files.map(({ name, sha256 }) => ({ path: join(paths.files, name), sha256 })),
  ];
  for (const { path, sha256 } of parts) {
    const isThere = (await stat(path).catch(() => undefined)) !== undefined;
    if (isThere && (await sha256OfFile(path)) === sha256) continue;
    throw new Failure(
      "digest_mismatch",
      `Cannot use the backup "${backup.id}": "${path}" is ${isThere ? "not what was backed up" : "missing"}`,
      {
        hint: "Take another backup; `mintmark backup list` shows them",
      },
    );
  }
}

/** The digest says that it is the same file; this, that the file was sound. */
function proveDatabase(path: string, backup: Backup): void {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const [row] = database.prepare("pragma integrity_check(1)").all();
    if (row?.["integrity_check"] === "ok") return;
    throw new Failure("digest_mismatch", `Cannot use the backup "${backup.id}": its database is damaged`, {
      hint: "Take another backup; `mintmark backup list` shows them",
      details: { integrity: row?.["integrity_check"] },
    });
  } finally {
    database.close();
  }
}

async function restoreBlobs(input: RestoreInput, backup: Backup, staging: string): Promise<void> {
  const broken = await copyBlobs(input, backup, staging);
  if (broken.length === 0) return;
  await rm(staging, { recursive: true, force: true });
  throw brokenFailure(backup, broken);
}

/** @returns those that the backup does not have whole */
async function copyBlobs(input: RestoreInput, backup: Backup, staging: string): Promise<Digest[]> {
  await using from = await openDiskBlobs({ folder: join(input.folder, "blobs"), exclusive: false });
  await using to = await openDiskBlobs({ folder: join(staging, "blobs"), exclusive: true });
  const broken: Digest[] = [];
  await eachBlob(input, backup, async (digest) => {
    try {
      await to.put(await from.open(digest), { expected: digest });
    } catch (error) {
      if (!(error instanceof Failure) || (error.code !== "digest_mismatch" && error.code !== "not_found")) throw error;
      broken.push(digest);
    }
  });
  return broken;
}

function brokenFailure({ id }: Backup, broken: readonly string[]): Failure {
  const named = broken.slice(0, namedCount).join(", ");
  const more = broken.length > namedCount ? ` and ${broken.length - namedCount} more` : "";
  return new Failure("digest_mismatch", `Cannot restore the backup "${id}": it lacks ${named}${more}`, {
    hint: "Take another backup; nothing was restored",
    details: { broken: broken.slice(0, 1000) },
  });
}

async function eachBlob(input: ProofInput, backup: Backup, work: (digest: Digest) => Promise<void>): Promise<void> {
  let doneBytes = 0;
  let reportedAt = -Infinity;
  await eachParallel(listedBlobs(input.folder, backup.id), width, async ({ digest, sizeBytes }) => {
    input.signal?.throwIfAborted();
    await work(digest);
    doneBytes += sizeBytes;
    if (tickMs() - reportedAt < reportMs) return;
    reportedAt = tickMs();
    input.onProgress?.({
      kind: "progress",
      phase: "blobs",
      done: doneBytes,
      total: backup.blobs.sizeBytes,
      unit: "bytes",
    });
  });
}

async function isWhole(blobs: BlobStore, digest: Digest): Promise<boolean> {
  const algorithm = algorithmOf(digest);
  const hash = createHash(algorithm);
  try {
    for await (const chunk of await blobs.open(digest)) hash.update(chunk as Buffer);
  } catch (error) {
    if (error instanceof Failure && error.code === "not_found") return false;
    throw error;
  }
  return `${algorithm}:${hash.digest("hex")}` === digest;
}
