import { z } from "zod";
import { type CollectionRunRecord, findCollectionRun } from "../../store/collection-run-records.ts";
import { listEvents } from "../../store/run-event-records.ts";
import { getRun, listRuns, type RunRecord } from "../../store/run-records.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { faithful, reduced, sendCreatedAt, sendDone } from "./harbor-app.ts";
import { listQuery, sendPage, sliceOf } from "./listing.ts";
import { instant, timedNumberOf } from "./names.ts";
import { numberInPath } from "./places.ts";
import { badRequest, notFound } from "./refusals.ts";
import { sameSchedule, scheduleBody, type ScheduleWish, shownSchedule } from "./schedule-shapes.ts";

const params = z.object({ run: numberInPath });

const states: Readonly<Record<RunRecord["state"], string>> = {
  queued: "Pending",
  running: "Running",
  succeeded: "Success",
  failed: "Error",
  cancelled: "Stopped",
};

/** Garbage collection, and the purge of the audit log. Source: Harbor's swagger, tags "gc" and "purge". */
export function gcRoutes(app: ApiApp, context: ApiContext): void {
  runRoutes(app, context, collections);
  scheduleRoutes(app, context, collections);
  runRoutes(app, context, purges);
  scheduleRoutes(app, context, purges);
}

/** Work of the whole system that Harbor shows under an address of its own. */
interface Care {
  readonly path: "/system/gc" | "/system/purgeaudit";
  readonly jobName: string;
  /** The name of the job here. */
  readonly definition: string;
  readonly scheduleNote: string;
  /** The name of its schedule, and what to do for another one. */
  readonly schedule: { readonly name: string; readonly what: string };
  parameters(context: ApiContext, run: RunRecord | undefined): Promise<Readonly<Record<string, unknown>>>;
  start(context: ApiContext, wish: StartWish): Promise<string>;
}

interface StartWish {
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly actor: string;
}

const collections: Care = {
  path: "/system/gc",
  jobName: "GARBAGE_COLLECTION",
  definition: "collection",
  scheduleNote: "`Manual` starts one; the schedule stands in the configuration as `gc.schedule`, another one is 501",
  schedule: { name: "gc", what: "the schedule of garbage collection stands in the configuration: set gc.schedule" },
  async parameters({ factory }, run) {
    const record = run === undefined ? undefined : await findCollectionRun(factory.store.db, run.id);
    const settings = record?.settings as { readonly deleteUntagged?: boolean; readonly dryRun?: boolean } | undefined;
    return {
      delete_untagged: settings?.deleteUntagged ?? factory.config.gc.deleteUntagged,
      dry_run: settings?.dryRun ?? false,
      workers: 1,
      ...reportOf(record),
    };
  },
  async start({ factory }, { parameters, actor }) {
    const { delete_untagged: deleteUntagged, dry_run: dryRun } = parameters;
    return await factory.collection.start({
      actor,
      ...(typeof dryRun === "boolean" ? { dryRun } : {}),
      ...(typeof deleteUntagged === "boolean" ? { deleteUntagged } : {}),
    });
  },
};

function reportOf(record: CollectionRunRecord | undefined): Readonly<Record<string, unknown>> {
  const report = record?.report as
    | { freedBytes?: number; removedBlobs?: number; trashedManifests?: number }
    | undefined;
  if (report === undefined) return {};
  return {
    freed_space: report.freedBytes ?? 0,
    purged_blobs: report.removedBlobs ?? 0,
    purged_manifests: report.trashedManifests ?? 0,
  };
}

const purges: Care = {
  path: "/system/purgeaudit",
  jobName: "PURGE_AUDIT_LOG",
  definition: "audit",
  scheduleNote:
    "`Manual` starts one; how long events stay is `audit.retainDays` of the configuration, another schedule is 501",
  schedule: { name: "audit", what: "the audit log is purged every day: set audit.retainDays" },
  parameters: async ({ factory }) => ({
    audit_retention_hour: factory.config.audit.retainDays * 24,
    dry_run: false,
    include_operations: "create,delete,pull",
  }),
  async start({ factory }, { parameters }) {
    if (parameters["dry_run"] === true) throw badRequest("the purge of the audit log has no dry run");
    return await factory.queue.enqueue({ name: "audit", input: {}, dedupeKey: "audit" });
  },
};

/** Runs that can be named by their number. */
const runsMax = 200;

async function runsOf({ factory }: ApiContext, { definition }: Care): Promise<RunRecord[]> {
  return await listRuns(factory.store.db, { definition, limit: runsMax });
}

function runRoutes(app: ApiApp, context: ApiContext, care: Care): void {
  const { store, queue } = context.factory;
  const found = async (number: number): Promise<RunRecord> => {
    const run = (await runsOf(context, care)).find(({ id }) => timedNumberOf(id) === number);
    if (run === undefined) throw notFound(`${care.jobName} ${number} not found`);
    return run;
  };
  const { path } = care;
  app.get(path, { config: faithful("administrator"), schema: { querystring: listQuery } }, async ({ query }, reply) => {
    const runs = await runsOf(context, care);
    const { offset, limit } = sliceOf(query);
    const items = [];
    for (const run of runs.slice(offset, offset + limit)) items.push(await shownRun(context, care, run));
    return await sendPage(reply, { items, total: runs.length });
  });
  app.get(
    `${path}/:run`,
    { config: faithful("administrator"), schema: { params } },
    async (request) => await shownRun(context, care, await found(request.params.run)),
  );
  app.put(
    `${path}/:run`,
    { config: faithful("administrator", "stops it"), schema: { params } },
    async (request, reply) => {
      const { id, state } = await found(request.params.run);
      if (state !== "queued" && state !== "running") throw badRequest(`the job is ${states[state]}, not running`);
      await queue.cancel(id);
      return await sendDone(reply);
    },
  );
  app.get(`${path}/:run/log`, { config: faithful("administrator"), schema: { params } }, async (request, reply) => {
    const run = await found(request.params.run);
    return await reply.type("text/plain; charset=utf-8").send(await logOf(store.db, run.id));
  });
}

const logLines = 1000;

/** The log of a job as text. */
export async function logOf(db: Parameters<typeof listEvents>[0], id: string): Promise<string> {
  const lines = (await listEvents(db, id, { after: 0, limit: logLines })).map(
    ({ at, event }) => `${instant(at)} ${lineOf(event)}\n`,
  );
  const run = await getRun(db, id);
  const end =
    run?.endedAt === undefined
      ? []
      : [
          `${instant(run.endedAt)} ${run.failure?.message ?? `${states[run.state]} ${JSON.stringify(run.output ?? {})}`}\n`,
        ];
  return [...lines, ...end].join("");
}

function lineOf(event: unknown): string {
  const { line, phase, done, total, unit } = event as Readonly<Record<string, unknown>>;
  return typeof line === "string" ? line : `${String(phase)} ${String(done)}/${String(total)} ${String(unit)}`;
}

async function shownRun(context: ApiContext, care: Care, run: RunRecord): Promise<unknown> {
  return {
    id: timedNumberOf(run.id),
    job_name: care.jobName,
    job_kind: isScheduled(run) ? "Schedule" : "Manual",
    job_parameters: JSON.stringify(await care.parameters(context, run)),
    schedule: { type: isScheduled(run) ? "Schedule" : "Manual" },
    job_status: states[run.state],
    deleted: false,
    creation_time: instant(run.createdAt),
    update_time: instant(run.endedAt ?? run.startedAt ?? run.createdAt),
  };
}

function isScheduled({ input }: RunRecord): boolean {
  return (input as { readonly actor?: string } | null)?.actor === "schedule";
}

function scheduleRoutes(app: ApiApp, context: ApiContext, care: Care): void {
  const { schedules } = context.factory;
  const standing = async (): Promise<Awaited<ReturnType<typeof schedules.list>>[number] | undefined> =>
    (await schedules.list()).find(({ name }) => name === care.schedule.name);
  const path = `${care.path}/schedule` as const;
  app.get(path, { config: faithful("administrator") }, async () => {
    const schedule = await standing();
    const parameters = await care.parameters(context, undefined);
    return shownSchedule({ name: care.path, cron: schedule?.cron, nextAt: schedule?.nextAt, parameters });
  });
  const start = async (wish: ScheduleWish, actor: string): Promise<string> => {
    const parameters = wish.parameters ?? {};
    if (wish.schedule.type === "Manual")
      return `${care.path}/${timedNumberOf(await care.start(context, { parameters, actor }))}`;
    sameSchedule(wish, { cron: (await standing())?.cron, what: care.schedule.what });
    return path;
  };
  const config = reduced("administrator", care.scheduleNote);
  app.post(
    path,
    { config, schema: { body: scheduleBody } },
    async ({ body, caller }, reply) => await sendCreatedAt(reply, `/api/v2.0${await start(body, caller.name)}`),
  );
  app.put(path, { config, schema: { body: scheduleBody } }, async ({ body, caller }, reply) => {
    await start(body, caller.name);
    return await sendDone(reply);
  });
}
