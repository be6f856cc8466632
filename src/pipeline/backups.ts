import type { Log } from "../base/log.ts";
import type { Config } from "../config/config.ts";
import type { Queue, RunContext, Schedules } from "../jobs/jobs.ts";
import { addAuditEvent } from "../store/event-records.ts";
import {
  type Backup,
  listBackups,
  makeBackup,
  openStore,
  proveBackup,
  restoreBackup,
  type Store,
} from "../store/store.ts";

/** What a backup is asked to do. */
interface BackupRequest {
  /** A folder of the server's machine. */
  readonly folder: string;
  readonly keepCount?: number | undefined;
  readonly withKeys?: boolean | undefined;
  readonly actor: string;
}

/** Backups of the data folder, made while it is in use. */
export interface Backups {
  /** Queues a backup and returns the job's id; its output is a {@link Backup}. One for each folder at a time. */
  start(request: BackupRequest): Promise<string>;
  /** Queues a proof that every byte of a backup is what was backed up; its output is a {@link ProofReport}. */
  prove(folder: string, id?: string): Promise<string>;
  /** The backups of a folder, newest first. @throws Failure `not_found` */
  list(folder: string): Promise<Backup[]>;
}

/** What the proof of a backup found. */
interface ProofReport {
  readonly id: string;
  readonly blobCount: number;
  /** Blobs that are missing or damaged, at most a thousand of them. */
  readonly broken: readonly string[];
}

interface BackupsOptions {
  readonly store: Store;
  readonly queue: Queue;
  readonly schedules: Schedules;
  readonly config: Config;
}

/** What removes blobs never runs at the same time as what copies all of them. */
const storageKey = "storage";
const reportedCount = 1000;

/** Opens backups: by hand, and by the schedule of the configuration where it names a folder. */
export async function openBackups({ store, queue, schedules, config }: BackupsOptions): Promise<Backups> {
  queue.define("backup", 1, (job) => runBackup(store, job), { attemptsMax: 2 });
  queue.define("backup-proof", 1, runProof, { attemptsMax: 1 });
  const start = async (request: BackupRequest): Promise<string> =>
    await queue.enqueue({
      name: "backup",
      input: request,
      concurrencyKey: storageKey,
      dedupeKey: `backup:${request.folder}`,
    });
  const { folder, schedule, keepCount } = config.backup;
  if (folder === undefined) await schedules.remove("backup");
  else
    await schedules.set({
      name: "backup",
      cron: schedule,
      start: async () => void (await start({ folder, keepCount, actor: "schedule" })),
    });
  return {
    start,
    prove: async (place, id) => await queue.enqueue({ name: "backup-proof", input: { folder: place, id } }),
    list: listBackups,
  };
}

async function runBackup(store: Store, { input, signal, emit }: RunContext): Promise<Backup> {
  const { folder, keepCount, withKeys, actor } = input as BackupRequest;
  const backup = await makeBackup({
    dataDir: store.dataDir,
    blobs: store.blobs,
    folder,
    keepCount,
    withKeys: withKeys ?? true,
    signal,
    onProgress: emit,
  });
  const { id, blobs, damaged } = backup;
  await addAuditEvent(store.db, {
    actor,
    action: "backup.made",
    subject: id,
    details: { folder, ...blobs, damaged: damaged.slice(0, reportedCount) },
  });
  return backup;
}

async function runProof({ input, signal, emit }: RunContext): Promise<ProofReport> {
  const { folder, id } = input as { readonly folder: string; readonly id?: string };
  const { backup, broken } = await proveBackup({ folder, id, signal, onProgress: emit });
  return { id: backup.id, blobCount: backup.blobs.count, broken: broken.slice(0, reportedCount) };
}

interface Restoration extends Pick<Parameters<typeof restoreBackup>[0], "folder" | "id" | "signal" | "onProgress"> {
  readonly dataDir: string;
  readonly actor: string;
  readonly log: Log;
}

/**
 * Makes a data folder of a backup, brings its database up to date and writes down that it was restored.
 *
 * @throws Failure `conflict` where the data folder holds something, `digest_mismatch` where the backup is damaged
 */
export async function restoreDataFolder({ actor, log, ...input }: Restoration): Promise<Backup> {
  const backup = await restoreBackup(input);
  const store = await openStore({ dataDir: input.dataDir, log });
  try {
    const { id, madeAt } = backup;
    await addAuditEvent(store.db, {
      actor,
      action: "backup.restored",
      subject: id,
      details: { madeAt, folder: input.folder },
    });
  } finally {
    await store.close();
  }
  return backup;
}
