import { serializerCompiler, validatorCompiler } from "fastify-type-provider-zod";
import assert from "node:assert/strict";
import { limits } from "../base/limits.ts";
import type { Caller, Need } from "./access.ts";
import type { FastifyRequest } from "fastify";
import type { ApiApp, ApiContext } from "./api-app.ts";
import { bounds } from "./bounds.ts";
import { advisoryRoutes } from "./routes/advisory-routes.ts";
import { buildRoutes } from "./routes/build-routes.ts";
import { exceptionRoutes } from "./routes/exception-routes.ts";
import { healthRoutes } from "./routes/health-routes.ts";
import { imageRoutes } from "./routes/image-routes.ts";
import { jobRoutes } from "./routes/job-routes.ts";
import { robotRoutes } from "./routes/robot-routes.ts";

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
  for (const add of [healthRoutes, imageRoutes, buildRoutes, jobRoutes, exceptionRoutes, advisoryRoutes, robotRoutes])
    add(app, context);
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

function boundBodyTime(app: ApiApp): void {
  const timers = new WeakMap<object, NodeJS.Timeout>();
  app.addHook("preParsing", async (request, reply) => {
    const timer = setTimeout(() => request.raw.destroy(), bounds.bodyMs);
    timers.set(request.raw, timer);
    // A refused body never comes to the next hook.
    reply.raw.once("close", () => clearTimeout(timer));
  });
  app.addHook("preValidation", async (request) => clearTimeout(timers.get(request.raw)));
}
