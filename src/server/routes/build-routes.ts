import { z } from "zod";
import { Failure } from "../../base/errors.ts";
import type { BuildRequest, BuildRun, RunEvent } from "../../pipeline/factory.ts";
import { addAuditEvent } from "../../store/event-records.ts";
import type { Caller } from "../access.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { eventSchemas, sendEvents } from "../event-stream.ts";
import {
  acceptedBuildSchema,
  buildRequestSchema,
  buildSchema,
  cancelSchema,
  lockSchema,
  problemSchema,
  runEventSchema,
} from "../schemas.ts";

const params = z.object({ id: z.uuid().describe("The id of the build") });

/** Asking for builds, following and stopping them. */
export function buildRoutes(app: ApiApp, context: ApiContext): void {
  const { factory } = context;
  app.post(
    "/images/build",
    {
      config: { need: "write" },
      schema: {
        operationId: "startBuild",
        tags: ["builds"],
        summary: "Queue a build of a recipe",
        body: buildRequestSchema,
        response: { 202: acceptedBuildSchema, 401: problemSchema, 403: problemSchema, 422: problemSchema },
      },
    },
    async (request, reply) => {
      const wanted = allowedRequest(request.body, request.caller);
      const id = await factory.startBuild(wanted);
      await tell(context, { action: "build.started", ...wanted, id });
      context.metrics.buildRequests.inc();
      const build = `/api/v1/builds/${id}`;
      return await reply
        .code(202)
        .header("location", build)
        .send({ id, build, log: `${build}/log` });
    },
  );
  app.get(
    "/builds/:id",
    {
      config: { need: "read" },
      schema: {
        operationId: "getBuild",
        tags: ["builds"],
        summary: "Show one build",
        params,
        response: { 200: buildSchema, 404: problemSchema },
      },
    },
    async ({ params: { id }, caller }) => await seenRun(context, caller, id),
  );
  cancelRoute(app, context);
  logRoute(app, context);
  lockRoute(app, context);
}

function cancelRoute(app: ApiApp, context: ApiContext): void {
  const { factory } = context;
  app.post(
    "/builds/:id/cancel",
    {
      config: { need: "write" },
      schema: {
        operationId: "cancelBuild",
        tags: ["builds"],
        summary: "Stop a build",
        params,
        response: { 200: cancelSchema, 404: problemSchema },
      },
    },
    async ({ params: { id }, caller }) => {
      const run = (await factory.run(id)) ?? missing(id);
      const { recipe } = run.request;
      mayBuild(caller, recipe);
      await tell(context, { action: "build.cancelled", recipe, actor: caller.name, id });
      return { stopped: await factory.cancelBuild(id) };
    },
  );
}

function logRoute(app: ApiApp, context: ApiContext): void {
  app.get(
    "/builds/:id/log",
    {
      config: { need: "read" },
      schema: {
        operationId: "followBuild",
        tags: ["builds"],
        summary: "Follow a build: its events so far, then live ones until it ends",
        params,
        ...eventSchemas(runEventSchema),
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      await seenRun(context, request.caller, id);
      const watch = (after: number, signal: AbortSignal): AsyncIterable<RunEvent> =>
        context.factory.watch(id, after, signal);
      return await sendEvents({ context, request, reply, watch });
    },
  );
}

function lockRoute(app: ApiApp, context: ApiContext): void {
  app.post(
    "/locks",
    {
      config: { need: "administrator" },
      schema: {
        operationId: "lockRecipe",
        tags: ["builds"],
        summary: "Resolve a recipe and write its lock beside it",
        body: buildRequestSchema,
        response: { 200: lockSchema, 403: problemSchema, 422: problemSchema },
      },
    },
    async ({ body, caller }) => {
      const wanted = allowedRequest(body, caller);
      await tell(context, { action: "recipe.locked", ...wanted });
      return await context.factory.lock(wanted, () => undefined);
    },
  );
}

interface ToldBuild extends Pick<BuildRequest, "recipe" | "actor"> {
  readonly action: string;
  readonly mode?: string;
  readonly id?: string;
}

async function tell({ factory }: ApiContext, { action, actor, recipe, mode, id }: ToldBuild): Promise<void> {
  await addAuditEvent(factory.store.db, { actor, action, subject: recipe, details: { mode, id } });
}

function allowedRequest(body: z.output<typeof buildRequestSchema>, caller: Caller): BuildRequest {
  mayBuild(caller, body.recipe);
  return {
    recipe: body.recipe,
    mode: body.mode,
    ...(body.distribution === undefined ? {} : { distribution: body.distribution }),
    ...(body.architecture === undefined ? {} : { architecture: body.architecture }),
    ...(body.prove === undefined ? {} : { prove: body.prove }),
    actor: caller.name,
  };
}

/**
 * A folder of the server's machine is for those who own it, since a recipe may name files beside it; a shipped
 * recipe is for those who may build into the repository of its name.
 */
function mayBuild(caller: Caller, recipe: string): void {
  const isFolder = recipe.includes("/") || recipe.startsWith(".") || recipe.includes("\\");
  if (caller.role !== "administrator" && isFolder)
    throw new Failure("forbidden", `Cannot build "${recipe}": only the administrator may name a folder`, {
      hint: "Name a shipped recipe, such as base",
    });
  if (!isFolder && !caller.may("build", recipe))
    throw new Failure("forbidden", `Cannot build "${recipe}" as "${caller.name}": it lacks the right to build there`);
}

/** What a caller may neither list nor build does not exist for it. */
async function seenRun({ factory }: ApiContext, caller: Caller, id: string): Promise<BuildRun> {
  const run = (await factory.run(id)) ?? missing(id);
  const { recipe } = run.request;
  return caller.may("list", recipe) || caller.may("build", recipe) ? run : missing(id);
}

function missing(id: string): never {
  throw new Failure("not_found", `Cannot find the build "${id}"`);
}
