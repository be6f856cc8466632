import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { nowIso } from "../base/clock.ts";
import { Failure } from "../base/errors.ts";

/** The right to write a data folder; ends with `release` or with the process, however it ends. */
export interface DataLock {
  release(): void;
}

/** SQLITE_BUSY of <https://www.sqlite.org/rescode.html>. */
const sqliteBusy = 5;

/**
 * Takes the exclusive lock of a data folder, or fails at once.
 *
 * The lock is an exclusive transaction on a tiny SQLite file of its own: a POSIX record lock, which the kernel
 * drops when the process ends, also by `kill -9`. No code may open `owner.lock` by other means: closing any other
 * descriptor of it would drop the lock. Who holds it is told by `owner.json` beside it, for the message only.
 *
 * @throws Failure `data_locked` where another owner has it; details.pid says which
 */
export function lockDataFolder(dataDir: string): DataLock {
  const ownerPath = join(dataDir, "owner.json");
  const file = new DatabaseSync(join(dataDir, "owner.lock"), { timeout: 0 });
  try {
    file.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    file.close();
    if (!(error instanceof Error && "errcode" in error && error.errcode === sqliteBusy)) throw error;
    const pid = ownerPid(ownerPath);
    throw new Failure(
      "data_locked",
      `Cannot open the data folder "${dataDir}": ${pid === undefined ? "another process" : `process ${pid}`} owns it`,
      { hint: "Stop that server, or name another folder with --data", details: { pid } },
    );
  }
  try {
    writeFileSync(ownerPath, `${JSON.stringify({ pid: process.pid, since: nowIso() })}\n`, { mode: 0o600 });
  } catch (error) {
    file.close();
    throw error;
  }
  return {
    release() {
      if (!file.isOpen) return;
      rmSync(ownerPath, { force: true });
      file.close();
    },
  };
}

function ownerPid(path: string): number | undefined {
  try {
    const owner: unknown = JSON.parse(readFileSync(path, "utf8"));
    return typeof owner === "object" && owner !== null && "pid" in owner && typeof owner.pid === "number"
      ? owner.pid
      : undefined;
  } catch {
    // The owner is between taking the lock and writing its name.
    return undefined;
  }
}
