import { openLog, silentLog, type Log } from "../base/log.ts";
import { connectToOwner, localTransport, openClient, type Client } from "../client/client.ts";
import type { Config } from "../config/config.ts";
import type { CommandContext } from "./command.ts";

/** A client, whether a server runs or not. */
export interface Session {
  readonly client: Client;
  readonly config: Config;
  /** The address of the running server; undefined where this process does the work itself. */
  readonly url: string | undefined;
}

/**
 * Runs `work` with a client of the server that owns the data folder; where none does, this process opens the
 * folder, offers the same API to itself, and closes everything afterwards.
 *
 * @param options.proves whether this process shall prove what it builds, which it leaves to the next server else
 * @throws Failure `data_locked` where something owns the folder but does not answer
 */
export async function withClient<Result>(
  context: CommandContext,
  work: (session: Session) => Promise<Result>,
  { proves = false }: { readonly proves?: boolean } = {},
): Promise<Result> {
  const config = await context.loadConfig();
  const owner = await connectToOwner(config.dataDir);
  if (owner !== undefined) return await work({ client: owner.client, config, url: owner.server.url });
  // Whoever asks for a proof is told of its outcome, which the log of a server would complain of.
  const log = proves ? silentLog : commandLog(config);
  const [{ openFactory }, { openLocalApi }] = await Promise.all([
    import("../pipeline/pipeline.ts"),
    import("../server/server.ts"),
  ]);
  const factory = await openFactory(config, log, { isStanding: false, proves });
  try {
    const api = await openLocalApi({ factory, config, log, version: context.version });
    try {
      return await work({ client: openClient(localTransport(api)), config, url: undefined });
    } finally {
      await api.close();
    }
  } finally {
    await factory.close();
  }
}

/** Commands for people tell what matters themselves: the log speaks up only about trouble, unless asked for more. */
export function commandLog(config: Config): Log {
  if (config.logLevel === "silent") return silentLog;
  return openLog(config.logLevel === "info" ? "warn" : config.logLevel);
}
