import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import fastify, {
  LogController,
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyRequest,
  type FastifyServerFactory,
} from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { newId } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import { withOrigin } from "../base/origin.ts";
import type { Config } from "../config/config.ts";
import type { Factory } from "../pipeline/factory.ts";
import { admit } from "./access.ts";
import type { ApiAccounts } from "./accounts.ts";
import { addApi } from "./api.ts";
import type { ApiContext } from "./api-app.ts";
import { readApiPage } from "./api-page.ts";
import { bounds } from "./bounds.ts";
import { addHarbor, harborPrefix, isHarbor } from "./harbor/harbor.ts";
import { escapeHarborRepository } from "./harbor/names.ts";
import { sendHarborError } from "./harbor/refusals.ts";
import { escapeImageId } from "./image-url.ts";
import { openMetrics, type Metrics } from "./metrics.ts";
import { addMirror } from "./mirror-app.ts";
import { addMirrorPage } from "./mirror-page.ts";
import { describeApi } from "./openapi.ts";
import { sendError, sendNotFound } from "./problem.ts";
import { limitAddresses, openRequestLimits } from "./request-limits.ts";
import { expandShortForm } from "./short-forms.ts";
import { addSignInRoutes } from "./sign-in-routes.ts";

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
    rewriteUrl: (request) => escapeHarborRepository(escapeImageId(expandShortForm(request.url ?? "/"))),
    frameworkErrors: (error, request, reply) =>
      void (isHarbor(request.url) ? sendHarborError : sendError)(error, request, reply),
    serverFactory: await serverFactory(config),
    forceCloseConnections: "idle",
    genReqId: () => newId(),
  });
  app.setErrorHandler(sendError);
  app.setNotFoundHandler(sendNotFound);
  addHeaders(app, config);
  addOrigin(app);
  const metrics = openMetrics(app, factory, version);
  const rates = openRequestLimits(config, (by) => metrics.refusedRequests.inc({ by }));
  limitAddresses(app, rates);
  const context: ApiContext = {
    factory,
    metrics,
    stopping: stopping.signal,
    version,
    accounts: options.accounts.accounts,
  };
  const { identify, visit, recall } = options.accounts;
  const countIdentity = (name: string): void => rates.countIdentity(name);
  const access = { config, identify, visit, recall, countIdentity, ownerToken: options.ownerToken };
  await app.register(
    async (scope) =>
      addApi(scope.withTypeProvider<ZodTypeProvider>(), context, (request, need) => admit(request, need, access)),
    { prefix: "/api/v1" },
  );
  await app.register(
    async (scope) =>
      void addHarbor(scope.withTypeProvider<ZodTypeProvider>(), context, (request, need) =>
        admit(request, need, access),
      ),
    { prefix: harborPrefix },
  );
  await addPages(app, version);
  addSignInRoutes(app, { browser: options.accounts.browser, config });
  addMirrorPage(app, {
    mirror: factory.mirror,
    mirrorCare: factory.mirrorCare,
    config,
    admit: async (request, need) => await admit(request, need, access),
  });
  addMirror(app, { ...access, mirror: factory.mirror, log: options.log });
  options.accounts.addDistribution(app, rates);
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

/** Events that a request causes tell where it came from. */
function addOrigin(app: FastifyInstance): void {
  const enter = ({ ip }: FastifyRequest, _reply: unknown, done: () => void): void => withOrigin({ address: ip }, done);
  app.addHook("onRequest", enter);
  // The parser of a body leaves the context that the request began in.
  app.addHook("preValidation", enter);
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
