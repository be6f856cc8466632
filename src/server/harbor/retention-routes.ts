import { z } from "zod";
import { dropEcho, findEcho, keepEcho } from "../../store/harbor-echo-records.ts";
import { retentionTasks, type RetentionTask } from "../../store/harbor-retention-records.ts";
import { listRetentionRuns, type RetentionRunRecord } from "../../store/retention-run-records.ts";
import type { ProjectAction } from "../../model/permission.ts";
import type { ProjectRecord } from "../../store/projects-records.ts";
import type { FastifyRequest } from "fastify";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { faithful, reduced, sendCreatedAt, sendDone } from "./harbor-app.ts";
import { listQuery, sendSlice } from "./listing.ts";
import { instant, numberOf, timedNumberOf } from "./names.ts";
import { foundProject, numberInPath } from "./places.ts";
import { badRequest, HarborRefusal, notFound, notOffered } from "./refusals.ts";
import { retentionBody, retentionText, type SentRetention, shownRetention } from "./retention-shapes.ts";

const params = z.object({ retention: numberInPath });
const executionParams = params.extend({ execution: numberInPath });

/** Which tags a project keeps; a policy has the number of its project. Source: Harbor's swagger, tag "retention". */
export function retentionRoutes(app: ApiApp, context: ApiContext): void {
  app.get("/retentions/metadatas", { config: faithful("write") }, async () => metadata);
  policyRoutes(app, context);
  executionRoutes(app, context);
  taskRoutes(app, context);
}

const templates = [
  ["latestPushedK", "the most recently pushed # artifacts", "COUNT"],
  ["latestPulledN", "the most recently pulled # artifacts", "COUNT"],
  ["nDaysSinceLastPush", "pushed within the last # days", "DAYS"],
  ["nDaysSinceLastPull", "pulled within the last # days", "DAYS"],
  ["always", "always", undefined],
] as const;

const metadata = {
  templates: templates.map(([name, text, unit]) => ({
    rule_template: name,
    display_text: text,
    action: "retain",
    params: unit === undefined ? [] : [{ type: "int", unit, required: true }],
  })),
  scope_selectors: [{ display_text: "Repositories", kind: "doublestar", decorations: ["repoMatches"] }],
  tag_selectors: [{ display_text: "Tags", kind: "doublestar", decorations: ["matches"] }],
};

async function placeOf(
  context: ApiContext,
  { caller }: Pick<FastifyRequest, "caller">,
  { retention, action }: { readonly retention: number; readonly action: ProjectAction },
): Promise<ProjectRecord> {
  return await foundProject(context, { caller, headers: {} }, { project: String(retention), action });
}

function policyRoutes(app: ApiApp, context: ApiContext): void {
  const { lifetime, store } = context.factory;
  const save = async (project: ProjectRecord, sent: SentRetention, actor: string): Promise<void> => {
    if (sent.scope?.level !== "project") throw badRequest(`scope ${sent.scope?.level ?? ""} is not support`);
    const text = retentionText(sent);
    if (text === undefined)
      throw notOffered("a policy has at least one rule that is not disabled: delete it to keep everything");
    await lifetime.retention.set(project.name, text, actor);
    await keepEcho(store.db, { kind: "retention", subject: project.name, meaning: text }, sent);
  };
  const note = "selectors that exclude are 501; rules that count do so image by image in their order";
  app.post(
    "/retentions",
    { config: reduced("write", note), schema: { body: retentionBody } },
    async (request, reply) => {
      const { body, caller } = request;
      const project = await placeOf(context, request, { retention: body.scope?.ref ?? 0, action: "lifetime" });
      if ((await lifetime.retention.find(project.name)) !== undefined)
        throw badRequest(`project ${project.id} already has retention policy ${project.id}`);
      await save(project, body, caller.name);
      return await sendCreatedAt(reply, `/api/v2.0/retentions/${project.id}`);
    },
  );
  app.get("/retentions/:retention", { config: faithful("write"), schema: { params } }, async (request) => {
    const { id, name } = await placeOf(context, request, { ...request.params, action: "list" });
    const stored = await lifetime.retention.find(name);
    if (stored === undefined) throw notFound(`no such retention policy with id ${id}`);
    const echo = await findEcho<SentRetention>(store.db, { kind: "retention", subject: name, meaning: stored.text });
    return shownRetention(id, stored, echo);
  });
  app.put(
    "/retentions/:retention",
    { config: reduced("write", note), schema: { params, body: retentionBody } },
    async (request, reply) => {
      const project = await placeOf(context, request, { ...request.params, action: "lifetime" });
      if ((await lifetime.retention.find(project.name)) === undefined)
        throw notFound(`no such retention policy with id ${project.id}`);
      await save(project, request.body, request.caller.name);
      return await sendDone(reply);
    },
  );
  app.delete("/retentions/:retention", { config: faithful("write"), schema: { params } }, async (request, reply) => {
    const { id, name } = await placeOf(context, request, { ...request.params, action: "lifetime" });
    const isGone = await lifetime.retention.remove(name, request.caller.name);
    if (!isGone) throw notFound(`no such retention policy with id ${id}`);
    await dropEcho(store.db, { kind: "retention", subject: name });
    return await sendDone(reply);
  });
}

const states = { queued: "Pending", running: "Running", succeeded: "Success", failed: "Error" } as const;

/** Executions that can be named by their number. */
const runsMax = 100;

function executionRoutes(app: ApiApp, context: ApiContext): void {
  const { lifetime, store } = context.factory;
  app.post(
    "/retentions/:retention/executions",
    { config: faithful("write"), schema: { params, body: z.object({ dry_run: z.boolean().nullish() }).nullish() } },
    async (request, reply) => {
      const { id, name } = await placeOf(context, request, { ...request.params, action: "lifetime" });
      const run = await lifetime.retention.start({
        project: name,
        isDryRun: request.body?.dry_run ?? false,
        actor: request.caller.name,
      });
      return await sendCreatedAt(reply, `/api/v2.0/retentions/${id}/executions/${timedNumberOf(run)}`);
    },
  );
  app.get(
    "/retentions/:retention/executions",
    { config: faithful("write"), schema: { params, querystring: listQuery } },
    async (request, reply) => {
      const { id, name } = await placeOf(context, request, { ...request.params, action: "list" });
      const runs = await listRetentionRuns(store.db, name, { limit: runsMax });
      return await sendSlice(reply, runs, (run) => shownRun(run, id));
    },
  );
  app.patch(
    "/retentions/:retention/executions/:execution",
    {
      config: reduced("write", "a run that has begun is not stopped: 412"),
      schema: { params: executionParams, body: z.object({ action: z.string().max(50) }) },
    },
    async (request, reply) => {
      const project = await placeOf(context, request, { ...request.params, action: "lifetime" });
      const run = await foundRun(context, project, request.params.execution);
      if (request.body.action !== "stop") throw badRequest(`invalid action ${request.body.action}`);
      if (run.state === "queued" || run.state === "running")
        throw new HarborRefusal(412, "PRECONDITION", "a run of retention is not stopped: it takes seconds");
      return await sendDone(reply);
    },
  );
}

async function foundRun({ factory }: ApiContext, { name }: ProjectRecord, number: number): Promise<RetentionRunRecord> {
  const runs = await listRetentionRuns(factory.store.db, name, { limit: runsMax });
  const run = runs.find(({ id }) => timedNumberOf(id) === number);
  if (run === undefined) throw notFound(`no such retention execution with id ${number}`);
  return run;
}

function shownRun(run: RetentionRunRecord, policy: number): unknown {
  return {
    id: timedNumberOf(run.id),
    policy_id: policy,
    start_time: instant(run.startedAt ?? run.createdAt),
    end_time: run.endedAt === undefined ? undefined : instant(run.endedAt),
    status: states[run.state],
    trigger: run.actor === "schedule" ? "Schedule" : "Manual",
    dry_run: run.isDryRun,
  };
}

function taskRoutes(app: ApiApp, context: ApiContext): void {
  const { lifetime, store } = context.factory;
  const taskNumber = (run: RetentionRunRecord, repository: string): number =>
    numberOf("retention-task", `${run.id} ${repository}`);
  app.get(
    "/retentions/:retention/executions/:execution/tasks",
    {
      config: faithful("write", "one for each repository"),
      schema: { params: executionParams, querystring: listQuery },
    },
    async (request, reply) => {
      const project = await placeOf(context, request, { ...request.params, action: "list" });
      const run = await foundRun(context, project, request.params.execution);
      const tasks = await retentionTasks(store.db, run.id);
      return await sendSlice(reply, tasks, ({ repository, total, retained }: RetentionTask) => ({
        id: taskNumber(run, repository),
        execution_id: timedNumberOf(run.id),
        repository: repository.slice(project.name.length + 1),
        job_id: run.id,
        status: states[run.state],
        status_code: run.state === "succeeded" || run.state === "failed" ? 3 : 0,
        status_revision: 1,
        start_time: instant(run.startedAt ?? run.createdAt),
        end_time: run.endedAt === undefined ? undefined : instant(run.endedAt),
        total,
        retained,
      }));
    },
  );
  app.get(
    "/retentions/:retention/executions/:execution/tasks/:task",
    {
      config: faithful("write", "a line with the reason for every tag"),
      schema: { params: executionParams.extend({ task: numberInPath }) },
    },
    async (request, reply) => {
      const project = await placeOf(context, request, { ...request.params, action: "list" });
      const run = await foundRun(context, project, request.params.execution);
      const tasks = await retentionTasks(store.db, run.id);
      const task = tasks.find(({ repository }) => taskNumber(run, repository) === request.params.task);
      if (task === undefined) throw notFound(`no such retention task with id ${request.params.task}`);
      const lines: string[] = [];
      for (let after = -1; ;) {
        const page = await lifetime.retention.outcomes(run.id, { after, limit: 1000 });
        for (const { repository, tag, digest, decision, reason } of page)
          if (repository === task.repository) lines.push(`${decision} ${tag ?? "(no tag)"} ${digest}: ${reason}\n`);
        if (page.length < 1000) break;
        after = page.at(-1)!.position;
      }
      return await reply.type("text/plain; charset=utf-8").send(lines.join(""));
    },
  );
}
