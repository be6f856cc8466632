import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { systemCodeOf } from "../base/errors.ts";

/** A server on this machine that owns a data folder. */
export interface FoundServer {
  readonly url: string;
  readonly pid: number;
  readonly token: string;
}

/** The server that owns a data folder, as its server.json says; undefined where none does or it does not answer. */
export async function findServer(dataDir: string): Promise<FoundServer | undefined> {
  const record = await readRecord(join(dataDir, "server.json"));
  return record !== undefined && isAlive(record.pid) && (await answers(record.url)) ? record : undefined;
}

async function readRecord(path: string): Promise<FoundServer | undefined> {
  try {
    const { url, pid, token } = JSON.parse(await readFile(path, "utf8")) as Partial<FoundServer>;
    const isWhole =
      typeof url === "string" && URL.canParse(url) && Number.isSafeInteger(pid) && typeof token === "string";
    return isWhole ? { url, pid: pid!, token } : undefined;
  } catch {
    // Absent, unreadable for this account, or left half by something that is not us: then there is no server to talk to.
    return undefined;
  }
}

/** A file that a killed server left names a process that is gone. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCodeOf(error) === "EPERM";
  }
}

/** A server on a busy machine may take its time; one that is gone refuses at once. */
const patienceMs = 10_000;

/** The process may be another one that got the same number. */
async function answers(url: string): Promise<boolean> {
  try {
    const answer = await fetch(new URL("/health", url), { signal: AbortSignal.timeout(patienceMs) });
    await answer.body?.cancel();
    return answer.ok;
  } catch {
    return false;
  }
}
