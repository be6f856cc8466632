import { serializerCompiler, validatorCompiler } from "fastify-type-provider-zod";
import assert from "node:assert/strict";
import { Failure } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { openDenialTrail } from "../store/event-records.ts";
import type { Caller, Need } from "./access.ts";
import type { FastifyRequest } from "fastify";
import type { ApiApp, ApiContext } from "./api-app.ts";
import { bounds } from "./bounds.ts";
import { accountRoutes } from "./routes/account-routes.ts";
import { admissionRoutes } from "./routes/admission-routes.ts";
import { advisoryRoutes } from "./routes/advisory-routes.ts";
import { archiveRoutes } from "./routes/archive-routes.ts";
import { auditRoutes } from "./routes/audit-routes.ts";
import { backupRoutes } from "./routes/backup-routes.ts";
import { buildRoutes } from "./routes/build-routes.ts";
import { collectionRoutes } from "./routes/collection-routes.ts";
import { exceptionRoutes } from "./routes/exception-routes.ts";
import { groupRoutes } from "./routes/group-routes.ts";
import { healthRoutes } from "./routes/health-routes.ts";
import { imageRoutes } from "./routes/image-routes.ts";
import { lifetimeRuleRoutes } from "./routes/lifetime-rule-routes.ts";
import { jobRoutes } from "./routes/job-routes.ts";
import { mirrorCareRoutes } from "./routes/mirror-care-routes.ts";
import { mirrorPolicyRoutes } from "./routes/mirror-policy-routes.ts";
import { mirrorRoutes } from "./routes/mirror-routes.ts";
import { peerRoutes } from "./routes/peer-routes.ts";
import { personalTokenRoutes } from "./routes/personal-token-routes.ts";
import { projectRoutes } from "./routes/project-routes.ts";
import { proxyRoutes } from "./routes/proxy-routes.ts";
import { quotaRoutes } from "./routes/quota-routes.ts";
import { replicationRoutes } from "./routes/replication-routes.ts";
import { retentionRoutes } from "./routes/retention-routes.ts";
import { robotRoutes } from "./routes/robot-routes.ts";
import { tagRoutes } from "./routes/tag-routes.ts";
import { webhookRoutes } from "./routes/webhook-routes.ts";

/** Decides about a request; throws where it is refused. */
export type Doorkeeper = (request: FastifyRequest, need: Need) => Promise<Caller>;

/** Adds every operation of the API to `app`, each behind the doorkeeper. */
export function addApi(app: ApiApp, context: ApiContext, doorkeeper: Doorkeeper): void {
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  onlyJson(app);
  app.decorateRequest("caller");
  app.addHook("onRoute", ({ config, url }) =>
    assert.ok(config?.need !== undefined, `the route ${url} does not say what it needs`),
  );
  app.addHook("onRequest", async (request) => {
    request.caller = await doorkeeper(request, request.routeOptions.config.need ?? "administrator");
  });
  boundBodyTime(app);
  recordDenials(app, context);
  for (const add of [
    healthRoutes,
    imageRoutes,
    buildRoutes,
    jobRoutes,
    backupRoutes,
    peerRoutes,
    replicationRoutes,
    proxyRoutes,
    mirrorRoutes,
    mirrorPolicyRoutes,
    mirrorCareRoutes,
    archiveRoutes,
    collectionRoutes,
    exceptionRoutes,
    advisoryRoutes,
    auditRoutes,
    webhookRoutes,
    robotRoutes,
    projectRoutes,
    accountRoutes,
    groupRoutes,
    personalTokenRoutes,
    admissionRoutes,
    tagRoutes,
    lifetimeRuleRoutes,
    retentionRoutes,
    quotaRoutes,
  ])
    add(app, context);
}

/** What a known account may not do and tried is an event; so many a minute, as under `/v2`. */
export function recordDenials(app: ApiApp, { factory }: ApiContext): void {
  let record: ReturnType<typeof openDenialTrail> | undefined;
  app.addHook("onError", async (request, _reply, error) => {
    const failure: unknown = error;
    if (!(failure instanceof Failure) || failure.code !== "forbidden") return;
    const { account } = failure.details;
    // A route's own caller is there once the doorkeeper has let it in.
    const caller = request.caller as Caller | undefined;
    const actor = caller?.name ?? (typeof account === "string" ? account : "unknown");
    const subject = `${request.method} ${request.url.split("?", 1)[0]!}`;
    record ??= openDenialTrail(factory.store.db);
    await record({ actor, action: "api.denied", subject, details: { reason: failure.message } });
  });
}

/** Forms of HTML can send text and forms across sites without asking; JSON they cannot. */
function onlyJson(app: ApiApp): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    "application/json",
    { parseAs: "string", bodyLimit: limits.requestBytes },
    app.getDefaultJsonParser("error", "error"),
  );
}

/** Ends the connection of whoever sends the body of a request too slowly. */
export function boundBodyTime(app: ApiApp): void {
  const timers = new WeakMap<object, NodeJS.Timeout>();
  app.addHook("preParsing", async (request, reply) => {
    const timer = setTimeout(() => request.raw.destroy(), bounds.bodyMs);
    timers.set(request.raw, timer);
    // A refused body never comes to the next hook.
    reply.raw.once("close", () => clearTimeout(timer));
  });
  app.addHook("preValidation", async (request) => clearTimeout(timers.get(request.raw)));
}
