import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "../../src/base/log.ts";
import { loadConfig } from "../../src/config/config.ts";
import { openFactory } from "../../src/pipeline/pipeline.ts";
import { startServer } from "../../src/server/server.ts";

/** The whole server on a loopback port, with its accounts and tokens, over an empty data folder of its own. */
export interface ServedRegistry {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** An administrator. */
  readonly user: string;
  readonly password: string;
  close(): Promise<void>;
}

/** Starts a server that knows one account, its administrator. */
export async function serveRegistry(): Promise<ServedRegistry> {
  const dataDir = await mkdtemp(join(tmpdir(), "mintmark-conformance-"));
  const config = await loadConfig({ flags: { data: dataDir, listen: "127.0.0.1:0" }, environment: {} });
  const factory = await openFactory(config, silentLog, { isStanding: false });
  const server = await startServer({ factory, config, log: silentLog, version: "0.0.0" });
  return {
    url: server.url,
    user: "admin",
    password: (await readFile(join(dataDir, "admin-password"), "utf8")).trim(),
    async close() {
      await server.close();
      await factory.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
