import { z } from "zod";
import { isoSeconds } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import { addAuditEvent } from "../../store/event-records.ts";
import { listProjects } from "../../store/projects-records.ts";
import { getRun, listRuns, type RunRecord } from "../../store/run-records.ts";
import type { Caller } from "../access.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { eventSchemas, sendEvents } from "../event-stream.ts";
import { cancelSchema, problemSchema } from "../schemas.ts";
import { jobEventSchema, jobListSchema, jobRevivalSchema, jobSchema } from "./job-schemas.ts";

const params = z.object({ id: z.uuid().describe("The id of the job") });
const states = ["queued", "running", "succeeded", "failed", "cancelled"] as const;
const listCount = 200;

/** Durable work of every kind: what runs, what failed and why, following and stopping it. */
export function jobRoutes(app: ApiApp, context: ApiContext): void {
  const { factory } = context;
  app.get(
    "/jobs",
    {
      config: { need: "write" },
      schema: {
        operationId: "listJobs",
        tags: ["jobs"],
        summary: "List the newest jobs",
        querystring: z.object({ kind: z.string().optional(), state: z.enum(states).optional() }),
        response: { 200: jobListSchema },
      },
    },
    async ({ query: { kind, state }, caller }) => {
      const runs = await listRuns(factory.store.db, {
        ...(kind === undefined ? {} : { definition: kind }),
        ...(state === undefined ? {} : { states: [state] }),
        limit: listCount,
      });
      const maySee = await sightOf(context, caller);
      return { jobs: runs.filter(maySee).map(jobOf) };
    },
  );
  app.get(
    "/jobs/:id",
    {
      config: { need: "write" },
      schema: {
        operationId: "getJob",
        tags: ["jobs"],
        summary: "Show one job",
        params,
        response: { 200: jobSchema, 404: problemSchema },
      },
    },
    async ({ params: { id }, caller }) => jobOf(await seenRun(context, caller, id)),
  );
  logRoute(app, context);
  changeRoutes(app, context);
}

function logRoute(app: ApiApp, context: ApiContext): void {
  app.get(
    "/jobs/:id/log",
    {
      config: { need: "write" },
      schema: {
        operationId: "followJob",
        tags: ["jobs"],
        summary: "Follow a job: its events so far, then live ones until it ends",
        params,
        ...eventSchemas(jobEventSchema),
      },
    },
    async (request, reply) => {
      const { id } = await seenRun(context, request.caller, request.params.id);
      const watch = (after: number, signal: AbortSignal): AsyncIterable<Numbered> =>
        timed(context.factory.queue.watch(id, after, signal));
      return await sendEvents({ context, request, reply, watch });
    },
  );
}

function changeRoutes(app: ApiApp, context: ApiContext): void {
  app.post(
    "/jobs/:id/cancel",
    {
      config: { need: "write" },
      schema: {
        operationId: "cancelJob",
        tags: ["jobs"],
        summary: "Stop a job",
        params,
        response: { 200: cancelSchema, 404: problemSchema },
      },
    },
    async ({ params: { id }, caller }) => {
      await tell(context, { action: "job.cancelled", actor: caller.name, run: await seenRun(context, caller, id) });
      return { stopped: await context.factory.queue.cancel(id) };
    },
  );
  app.post(
    "/jobs/:id/retry",
    {
      config: { need: "write" },
      schema: {
        operationId: "retryJob",
        tags: ["jobs"],
        summary: "Begin a failed or cancelled job again; its finished steps stay finished",
        params,
        response: { 200: jobRevivalSchema, 404: problemSchema },
      },
    },
    async ({ params: { id }, caller }) => {
      await tell(context, { action: "job.retried", actor: caller.name, run: await seenRun(context, caller, id) });
      return { revived: await context.factory.queue.retry(id) };
    },
  );
}

interface ToldJob {
  readonly action: string;
  readonly actor: string;
  readonly run: RunRecord;
}

async function tell({ factory }: ApiContext, { action, actor, run }: ToldJob): Promise<void> {
  const details = { kind: run.definition };
  await addAuditEvent(factory.store.db, { actor, action, subject: run.id, project: projectOfRun(run), details });
}

interface Numbered {
  readonly sequence: number;
}

async function* timed(
  events: AsyncIterable<{ readonly sequence: number; readonly at: number; readonly event: unknown }>,
): AsyncGenerator<Numbered> {
  for await (const { sequence, at, event } of events) yield { sequence, at: isoSeconds(at), event } as Numbered;
}

async function seenRun(context: ApiContext, caller: Caller, id: string): Promise<RunRecord> {
  const run = await getRun(context.factory.store.db, id);
  if (run === undefined || !(await sightOf(context, caller))(run))
    throw new Failure("not_found", `Cannot find the job "${id}"`);
  return run;
}

/**
 * Whose input names a project belongs to those who rule over its images; all others are the administrator's, and so are
 * those of a project that was removed, whoever made one of its name since.
 */
async function sightOf({ factory }: ApiContext, caller: Caller): Promise<(run: RunRecord) => boolean> {
  if (caller.role === "administrator") return () => true;
  const madeAt = new Map((await listProjects(factory.store.db)).map(({ name, createdAt }) => [name, createdAt]));
  return (run) => {
    const project = projectOfRun(run);
    return (
      project !== undefined && run.createdAt >= (madeAt.get(project) ?? Infinity) && caller.may("lifetime", project)
    );
  };
}

function projectOfRun({ input }: RunRecord): string | undefined {
  if (typeof input !== "object" || input === null || !("project" in input)) return undefined;
  return typeof input.project === "string" ? input.project : undefined;
}

function jobOf(run: RunRecord): z.input<typeof jobSchema> {
  const project = projectOfRun(run);
  return {
    id: run.id,
    kind: run.definition,
    state: run.state,
    attempt: run.attempt,
    createdAt: isoSeconds(run.createdAt),
    ...(project === undefined ? {} : { project }),
    ...(run.startedAt === undefined ? {} : { startedAt: isoSeconds(run.startedAt) }),
    ...(run.endedAt === undefined ? {} : { endedAt: isoSeconds(run.endedAt) }),
    ...(run.output === undefined ? {} : { output: run.output }),
    ...(run.failure === undefined || run.state === "succeeded" ? {} : { failure: run.failure }),
  };
}
