import { z } from "zod";
import { isoSeconds } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import type { Lifetime } from "../../registry/registry.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { lifetimeErrors, pageLimit, projectParams, requireRight } from "./lifetime-access.ts";
import {
  newRetentionRunSchema,
  newRetentionSchema,
  removedSchema,
  retentionOutcomePageSchema,
  retentionRunPageSchema,
  retentionRunSchema,
  retentionSchema,
} from "./lifetime-schemas.ts";

/** Which tags a project keeps, and what was dropped. */
export function retentionRoutes(app: ApiApp, context: ApiContext): void {
  policyRoutes(app, context);
  runRoutes(app, context);
  oldRunRoutes(app, context);
}

type Retention = Lifetime["retention"];

function policyRoutes(app: ApiApp, { factory }: ApiContext): void {
  app.get(
    "/projects/:name/retention",
    {
      config: { need: "read" },
      schema: {
        operationId: "getRetention",
        tags: ["retention"],
        summary: "The retention policy of a project",
        params: projectParams,
        response: { 200: retentionSchema, ...lifetimeErrors },
      },
    },
    async ({ params: { name }, caller }) => {
      requireRight(caller, "list", name);
      return shownPolicy(name, await factory.lifetime.retention.find(name));
    },
  );
  app.post(
    "/projects/:name/retention",
    {
      config: { need: "write" },
      schema: {
        operationId: "setRetention",
        tags: ["retention"],
        summary: "Set the retention policy of a project",
        params: projectParams,
        body: newRetentionSchema,
        response: { 200: retentionSchema, ...lifetimeErrors },
      },
    },
    async ({ params: { name }, body: { text }, caller }) => {
      requireRight(caller, "lifetime", name);
      return shownPolicy(name, await factory.lifetime.retention.set(name, text, caller.name));
    },
  );
  app.delete(
    "/projects/:name/retention",
    {
      config: { need: "write" },
      schema: {
        operationId: "removeRetention",
        tags: ["retention"],
        summary: "Keep everything again",
        params: projectParams,
        response: { 200: removedSchema, ...lifetimeErrors },
      },
    },
    async ({ params: { name }, caller }) => {
      requireRight(caller, "lifetime", name);
      return { removed: await factory.lifetime.retention.remove(name, caller.name) };
    },
  );
}

const runParams = projectParams.extend({ id: z.string().min(1).max(64) });

async function findRun(retention: Retention, name: string, id: string): Promise<RunRecord> {
  const run = await retention.run(id);
  if (run?.project !== name) throw new Failure("not_found", `Cannot find the retention run "${id}" of "${name}"`);
  return run;
}

function runRoutes(app: ApiApp, { factory }: ApiContext): void {
  app.post(
    "/projects/:name/retention/runs",
    {
      config: { need: "write" },
      schema: {
        operationId: "startRetention",
        tags: ["retention"],
        summary: "Queue a run of the retention policy, or a dry run that changes nothing",
        params: projectParams,
        body: newRetentionRunSchema,
        response: { 202: retentionRunSchema, ...lifetimeErrors },
      },
    },
    async ({ params: { name }, body: { dryRun }, caller }, reply) => {
      requireRight(caller, "lifetime", name);
      const id = await factory.lifetime.retention.start({ project: name, isDryRun: dryRun, actor: caller.name });
      return await reply.code(202).send(shownRun(await findRun(factory.lifetime.retention, name, id)));
    },
  );
  app.get(
    "/projects/:name/retention/runs",
    {
      config: { need: "read" },
      schema: {
        operationId: "listRetentionRuns",
        tags: ["retention"],
        summary: "List the runs of a project's retention, newest first",
        params: projectParams,
        querystring: z.object({ before: z.string().max(64).optional(), limit: pageLimit }),
        response: { 200: retentionRunPageSchema, ...lifetimeErrors },
      },
    },
    async ({ params: { name }, query, caller }) => {
      requireRight(caller, "list", name);
      const runs = (await factory.lifetime.retention.runs(name, query)).map(shownRun);
      return { runs, ...(runs.length < query.limit ? {} : { next: runs.at(-1)!.id }) };
    },
  );
}

function oldRunRoutes(app: ApiApp, { factory }: ApiContext): void {
  app.get(
    "/projects/:name/retention/runs/:id",
    {
      config: { need: "read" },
      schema: {
        operationId: "getRetentionRun",
        tags: ["retention"],
        summary: "A run of a project's retention",
        params: runParams,
        response: { 200: retentionRunSchema, ...lifetimeErrors },
      },
    },
    async ({ params: { name, id }, caller }) => {
      requireRight(caller, "list", name);
      return shownRun(await findRun(factory.lifetime.retention, name, id));
    },
  );
  app.get(
    "/projects/:name/retention/runs/:id/outcomes",
    {
      config: { need: "read" },
      schema: {
        operationId: "listRetentionOutcomes",
        tags: ["retention"],
        summary: "What a run decided about every tag, with the reason",
        params: runParams,
        querystring: z.object({
          after: z.coerce.number().int().min(-1).default(-1).describe("The `next` of the page before"),
          limit: pageLimit,
          decision: z.enum(["kept", "dropped"]).optional(),
        }),
        response: { 200: retentionOutcomePageSchema, ...lifetimeErrors },
      },
    },
    async ({ params: { name, id }, query, caller }) => {
      requireRight(caller, "list", name);
      await findRun(factory.lifetime.retention, name, id);
      const outcomes = await factory.lifetime.retention.outcomes(id, query);
      return { outcomes, ...(outcomes.length < query.limit ? {} : { next: outcomes.at(-1)!.position }) };
    },
  );
}

type RunRecord = NonNullable<Awaited<ReturnType<Retention["run"]>>>;

function shownPolicy(
  project: string,
  stored: Awaited<ReturnType<Retention["find"]>>,
): z.output<typeof retentionSchema> {
  if (stored === undefined) return { project };
  const { text, setBy, setAt, policy } = stored;
  const { schedule, rules } = policy;
  const shown = { text, setBy, setAt: isoSeconds(setAt), ruleCount: rules.length };
  return { project, policy: { ...shown, ...(schedule === undefined ? {} : { schedule }) } };
}

function shownRun(run: RunRecord): z.output<typeof retentionRunSchema> {
  const { isDryRun, createdAt, startedAt, endedAt, failure, ...rest } = run;
  return {
    ...rest,
    dryRun: isDryRun,
    createdAt: isoSeconds(createdAt),
    ...(startedAt === undefined ? {} : { startedAt: isoSeconds(startedAt) }),
    ...(endedAt === undefined ? {} : { endedAt: isoSeconds(endedAt) }),
    ...(failure === undefined ? {} : { failure }),
  };
}
