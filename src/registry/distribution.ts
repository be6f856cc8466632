import { type FastifyInstance, type FastifyReply, type FastifyRequest, type HTTPMethods } from "fastify";
import { nowMs } from "../base/clock.ts";
import { Failure, messageOf, toFailure } from "../base/errors.ts";
import { type Log } from "../base/log.ts";
import { openDenialTrail } from "../store/event-records.ts";
import { type Store } from "../store/store.ts";
import { type AccessControl, admit, admitToBase, type Asking, identifyCaller } from "./access.ts";
import { deleteBlob, getBlob } from "./blobs.ts";
import { dropAbandonedUploads } from "./collection/abandoned-uploads.ts";
import { BrokenBody, discardBody, SlowBody } from "./body.ts";
import { type Answer, type Handler, jsonAnswer, type RecordPull, type Site } from "./exchange.ts";
import { getCatalog, getReferrers, getTags } from "./listings.ts";
import { getManifest, putManifest, removeManifest } from "./manifests.ts";
import { type DistributionPath, parsePath } from "./path.ts";
import { answerProxied, mirroredPath } from "./proxy/answers.ts";
import { type Upstreams } from "./proxy/upstreams.ts";
import { type PullCheck } from "./pull-check.ts";
import { isRefusal, refusalBody, refuse, type Refusal } from "./refusal.ts";
import { beginUpload, cancelUpload, continueUpload, describeUpload, finishUpload } from "./uploads.ts";

/** What `/v2` is served with. */
export interface DistributionOptions {
  readonly store: Store;
  readonly access: AccessControl;
  readonly log: Log;
  /** Says whether a manifest that was found may go out; where left out, all may. */
  readonly pullGate?: PullCheck;
  /** Told of each manifest that is given out; must return at once. */
  readonly recordPull?: RecordPull;
  /** Where the content of proxy caches comes from; without it there are none. */
  readonly upstreams?: Upstreams;
  /** A client that sends no byte of its body for this long is cut off; default 60 seconds. */
  readonly bodyIdleMs?: number;
}

const methods: HTTPMethods[] = ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"];

/** Uploads that nobody has touched for a day are abandoned; it is looked for them every hour. */
const abandonedMs = 24 * 60 * 60_000;
const sweepMs = 60 * 60_000;

/** Adds the routes of `/v2` in a scope of their own, where bodies stay streams whatever their type. */
export function addDistribution(app: FastifyInstance, options: DistributionOptions): void {
  const { store, access, log } = options;
  const bounds = { idleMs: options.bodyIdleMs ?? 60_000 };
  const site: Site = {
    store,
    access,
    log,
    bounds,
    busyUploads: new Set(),
    pullGate: options.pullGate,
    recordPull: options.recordPull,
    upstreams: options.upstreams,
    recordDenial: openDenialTrail(store.db),
  };
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (_request, _payload, done) => done(null));
    scope.setErrorHandler(
      async (error, request, reply) => await send(site, { request, reply }, explain(site, request, error)),
    );
    const handler = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
      const result = await respond(site, request).catch((error: unknown) => explain(site, request, error));
      return await send(site, { request, reply }, result);
    };
    for (const url of ["/v2", "/v2/*"]) scope.route({ method: methods, url, exposeHeadRoute: false, handler });
    sweepUploads(scope, site);
  });
}

async function respond(site: Site, request: FastifyRequest): Promise<Answer | Refusal> {
  const [path = "", query = ""] = (request.raw.url ?? "").split(/\?(.*)/s);
  const parsed = parsePath(path);
  if (parsed === undefined)
    return refuse("UNSUPPORTED", "Cannot find that: no endpoint has this path", { status: 404 });
  if (parsed === "invalid name")
    return refuse("NAME_INVALID", "Cannot read the repository's name: it is too long or not in the form of names");
  const named = await mirroredPath(site.upstreams, parsed, query);
  const route = routeOf(request.method, named);
  if (route === undefined)
    return refuse("UNSUPPORTED", `Cannot ${request.method} that: the endpoint does not offer it`, {
      headers: { allow: methods.filter((method) => routeOf(method, named) !== undefined).join(", ") },
    });
  const caller = await identifyCaller(site.access, request);
  if (isRefusal(caller)) return caller;
  const refused = await refuseRoute(site, { request, caller }, { named, action: route.action });
  if (refused !== undefined) return refused;
  const isHead = request.method === "HEAD";
  const exchange = { request, message: request.raw, isHead, query: new URLSearchParams(query), caller, site };
  const { upstreams } = site;
  if (upstreams !== undefined && "repository" in named && upstreams.serves(named.repository))
    return await answerProxied({ exchange, upstreams, named, isMirrored: named !== parsed, ...route });
  return await route.handle(exchange);
}

interface Asked {
  readonly named: DistributionPath;
  readonly action: "pull" | "push" | "delete";
}

/** The catalog is open to all: it shows each what they may pull. */
async function refuseRoute(site: Site, asking: Asking, { named, action }: Asked): Promise<Refusal | undefined> {
  if (named.kind === "base") return admitToBase(site.access, asking);
  if (named.kind === "catalog") return undefined;
  const { repository } = named;
  const refused = admit(site.access, asking, { repository, action });
  if (refused?.refusal === "DENIED") {
    const details = { action, address: asking.request.ip };
    await site.recordDenial({ actor: asking.caller.name, action: "registry.denied", subject: repository, details });
  }
  return refused;
}

interface Route {
  readonly action: "pull" | "push" | "delete";
  readonly handle: Handler;
}

function routeOf(method: string, path: DistributionPath): Route | undefined {
  const isRead = method === "GET" || method === "HEAD";
  const read = (handle: Handler): Route | undefined => (isRead ? { action: "pull", handle } : undefined);
  switch (path.kind) {
    case "base":
      return read(async () => jsonAnswer({}));
    case "catalog":
      return read(getCatalog);
    case "tags":
      return read(async (exchange) => await getTags(exchange, path.repository));
    case "referrers":
      return read(async (exchange) => await getReferrers(exchange, path.repository, path.digest));
    case "blob":
      if (method === "DELETE")
        return {
          action: "delete",
          handle: async (exchange) => await deleteBlob(exchange, path.repository, path.digest),
        };
      return read(async (exchange) => await getBlob(exchange, path.repository, path.digest));
    case "manifest":
      return (
        manifestRoute(method, path) ??
        read(async (exchange) => await getManifest(exchange, path.repository, path.reference))
      );
    case "uploads":
      return method === "POST"
        ? { action: "push", handle: async (exchange) => await beginUpload(exchange, path.repository) }
        : undefined;
    case "upload":
      return uploadRoute(method, path);
  }
}

function manifestRoute(
  method: string,
  path: { readonly repository: string; readonly reference: string },
): Route | undefined {
  const { repository, reference } = path;
  if (method === "PUT")
    return { action: "push", handle: async (exchange) => await putManifest(exchange, repository, reference) };
  if (method === "DELETE")
    return { action: "delete", handle: async (exchange) => await removeManifest(exchange, repository, reference) };
  return undefined;
}

const uploadHandlers: Readonly<Record<string, typeof describeUpload>> = {
  GET: describeUpload,
  PATCH: continueUpload,
  PUT: finishUpload,
  DELETE: cancelUpload,
};

function uploadRoute(
  method: string,
  { repository, id }: { readonly repository: string; readonly id: string },
): Route | undefined {
  const handler = uploadHandlers[method];
  return handler === undefined
    ? undefined
    : { action: "push", handle: async (exchange) => await handler(exchange, repository, id) };
}

/** Whatever went wrong, in the spec's form; of a bug the client learns no more than that it was one. */
function explain(site: Site, request: FastifyRequest, error: unknown): Refusal {
  if (error instanceof SlowBody)
    return refuse("BLOB_UPLOAD_INVALID", "Cannot take the body: it stopped coming", { status: 408 });
  if (error instanceof BrokenBody) return refuse("BLOB_UPLOAD_INVALID", "Cannot take the body: the connection broke");
  const failure = toFailure(error);
  if (failure.code === "rate_limited") {
    const seconds = failure.details["retryAfterSeconds"];
    return refuse("TOOMANYREQUESTS", failure.message, {
      headers: { "retry-after": String(typeof seconds === "number" ? seconds : 5) },
    });
  }
  if (error instanceof Failure && failure.status < 500)
    return refuse("UNSUPPORTED", failure.message, { status: failure.status });
  const status = statusOf(error);
  if (status !== undefined) return refuse("UNSUPPORTED", messageOf(error), { status });
  site.log.error({ err: error, method: request.method, requestId: request.id }, "registry request failed");
  const message = failure.code === "internal" ? "The registry failed: its log has the details" : failure.message;
  return refuse("UNKNOWN", message, { status: failure.status });
}

/** The status of an error by which Fastify itself turns a request down. */
function statusOf(error: unknown): number | undefined {
  const status = error instanceof Error && "statusCode" in error ? error.statusCode : undefined;
  return typeof status === "number" && status >= 400 && status < 500 ? status : undefined;
}

interface Line {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

async function send(site: Site, { request, reply }: Line, result: Answer | Refusal): Promise<FastifyReply> {
  const { status, headers } = result;
  // Who stopped sending is not waited for again.
  const isSettled = status !== 408 && (await discardBody(request.raw, site.bounds));
  if (!isSettled) reply.header("connection", "close");
  reply.code(status).headers({ "docker-distribution-api-version": "registry/2.0", ...headers });
  if (isRefusal(result)) return await reply.type("application/json").send(refusalBody(result));
  return await reply.send(result.body);
}

function sweepUploads(scope: FastifyInstance, { store, log }: Site): void {
  let sweep = Promise.resolve();
  const run = (): void => {
    sweep = sweep
      .then(async () => void (await dropAbandonedUploads(store, nowMs() - abandonedMs)))
      .catch((error: unknown) => log.error({ err: error }, "abandoned uploads could not be dropped"));
  };
  const timer = setInterval(run, sweepMs);
  timer.unref();
  scope.addHook("onReady", async () => run());
  scope.addHook("onClose", async () => {
    clearInterval(timer);
    await sweep;
  });
}
