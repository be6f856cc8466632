import { readFile } from "node:fs/promises";
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import type { Client } from "ldapts";
import { Failure, messageOf } from "../../base/errors.ts";
import type { LdapConfig } from "../../config/directory-config.ts";

/**
 * Runs `work` with a connection to the directory, encrypted as configured, and closes it.
 *
 * @throws Failure `upstream_unreachable` where the directory cannot be reached or does not answer in time,
 *   `config_invalid` where the file of its certificates cannot be read; whatever `work` throws of its own
 */
export async function withDirectory<Result>(
  config: LdapConfig,
  work: (client: Client) => Promise<Result>,
): Promise<Result> {
  const { Client } = await import("ldapts");
  const timeoutMs = config.timeoutSeconds * 1000;
  const tls = await tlsOptions(config);
  const sockets: Socket[] = [];
  /** The client would silently connect again, for StartTLS without encryption: it may connect once. */
  const once = <Made extends Socket>(socket: Made): Made => {
    if (sockets.length > 0) {
      socket.destroy();
      throw new Error("the connection broke");
    }
    sockets.push(socket);
    return socket;
  };
  const isSecure = config.url.startsWith("ldaps:");
  const client = new Client({
    url: config.url,
    timeout: timeoutMs,
    connectTimeout: timeoutMs,
    createConnection: ((port: number, host: string) => once(connect(port, host))) as typeof connect,
    ...(isSecure
      ? {
          tlsOptions: tls,
          createSecureConnection: ((port: number, host: string) =>
            once(connectTls(port, host, tls))) as unknown as typeof connectTls,
        }
      : {}),
  });
  const deadline = startDeadline(timeoutMs);
  try {
    const result = (async () => {
      if (config.startTls) await client.startTLS(tls);
      return await work(client);
    })();
    return await Promise.race([result, deadline.passed]);
  } catch (error) {
    throw asFailure(config, error);
  } finally {
    deadline.stop();
    void client
      .unbind()
      .catch(() => undefined)
      .finally(() => sockets.forEach((socket) => socket.destroy()));
  }
}

async function tlsOptions({ url, caFile }: LdapConfig): Promise<ConnectionOptions> {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, "");
  const name = isIP(host) === 0 ? { servername: host } : {};
  const options: ConnectionOptions = { host, ...name, minVersion: "TLSv1.2" };
  if (caFile === undefined) return options;
  try {
    return { ...options, ca: await readFile(caFile) };
  } catch (error) {
    throw new Failure("config_invalid", `Cannot read the certificates "${caFile}": ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function startDeadline(ms: number): { readonly passed: Promise<never>; stop(): void } {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => undefined);
  const timer = setTimeout(() => reject(new Error(`no answer for ${ms / 1000} s`)), ms);
  return { passed: promise, stop: () => clearTimeout(timer) };
}

function asFailure({ url }: LdapConfig, error: unknown): unknown {
  if (error instanceof Failure) return error;
  const state = messageOf(error).trim().split("\n").at(-1)!;
  return new Failure("upstream_unreachable", `Cannot ask the directory "${url}": ${state}`, {
    hint: "Accounts of this registry itself still sign in; `mintmark doctor` asks the directory",
    cause: error,
  });
}
