import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Mirror, MirrorCounts, NewMirrorRepository } from "../../src/mirror/mirror.ts";
import { runServer, type RunningServer } from "../registry/running-server.ts";

/** The whole server on a loopback port with some repositories of the mirror, over a data folder of its own. */
export interface RunningMirror {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly dataDir: string;
  readonly mirror: Mirror;
  readonly server: RunningServer;
  /** `Basic …` of the administrator, who may publish. */
  readonly administrator: string;
  /** The administrator's name and password. */
  readonly credentials: { readonly username: string; readonly password: string };
  /** `http://127.0.0.1:PORT/mirror/NAME`, without a slash at its end. */
  base(repository: string): string;
  /** Requests and bytes since the start. */
  counts(): MirrorCounts;
  /** Stops the server; the data folder stays. */
  stop(): Promise<void>;
  /** Stops the server, where it runs, and starts it again over the same data folder, at another port. */
  restart(environment?: Readonly<Record<string, string>>): Promise<RunningMirror>;
  close(): Promise<void>;
}

/** Starts a server with repositories; `environment` holds `MINTMARK_…` settings, such as `MINTMARK_MIRROR_OFFLINE=true`. */
export async function runMirror(
  repositories: readonly NewMirrorRepository[],
  environment: Readonly<Record<string, string>> = {},
): Promise<RunningMirror> {
  const dataDir = await mkdtemp(join(tmpdir(), "mintmark-mirror-"));
  try {
    const running = await open(dataDir, environment);
    for (const repository of repositories) await running.mirror.create(repository, "admin");
    return running;
  } catch (error) {
    await rm(dataDir, { recursive: true, force: true });
    throw error;
  }
}

async function open(dataDir: string, environment: Readonly<Record<string, string>>): Promise<RunningMirror> {
  const server = await runServer(dataDir, environment);
  const { mirror } = server.factory;
  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => await (stopped ??= server.close());
  const [, encoded = ""] = server.administrator.split(" ");
  const [username = "", password = ""] = Buffer.from(encoded, "base64").toString("utf8").split(/:(.*)/s);
  return {
    url: server.url,
    dataDir,
    mirror,
    server,
    administrator: server.administrator,
    credentials: { username, password },
    base: (repository) => `${server.url}/mirror/${repository}`,
    counts: () => mirror.counts(),
    stop,
    async restart(changed = environment) {
      await stop();
      return await open(dataDir, changed);
    },
    async close() {
      await stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
