import { z } from "zod";
import type { ReplicationExecution, ReplicationRule } from "../../registry/registry.ts";
import { dropEcho, findEcho, keepEcho } from "../../store/harbor-echo-records.ts";
import { listReplicationRules, type ReplicationTaskRecord } from "../../store/replication-records.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { logOf } from "./gc-routes.ts";
import { faithful, reduced, sendCreated, sendDone } from "./harbor-app.ts";
import { listQuery, meets, readConditions, sendPage, sendSlice, sliceOf, sorted } from "./listing.ts";
import { instant, numberOf, timedNumberOf } from "./names.ts";
import { numberInPath } from "./places.ts";
import { HarborRefusal, notFound, notOffered } from "./refusals.ts";
import { foundPeer, registryTypes, shownRegistry } from "./registry-routes.ts";
import { directionOf, policyBody, readPolicy, type SentPolicy, shownPolicy } from "./replication-shapes.ts";

const params = z.object({ id: numberInPath });

/** What travels between registries. Source: Harbor's swagger, tag "replication". */
export function replicationRoutes(app: ApiApp, context: ApiContext): void {
  app.get("/replication/adapters", { config: faithful("administrator") }, async () => registryTypes);
  readRoutes(app, context);
  changeRoutes(app, context);
  executionRoutes(app, context);
  taskRoutes(app, context);
}

function policyNumber(name: string): number {
  return numberOf("replication-policy", name);
}

async function foundRule({ factory }: ApiContext, number: number): Promise<ReplicationRule> {
  const rule = (await factory.movement.replication.rules()).find(({ name }) => policyNumber(name) === number);
  if (rule === undefined) throw notFound(`replication policy ${number} not found`);
  return rule;
}

async function shown(context: ApiContext, rule: ReplicationRule): Promise<unknown> {
  const { name, peer, direction } = rule;
  const { db } = context.factory.store;
  const record = (await listReplicationRules(db)).find((one) => one.name === name);
  const echo = await findEcho<SentPolicy>(db, { kind: "replication", subject: name, meaning: rule });
  const registry = await shownRegistry(context, peer);
  const local = { id: 0, name: "Local", url: "", type: "harbor", insecure: false, status: "healthy" };
  const policy = shownPolicy(rule);
  return {
    id: policyNumber(name),
    ...policy,
    filters: echo?.filters ?? policy["filters"],
    description: echo?.description ?? "",
    src_registry: direction === "pull" ? registry : local,
    dest_registry: direction === "push" ? registry : local,
    creation_time: record === undefined ? undefined : instant(record.createdAt),
    update_time: record === undefined ? undefined : instant(record.changedAt),
  };
}

function readRoutes(app: ApiApp, context: ApiContext): void {
  const { replication } = context.factory.movement;
  app.get(
    "/replication/policies",
    {
      config: faithful("administrator"),
      schema: { querystring: listQuery.extend({ name: z.string().max(256).default("") }) },
    },
    async ({ query }, reply) => {
      const condition = readConditions(query.q).get("name");
      const rules = (await replication.rules()).filter(
        ({ name }) => name.includes(query.name) && meets(condition, name),
      );
      const ordered = sorted(rules, query.sort);
      const { offset, limit } = sliceOf(query);
      const items = await Promise.all(
        ordered.slice(offset, offset + limit).map(async (rule) => await shown(context, rule)),
      );
      return await sendPage(reply, { items, total: ordered.length });
    },
  );
  app.get(
    "/replication/policies/:id",
    { config: faithful("administrator"), schema: { params } },
    async (request) => await shown(context, await foundRule(context, request.params.id)),
  );
}

function changeRoutes(app: ApiApp, context: ApiContext): void {
  const { movement, store } = context.factory;
  const { replication } = movement;
  const save = async (sent: SentPolicy, actor: string): Promise<ReplicationRule> => {
    const peer = await foundPeer(context, directionOf(sent).registry);
    const rule = await replication.setRule(readPolicy(sent, peer.name), actor);
    const { description, filters } = sent;
    await keepEcho(store.db, { kind: "replication", subject: rule.name, meaning: rule }, { description, filters });
    return rule;
  };
  const note = "filters by name, tag and label that match; names in small letters";
  app.post(
    "/replication/policies",
    { config: reduced("administrator", note), schema: { body: policyBody } },
    async (request, reply) => {
      const { body, caller } = request;
      if ((await replication.rules()).some(({ name }) => name === body.name))
        throw new HarborRefusal(409, "CONFLICT", `replication policy ${body.name} already exists`);
      return await sendCreated(request, reply, policyNumber((await save(body, caller.name)).name));
    },
  );
  app.put(
    "/replication/policies/:id",
    { config: reduced("administrator", `${note}; name and direction stay`), schema: { params, body: policyBody } },
    async (request, reply) => {
      const { name, direction } = await foundRule(context, request.params.id);
      const { body } = request;
      if (body.name !== null && body.name !== undefined && body.name !== name)
        throw notOffered("a replication policy cannot be renamed");
      if (directionOf(body).direction !== direction) throw notOffered("a replication policy cannot be turned round");
      await save({ ...body, name }, request.caller.name);
      return await sendDone(reply);
    },
  );
  app.delete(
    "/replication/policies/:id",
    { config: faithful("administrator"), schema: { params } },
    async (request, reply) => {
      const { name } = await foundRule(context, request.params.id);
      await replication.removeRule(name, request.caller.name);
      await dropEcho(store.db, { kind: "replication", subject: name });
      return await sendDone(reply);
    },
  );
}

const executionStates = { running: "InProgress", succeeded: "Succeed", failed: "Failed", stopped: "Stopped" } as const;
const triggers = { manual: "manual", schedule: "scheduled", event: "event_based" } as const;

/** Executions that can be named by their number. */
const executionsMax = 200;

function executionRoutes(app: ApiApp, context: ApiContext): void {
  const { replication } = context.factory.movement;
  app.post(
    "/replication/executions",
    { config: faithful("administrator"), schema: { body: z.object({ policy_id: z.number().int() }) } },
    async (request, reply) => {
      const { name, isEnabled } = await foundRule(context, request.body.policy_id);
      if (!isEnabled) throw new HarborRefusal(412, "PRECONDITION", `the policy ${name} is disabled`);
      return await sendCreated(request, reply, timedNumberOf(await replication.start(name, request.caller.name)));
    },
  );
  app.get(
    "/replication/executions",
    {
      config: faithful("administrator"),
      schema: {
        querystring: listQuery.extend({
          policy_id: z.coerce.number().int().optional(),
          status: z.string().max(50).optional(),
          trigger: z.string().max(50).optional(),
        }),
      },
    },
    async ({ query }, reply) => {
      const rule = query.policy_id === undefined ? undefined : (await foundRule(context, query.policy_id)).name;
      const all = (await replication.executions(rule, executionsMax)).filter(
        ({ state, trigger }) =>
          (query.status === undefined || executionStates[state] === query.status) &&
          (query.trigger === undefined || triggers[trigger] === query.trigger),
      );
      return await sendSlice(reply, all, shownExecution);
    },
  );
  app.get("/replication/executions/:id", { config: faithful("administrator"), schema: { params } }, async (request) =>
    shownExecution(await foundExecution(context, request.params.id)),
  );
  app.put(
    "/replication/executions/:id",
    { config: faithful("administrator", "stops it"), schema: { params } },
    async (request, reply) => {
      const { id } = await foundExecution(context, request.params.id);
      await replication.stop(id);
      return await sendDone(reply);
    },
  );
}

async function foundExecution({ factory }: ApiContext, number: number): Promise<ReplicationExecution> {
  const all = await factory.movement.replication.executions(undefined, executionsMax);
  const execution = all.find(({ id }) => timedNumberOf(id) === number);
  if (execution === undefined) throw notFound(`replication execution ${number} not found`);
  return execution;
}

function shownExecution(execution: ReplicationExecution): unknown {
  const { id, rule, state, trigger, startedAt, listedAt, problem, total, counts } = execution;
  return {
    id: timedNumberOf(id),
    policy_id: policyNumber(rule),
    status: executionStates[state],
    trigger: triggers[trigger],
    start_time: instant(startedAt),
    end_time: state === "running" || listedAt === undefined ? undefined : instant(listedAt),
    status_text: problem ?? "",
    total,
    failed: counts.failed,
    succeed: counts.succeeded,
    in_progress: counts.queued + counts.running,
    stopped: counts.cancelled,
  };
}

const taskStates = {
  queued: "Pending",
  running: "InProgress",
  succeeded: "Succeed",
  failed: "Failed",
  cancelled: "Stopped",
} as const;

/** Tasks that one list looks through. */
const tasksMax = 10_000;

function taskRoutes(app: ApiApp, context: ApiContext): void {
  const { movement, store } = context.factory;
  const tasksOf = async (execution: string): Promise<ReplicationTaskRecord[]> =>
    await movement.replication.tasks({ execution, after: "", limit: tasksMax });
  app.get(
    "/replication/executions/:id/tasks",
    {
      config: faithful("administrator"),
      schema: {
        params,
        querystring: listQuery.extend({
          status: z.string().max(50).optional(),
          resource_type: z.string().max(50).optional(),
        }),
      },
    },
    async (request, reply) => {
      const { id } = await foundExecution(context, request.params.id);
      const { status } = request.query;
      const tasks = (await tasksOf(id)).filter(({ state }) => status === undefined || taskStates[state] === status);
      return await sendSlice(reply, tasks, (task) => shownTask(task));
    },
  );
  app.get(
    "/replication/executions/:id/tasks/:task/log",
    { config: faithful("administrator"), schema: { params: params.extend({ task: numberInPath }) } },
    async (request, reply) => {
      const { id } = await foundExecution(context, request.params.id);
      const task = (await tasksOf(id)).find((one) => taskNumber(one) === request.params.task);
      if (task === undefined) throw notFound(`replication task ${request.params.task} not found`);
      return await reply.type("text/plain; charset=utf-8").send(await logOf(store.db, task.runId));
    },
  );
}

function taskNumber({ id }: ReplicationTaskRecord): number {
  return numberOf("replication-task", id);
}

function shownTask(task: ReplicationTaskRecord): unknown {
  const { execution, state, operation, source, destination, reference, runId, createdAt, endedAt } = task;
  return {
    id: taskNumber(task),
    execution_id: timedNumberOf(execution),
    status: taskStates[state],
    job_id: runId,
    operation: operation === "delete" ? "deletion" : "copy",
    resource_type: "image",
    src_resource: `${source}:[${reference}]`,
    dst_resource: `${destination}:[${reference}]`,
    start_time: instant(createdAt),
    end_time: endedAt === undefined ? undefined : instant(endedAt),
  };
}
