import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import fastify, {
  LogController,
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyServerFactory,
} from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { newId } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import type { Config } from "../config/config.ts";
import type { Factory } from "../pipeline/factory.ts";
import { admit } from "./access.ts";
import type { ApiAccounts } from "./accounts.ts";
import { addApi } from "./api.ts";
import type { ApiContext } from "./api-app.ts";
import { readApiPage } from "./api-page.ts";
import { bounds } from "./bounds.ts";
import { escapeImageId } from "./image-url.ts";
import { openMetrics, type Metrics } from "./metrics.ts";
import { describeApi } from "./openapi.ts";
import { sendError, sendNotFound } from "./problem.ts";

/** What an app is made of. */
export interface AppOptions {
  readonly factory: Factory;
  readonly config: Config;
  readonly log: Log;
  readonly accounts: ApiAccounts;
  /** The secret that makes its bearer the owner of the data folder. */
  readonly ownerToken: string;
  readonly version: string;
}

/** An app that is ready for requests but does not listen. */
export interface App {
  readonly fastify: FastifyInstance;
  readonly metrics: Metrics;
  /** Ends the open streams and says "not ready". */
  stop(): void;
}

/** Makes the HTTP side of the factory: API, distribution, metrics, pages. */
export async function openApp(options: AppOptions): Promise<App> {
  const { config, factory, version } = options;
  const stopping = new AbortController();
  const logger: FastifyBaseLogger = options.log;
  const app: FastifyInstance = fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: limits.requestBytes,
    routerOptions: { maxParamLength: bounds.parameterChars },
    rewriteUrl: (request) => escapeImageId(request.url ?? "/"),
    frameworkErrors: (error, request, reply) => void sendError(error, request, reply),
    serverFactory: await serverFactory(config),
    forceCloseConnections: "idle",
    genReqId: () => newId(),
  });
  app.setErrorHandler(sendError);
  app.setNotFoundHandler(sendNotFound);
  addHeaders(app, config);
  const metrics = openMetrics(app, factory, version);
  const context: ApiContext = { factory, metrics, stopping: stopping.signal, version, robots: options.accounts.robots };
  const access = { config, identify: options.accounts.identify, ownerToken: options.ownerToken };
  for (const prefix of ["", "/api/v1"])
    await app.register(
      async (scope) =>
        addApi(scope.withTypeProvider<ZodTypeProvider>(), context, (request, need) => admit(request, need, access)),
      { prefix },
    );
  await addPages(app, version);
  options.accounts.addDistribution(app);
  await app.ready();
  return { fastify: app, metrics, stop: () => stopping.abort() };
}

async function serverFactory(config: Config): Promise<FastifyServerFactory> {
  const tls =
    config.tls === undefined
      ? undefined
      : { cert: await readFile(config.tls.certFile), key: await readFile(config.tls.keyFile) };
  return (handler) => {
    // No bound on the whole request: the body of a large push may take an hour.
    const times = {
      headersTimeout: bounds.headersMs,
      requestTimeout: 0,
      keepAliveTimeout: bounds.keepAliveMs,
      connectionsCheckingInterval: 5000,
    };
    const listener = (request: Parameters<typeof handler>[0], response: Parameters<typeof handler>[1]): void =>
      handler(request, response);
    const server =
      tls === undefined
        ? createServer(times, listener)
        : createTlsServer({ ...times, ...tls, minVersion: "TLSv1.2" }, listener);
    server.maxConnections = bounds.connections;
    server.timeout = bounds.idleMs;
    return server;
  };
}

function addHeaders(app: FastifyInstance, config: Config): void {
  app.addHook("onSend", async (request, reply) => {
    reply.header("x-content-type-options", "nosniff");
    reply.header("x-request-id", request.id);
    reply.header("referrer-policy", "no-referrer");
    reply.header("x-frame-options", "DENY");
    reply.header("cross-origin-resource-policy", "same-origin");
    if (!reply.hasHeader("content-security-policy"))
      reply.header("content-security-policy", "default-src 'none'; frame-ancestors 'none'");
    if (!reply.hasHeader("cache-control") && !request.url.startsWith("/v2")) reply.header("cache-control", "no-store");
    if (config.tls !== undefined) reply.header("strict-transport-security", "max-age=31536000");
  });
}

async function addPages(app: FastifyInstance, version: string): Promise<void> {
  let description: Promise<string> | undefined;
  const page = await readApiPage();
  app.get("/openapi.json", async (_request, reply) => {
    description ??= describeApi(version);
    return await reply
      .type("application/json; charset=utf-8")
      .serializer(String)
      .send(await description);
  });
  app.get(
    "/api",
    async (_request, reply) =>
      await reply.type("text/html; charset=utf-8").header("content-security-policy", page.policy).send(page.html),
  );
  app.get("/", async (_request, reply) => await reply.redirect("/api"));
}
