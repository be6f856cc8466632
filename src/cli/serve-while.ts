import { openLog } from "../base/log.ts";
import { connectToOwner, type Client } from "../client/client.ts";
import type { Config } from "../config/config.ts";
import assert from "node:assert/strict";
import type { CommandContext } from "./command.ts";
import { commandLog } from "./session.ts";

interface Serving {
  readonly client: Client;
  /** The address that the server listens on. */
  readonly url: string;
}

/** Serves for as long as `work` runs, then lets requests end and closes the data folder. */
export async function serveWhile(
  context: CommandContext,
  config: Config,
  work: (serving: Serving) => Promise<number>,
): Promise<number> {
  // A screen shows what matters; anywhere else the log is what there is to read.
  const log = context.terminal.isLive ? commandLog(config) : openLog(config.logLevel);
  const [{ openFactory }, { startServer }] = await Promise.all([
    import("../pipeline/pipeline.ts"),
    import("../server/server.ts"),
  ]);
  const factory = await openFactory(config, log);
  try {
    const server = await startServer({ factory, config, log, version: context.version });
    try {
      const owner = await connectToOwner(config.dataDir);
      assert.ok(owner !== undefined, "the server that was just started does not answer");
      return await work({ client: owner.client, url: server.url });
    } finally {
      await server.close();
    }
  } finally {
    await factory.close();
  }
}
