import assert from "node:assert/strict";
import { serializerCompiler, validatorCompiler } from "fastify-type-provider-zod";
import { limits } from "../../base/limits.ts";
import { boundBodyTime, type Doorkeeper, recordDenials } from "../api.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { absentRoutes } from "./absent-routes.ts";
import { additionRoutes } from "./addition-routes.ts";
import { artifactRoutes } from "./artifact-routes.ts";
import { auditRoutes } from "./audit-routes.ts";
import { gcRoutes } from "./gc-routes.ts";
import type { AddRoutes, RouteNote } from "./harbor-app.ts";
import { immutableRoutes } from "./immutable-routes.ts";
import { labelRoutes } from "./label-routes.ts";
import { memberRoutes } from "./member-routes.ts";
import { projectRoutes } from "./project-routes.ts";
import { quotaRoutes } from "./quota-routes.ts";
import { HarborRefusal, sendHarborError, sendHarborNotFound } from "./refusals.ts";
import { registryRoutes } from "./registry-routes.ts";
import { replicationRoutes } from "./replication-routes.ts";
import { repositoryRoutes } from "./repository-routes.ts";
import { retentionRoutes } from "./retention-routes.ts";
import { robotRoutes } from "./robot-routes.ts";
import { scanRoutes } from "./scan-routes.ts";
import { scannerRoutes } from "./scanner-routes.ts";
import { securityRoutes } from "./security-routes.ts";
import { systemRoutes } from "./system-routes.ts";
import { tagRoutes } from "./tag-routes.ts";
import { webhookRoutes } from "./webhook-routes.ts";

/** Where Harbor's API begins. */
export const harborPrefix = "/api/v2.0";

/** Whether a request target is one of Harbor's API. */
export function isHarbor(url: string): boolean {
  return url.startsWith(`${harborPrefix}/`);
}

const resources: readonly AddRoutes[] = [
  systemRoutes,
  projectRoutes,
  memberRoutes,
  repositoryRoutes,
  artifactRoutes,
  tagRoutes,
  additionRoutes,
  scanRoutes,
  scannerRoutes,
  securityRoutes,
  robotRoutes,
  labelRoutes,
  gcRoutes,
  retentionRoutes,
  immutableRoutes,
  quotaRoutes,
  registryRoutes,
  replicationRoutes,
  webhookRoutes,
  auditRoutes,
  absentRoutes,
];

/** A route of Harbor's API as the page about it lists it. */
export interface HarborRoute extends RouteNote {
  readonly method: string;
  /** With its parameters in braces. */
  readonly path: string;
}

/**
 * Adds the part of Harbor's API that people script against, on an app whose prefix is {@link harborPrefix}.
 *
 * It only translates: each request ends in the same rooms as those of our own API, with the same rights, and what is
 * not offered says so with 501. Gives the routes that there are.
 */
export function addHarbor(app: ApiApp, context: ApiContext, doorkeeper: Doorkeeper): readonly HarborRoute[] {
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler(sendHarborError);
  app.setNotFoundHandler(sendHarborNotFound);
  readJson(app);
  app.decorateRequest("caller");
  const routes: HarborRoute[] = [];
  const methods = new Map<string, Set<string>>();
  app.addHook("onRoute", ({ config, url, method }) => {
    const note = config?.harbor;
    assert.ok(
      config?.need !== undefined && note !== undefined,
      `the route ${url} does not say what it needs, or how near it is`,
    );
    const path = url.slice(harborPrefix.length);
    for (const one of [method].flat()) {
      methods.set(path, (methods.get(path) ?? new Set()).add(one));
      if (one !== "HEAD" || path === "/projects")
        routes.push({ method: one, path: path.replaceAll(/:(\w+)/g, "{$1}"), ...note });
    }
  });
  app.addHook("onRequest", async (request) => {
    request.caller = await doorkeeper(request, request.routeOptions.config.need ?? "administrator");
  });
  boundBodyTime(app);
  recordDenials(app, context);
  for (const add of resources) add(app, context);
  const shown = [...routes];
  refuseOtherMethods(app, methods);
  return shown;
}

/** Clients made from Harbor's swagger name the type of a body also where they send none. */
function readJson(app: ApiApp): void {
  app.removeAllContentTypeParsers();
  const parse = app.getDefaultJsonParser("error", "error");
  app.addContentTypeParser(
    "application/json",
    { parseAs: "string", bodyLimit: limits.requestBytes },
    (request, body, done) => {
      if (body.length === 0) done(null, undefined);
      else void parse(request, body as string, done);
    },
  );
}

const allMethods = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const;

/** A path that there is, asked in another way, is 405 in Harbor, not 404. */
function refuseOtherMethods(app: ApiApp, known: ReadonlyMap<string, ReadonlySet<string>>): void {
  for (const [url, methods] of known) {
    const method = allMethods.filter((one) => !methods.has(one));
    if (method.length === 0) continue;
    app.route({
      url,
      method,
      config: { need: "open", harbor: { fidelity: "absent" } },
      handler: async (request, reply) => {
        reply.header("allow", [...methods].join(", "));
        throw new HarborRefusal(405, "METHOD_NOT_ALLOWED", `the method ${request.method} is not allowed here`);
      },
    });
  }
}
