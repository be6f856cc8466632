/**
 * The server is the HTTP side of the factory: `/v2` for images, `/api/v1` and its short forms for everything else,
 * a page at `/api` for people, `/metrics`, `/health` and `/ready`.
 *
 * It owns the listening socket, `server.json` in the data folder, and how failures look to clients. It promises that
 * no route is reachable without saying what it needs of its caller, that no slow or silent client costs memory or a
 * connection for ever, and that a stop lets running requests end.
 */
import type { AddressInfo } from "node:net";
import type { Readable } from "node:stream";
import { newSecret } from "../base/clock.ts";
import { Failure, systemCodeOf } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Config } from "../config/config.ts";
import type { Factory } from "../pipeline/factory.ts";
import { openApiAccounts } from "./accounts.ts";
import { openApp, type App } from "./app.ts";
import { openAuditCare } from "./audit-care.ts";
import { announceServer } from "./server-file.ts";

export { checkOuterSignIn } from "./directory-check.ts";

/** What a server serves, and to whom. */
export interface ServerOptions {
  readonly factory: Factory;
  readonly config: Config;
  readonly log: Log;
  readonly version: string;
}

/** A server that listens. */
export interface Server {
  /** `http://127.0.0.1:5080`: the address it listens on. */
  readonly url: string;
  /** The same API for this very process, which need not go over the network to itself. */
  readonly local: LocalRequests;
  /** Stops taking connections, ends streams, lets requests end for `shutdownSeconds`, then cuts the rest. */
  close(): Promise<void>;
}

/**
 * Listens and serves until closed; the factory stays the caller's to close.
 *
 * @throws Failure `conflict` where the port is taken, `forbidden` where it may not be used
 */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { config, log } = options;
  const ownerToken = newSecret();
  const accounts = await openApiAccounts(options);
  const app = await openApp({ ...options, accounts, ownerToken });
  try {
    await app.fastify.listen({ host: config.listen.host, port: config.listen.port });
  } catch (error) {
    await app.fastify.close();
    throw listenFailure(error, config);
  }
  const url = urlOf(app.fastify.server.address() as AddressInfo, config);
  const auditCare = await openAuditCare(options);
  options.factory.announce(config.publicUrl ?? url);
  const withdraw = await announceServer(config.dataDir, { url, pid: process.pid, token: ownerToken });
  app.metrics.residentAtStart.set(process.memoryUsage.rss());
  log.info({ url }, "serving");
  return {
    url,
    local: localRequests(app, ownerToken),
    async close() {
      await withdraw();
      await drain(app, config.shutdownSeconds * 1000);
      await auditCare.close();
      log.info({ url }, "stopped serving");
    },
  };
}

/** One answer of {@link LocalApi}. */
interface LocalResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readable;
}

/** Requests to an API in this process. */
interface LocalRequests {
  /** The secret to send as bearer. */
  readonly token: string;
  request(request: {
    method: string;
    path: string;
    headers: Record<string, string>;
    body?: string;
  }): Promise<LocalResponse>;
}

/** The same API without a socket, for commands that run where no server does. */
export interface LocalApi extends LocalRequests {
  close(): Promise<void>;
}

/** Opens the API in process: a command runs through the same routes, checks and answers as over the network. */
export async function openLocalApi(options: ServerOptions): Promise<LocalApi> {
  const token = newSecret();
  const accounts = await openApiAccounts(options);
  const app = await openApp({ ...options, accounts, ownerToken: token });
  return { ...localRequests(app, token), close: async () => await drain(app, 1000) };
}

function localRequests({ fastify }: App, token: string): LocalRequests {
  return {
    token,
    async request({ method, path, headers, body }) {
      const answer = await fastify.inject({
        method: method as "GET",
        url: path,
        headers: { host: "localhost", ...headers },
        payloadAsStream: true,
        ...(body === undefined ? {} : { payload: body }),
      });
      const plain = Object.entries(answer.headers).map(([name, value]) => [name, String(value)] as const);
      return { status: answer.statusCode, headers: Object.fromEntries(plain), body: answer.stream() };
    },
  };
}

async function drain(app: App, graceMs: number): Promise<void> {
  app.stop();
  const { server } = app.fastify;
  // A kept-alive connection falls idle only once its last answer is out, and nobody else would close it then.
  const sweep = setInterval(() => server.closeIdleConnections(), 20);
  const cut = setTimeout(() => server.closeAllConnections(), graceMs);
  try {
    await app.fastify.close();
  } finally {
    clearTimeout(cut);
    clearInterval(sweep);
  }
}

function urlOf(address: AddressInfo, config: Config): string {
  const host = address.family === "IPv6" ? `[${address.address}]` : address.address;
  return `${config.tls === undefined ? "http" : "https"}://${host}:${address.port}`;
}

function listenFailure(error: unknown, { listen }: Config): unknown {
  const where = `"${listen.host}:${listen.port}"`;
  const code = systemCodeOf(error);
  if (code === "EADDRINUSE")
    return new Failure("conflict", `Cannot listen on ${where}: another program does already`, {
      hint: "Stop it, or choose another port with --listen HOST:PORT; port 0 picks a free one",
      cause: error,
    });
  if (code === "EACCES")
    return new Failure("forbidden", `Cannot listen on ${where}: this account may not`, {
      hint: "Choose a port from 1024 on with --listen",
      cause: error,
    });
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND" || code === "EAI_AGAIN")
    return new Failure("config_invalid", `Cannot listen on ${where}: this machine has no such address`, {
      cause: error,
    });
  return error;
}
