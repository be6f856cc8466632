import { openLog, type Log } from "../base/log.ts";
import { messageOf } from "../base/errors.ts";
import { localTransport, openClient, type Client } from "../client/client.ts";
import type { Config } from "../config/config.ts";
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
      // Not by fetch: Node's second HTTP client would stay in memory for as long as the server does.
      const client = openClient(localTransport(server.local));
      if (config.mirror.detect) void setUpMirror(client, log);
      return await work({ client, url: server.url });
    } finally {
      await server.close();
    }
  } finally {
    await factory.close();
  }
}

/** The first server of a data folder stands in for what this machine's clients use; nobody waits for it. */
async function setUpMirror(client: Client, log: Log): Promise<void> {
  try {
    const { applied } = await client.detectMirrors({ isFirstStart: true, isApplied: true });
    const created = applied.filter(({ state }) => state === "created").map(({ name }) => name);
    if (created.length > 0)
      log.info({ repositories: created }, "the package mirror stands for what this machine's clients use");
  } catch (error) {
    log.warn({ reason: messageOf(error) }, "the package mirror could not be set up from this machine's clients");
  }
}
