import { createReadStream } from "node:fs";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import { Failure, systemCodeOf } from "../../base/errors.ts";
import { writeFileAtomic } from "../../base/files.ts";
import { type Digest, parseDigest } from "../../model/digest.ts";

/*
 * A backup folder holds any number of backups; each blob is in it once, whichever of them name it:
 *
 *   mintmark-backup.json            says what this folder is
 *   blobs/sha256/ab/<hex>           the blobs, as in a data folder
 *   backups/<id>/mintmark.db        the database at one instant
 *   backups/<id>/blobs.txt          the blobs that belong to it: digest and size in bytes, one a line
 *   backups/<id>/files/keys/…       keys and the administrator's password file, unless they were left out
 *   backups/<id>/backup.json        what it is made of, with the SHA-256 of each of the above; written last
 */

const markerName = "mintmark-backup.json";
const marker = `${JSON.stringify({ format: "mintmark-backup", schemaVersion: 1 })}\n`;

const backupSchema = z.object({
  schemaVersion: z.literal(1),
  id: z.string().regex(/^[\w-]{1,100}$/),
  madeAt: z.string(),
  databaseVersion: z.int().positive(),
  database: z.object({ sha256: z.string(), sizeBytes: z.int().nonnegative() }),
  blobs: z.object({
    sha256: z.string().describe("of blobs.txt"),
    count: z.int().nonnegative(),
    sizeBytes: z.int().nonnegative(),
    addedCount: z.int().nonnegative(),
    addedBytes: z.int().nonnegative(),
  }),
  files: z.array(z.object({ name: z.string().regex(/^(?!.*\.\.)[\w][\w./-]*$/), sha256: z.string() })),
  damaged: z.array(z.string()),
});

/** What one backup is made of. */
export type Backup = Readonly<z.output<typeof backupSchema>>;

/** The names within a backup folder. */
export function backupPaths(
  folder: string,
  id: string,
): Readonly<Record<"home" | "database" | "blobs" | "files" | "about", string>> {
  const home = join(folder, "backups", id);
  return {
    home,
    database: join(home, "mintmark.db"),
    blobs: join(home, "blobs.txt"),
    files: join(home, "files"),
    about: join(home, "backup.json"),
  };
}

/**
 * Makes a folder a backup folder, or sees that it is one.
 *
 * @throws Failure `conflict` where it holds something else
 */
export async function claimBackupFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (await isBackupFolder(folder)) return;
  const names = await readdir(folder);
  if (names.length > 0)
    throw new Failure("conflict", `Cannot back up into "${folder}": it holds other things already`, {
      hint: "Name a new or empty folder, or one that holds backups",
    });
  await writeFileAtomic(join(folder, markerName), marker);
}

async function isBackupFolder(folder: string): Promise<boolean> {
  const text = await readFile(join(folder, markerName), "utf8").catch((error: unknown) => {
    if (systemCodeOf(error) === "ENOENT") return undefined;
    throw error;
  });
  return text === marker;
}

/**
 * The complete backups of a folder, newest first; one that was cut short is not among them.
 *
 * @throws Failure `not_found` where the folder holds no backups, `conflict` for one that cannot be read
 */
export async function listBackups(folder: string): Promise<Backup[]> {
  const known = await isBackupFolder(folder).catch((error: unknown) => {
    if (systemCodeOf(error) === "ENOTDIR") return false;
    throw error;
  });
  if (!known)
    throw new Failure("not_found", `Cannot find backups in "${folder}"`, { hint: "Make one with `mintmark backup`" });
  const names: string[] = await readdir(join(folder, "backups")).catch(() => []);
  const backups: Backup[] = [];
  for (const id of names.toSorted().toReversed()) if (!id.startsWith(".")) backups.push(await readBackup(folder, id));
  return backups;
}

async function readBackup(folder: string, id: string): Promise<Backup> {
  const path = backupPaths(folder, id).about;
  try {
    return backupSchema.parse(JSON.parse(await readFile(path, "utf8")));
  } catch (cause) {
    throw new Failure("conflict", `Cannot read the backup "${id}": its backup.json is missing or damaged`, {
      hint: "Restore another one, or remove this one's folder",
      cause,
    });
  }
}

/** A blob that belongs to a backup. */
export interface ListedBlob {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** The blobs that belong to a backup, in the order of its list. */
export async function* listedBlobs(folder: string, id: string): AsyncGenerator<ListedBlob> {
  for await (const line of createInterface({ input: createReadStream(backupPaths(folder, id).blobs) })) {
    const [name = "", size = ""] = line.split(" ");
    const digest = parseDigest(name);
    if (digest === undefined || !/^\d{1,16}$/.test(size))
      throw new Failure("conflict", `Cannot read the backup "${id}": its list of blobs is damaged`);
    yield { digest, sizeBytes: Number(size) };
  }
}
