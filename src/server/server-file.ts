import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../base/files.ts";

/** What a server leaves in its data folder so that commands on this machine find it. */
interface ServerRecord {
  readonly url: string;
  readonly pid: number;
  /** Makes its bearer the owner; the file is readable by the owner of the folder only. */
  readonly token: string;
}

/** Writes `server.json`; the returned function takes it away again unless another server wrote its own since. */
export async function announceServer(dataDir: string, record: ServerRecord): Promise<() => Promise<void>> {
  const path = join(dataDir, "server.json");
  const text = JSON.stringify(record);
  await writeFileAtomic(path, `${text}\n`, 0o600);
  return async () => {
    const current = await readFile(path, "utf8").catch(() => "");
    if (current.trim() === text) await rm(path, { force: true });
  };
}
