import { z } from "zod";
import { isoSeconds } from "../../base/clock.ts";
import type { ReplicationExecution, ReplicationRule } from "../../registry/registry.ts";
import type { ReplicationTaskRecord } from "../../store/replication-records.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { problemSchema } from "../schemas.ts";
import { jobRevivalSchema } from "./job-schemas.ts";
import {
  newReplicationRuleSchema,
  replicationExecutionListSchema,
  replicationExecutionSchema,
  replicationRuleListSchema,
  replicationRuleSchema,
  replicationTaskPageSchema,
  startedReplicationSchema,
  stoppedReplicationSchema,
} from "./movement-schemas.ts";

const tags = ["replication"];
const config = { need: "administrator" } as const;
const ruleParams = z.object({ name: z.string().min(1).max(63) });
const idParams = z.object({ id: z.uuid() });

/** Rules by which images travel, and what became of them. */
export function replicationRoutes(app: ApiApp, context: ApiContext): void {
  ruleRoutes(app, context);
  startRoute(app, context);
  executionRoutes(app, context);
  taskRoutes(app, context);
}

function ruleRoutes(app: ApiApp, { factory }: ApiContext): void {
  app.get(
    "/replication/rules",
    {
      config,
      schema: {
        operationId: "listReplicationRules",
        tags,
        summary: "List the rules by which images travel",
        response: { 200: replicationRuleListSchema },
      },
    },
    async () => ({ rules: (await factory.movement.replication.rules()).map(shownRule) }),
  );
  app.post(
    "/replication/rules",
    {
      config,
      schema: {
        operationId: "setReplicationRule",
        tags,
        summary: "Add a rule, or change the one of its name",
        body: newReplicationRuleSchema,
        response: { 200: replicationRuleSchema, 400: problemSchema, 404: problemSchema, 409: problemSchema },
      },
    },
    async ({ body: { namespace, bytesPerSecond, ...rule }, caller }) =>
      shownRule(await factory.movement.replication.setRule({ ...rule, namespace, bytesPerSecond }, caller.name)),
  );
  app.delete(
    "/replication/rules/:name",
    {
      config,
      schema: {
        operationId: "removeReplicationRule",
        tags,
        summary: "Remove a rule with its history; what it copied stays",
        params: ruleParams,
        response: { 200: z.object({ removed: z.boolean() }), 404: problemSchema },
      },
    },
    async ({ params: { name }, caller }) => {
      await factory.movement.replication.removeRule(name, caller.name);
      return { removed: true };
    },
  );
}

function startRoute(app: ApiApp, { factory }: ApiContext): void {
  app.post(
    "/replication/rules/:name/start",
    {
      config,
      schema: {
        operationId: "startReplication",
        tags,
        summary: "Start a rule now",
        params: ruleParams,
        response: { 202: startedReplicationSchema, 404: problemSchema, 409: problemSchema },
      },
    },
    async ({ params: { name }, caller }, reply) =>
      await reply.code(202).send({ execution: await factory.movement.replication.start(name, caller.name) }),
  );
}

function executionRoutes(app: ApiApp, { factory }: ApiContext): void {
  app.get(
    "/replication/executions",
    {
      config,
      schema: {
        operationId: "listReplications",
        tags,
        summary: "List what the rules did, newest first",
        querystring: z.object({
          rule: z.string().optional(),
          limit: z.coerce.number().int().min(1).max(200).default(20),
        }),
        response: { 200: replicationExecutionListSchema, 404: problemSchema },
      },
    },
    async ({ query: { rule, limit } }) => ({
      executions: (await factory.movement.replication.executions(rule, limit)).map(shownExecution),
    }),
  );
  app.get(
    "/replication/executions/:id",
    {
      config,
      schema: {
        operationId: "getReplication",
        tags,
        summary: "Show one start of a rule",
        params: idParams,
        response: { 200: replicationExecutionSchema, 404: problemSchema },
      },
    },
    async ({ params: { id } }) => shownExecution(await factory.movement.replication.execution(id)),
  );
  app.post(
    "/replication/executions/:id/stop",
    {
      config,
      schema: {
        operationId: "stopReplication",
        tags,
        summary: "Stop what has not ended of one start",
        params: idParams,
        response: { 200: stoppedReplicationSchema, 404: problemSchema },
      },
    },
    async ({ params: { id } }) => ({ stopped: await factory.movement.replication.stop(id) }),
  );
}

function taskRoutes(app: ApiApp, { factory }: ApiContext): void {
  app.get(
    "/replication/executions/:id/tasks",
    {
      config,
      schema: {
        operationId: "listReplicationTasks",
        tags,
        summary: "List the images that one start of a rule moves",
        params: idParams,
        querystring: z.object({
          state: z.enum(["queued", "running", "succeeded", "failed", "cancelled"]).optional(),
          after: z.string().default(""),
          limit: z.coerce.number().int().min(1).max(1000).default(100),
        }),
        response: { 200: replicationTaskPageSchema, 404: problemSchema },
      },
    },
    async ({ params: { id }, query: { state, after, limit } }) => {
      const { replication } = factory.movement;
      await replication.execution(id);
      const found = await replication.tasks({ execution: id, state, after, limit });
      const next = found.length === limit ? found.at(-1)?.id : undefined;
      return { tasks: found.map(shownTask), ...(next === undefined ? {} : { next }) };
    },
  );
  app.post(
    "/replication/tasks/:id/retry",
    {
      config,
      schema: {
        operationId: "retryReplicationTask",
        tags,
        summary: "Begin a dead task again",
        params: idParams,
        response: { 200: jobRevivalSchema, 404: problemSchema },
      },
    },
    async ({ params: { id } }) => ({ revived: await factory.movement.replication.retry(id) }),
  );
}

function shownRule(rule: ReplicationRule): z.output<typeof replicationRuleSchema> {
  const { repositories, tags: patterns, labels, keys, namespace, bytesPerSecond, ...rest } = rule;
  return {
    ...rest,
    repositories: [...repositories],
    tags: [...patterns],
    labels: [...labels],
    keys: [...keys],
    ...(namespace === undefined ? {} : { namespace }),
    ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
  };
}

function shownExecution(execution: ReplicationExecution): z.output<typeof replicationExecutionSchema> {
  const { id, rule, trigger, actor, state, total, counts, problem } = execution;
  const startedAt = isoSeconds(execution.startedAt);
  return { id, rule, trigger, actor, state, startedAt, total, counts, ...(problem === undefined ? {} : { problem }) };
}

type ShownTask = z.output<typeof replicationTaskPageSchema>["tasks"][number];

function shownTask(task: ReplicationTaskRecord): ShownTask {
  const { id, operation, source, destination, state, outcome, note, sentBytes, sentCount, failureCount, failure } =
    task;
  return {
    id,
    job: task.runId,
    operation,
    source,
    destination,
    tag: task.reference,
    state,
    outcome,
    note,
    sentBytes,
    sentCount,
    failureCount,
    failure,
    createdAt: isoSeconds(task.createdAt),
    endedAt: task.endedAt === undefined ? undefined : isoSeconds(task.endedAt),
  };
}
