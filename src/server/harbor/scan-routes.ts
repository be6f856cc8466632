import { z } from "zod";
import { nowMs } from "../../base/clock.ts";
import { countScans, findScan } from "../../store/admission-records.ts";
import { addAuditEvent } from "../../store/event-records.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { faithful, reduced } from "./harbor-app.ts";
import { artifactParams, foundArtifact } from "./places.ts";
import { badRequest, HarborRefusal } from "./refusals.ts";
import { sameSchedule, scheduleBody, type ScheduleWish, shownSchedule } from "./schedule-shapes.ts";

const jobName = "harbor-scan-all";

/** Scans of one artifact, and of all. Source: Harbor's swagger, tags "scan" and "scanAll". */
export function scanRoutes(app: ApiApp, context: ApiContext): void {
  oneRoutes(app, context);
  allRoutes(app, context);
}

function oneRoutes(app: ApiApp, context: ApiContext): void {
  const { admission, store } = context.factory;
  app.post(
    "/projects/:project/repositories/:repository/artifacts/:reference/scan",
    {
      config: faithful("write", "an SBOM comes of the same scan"),
      schema: {
        params: artifactParams,
        body: z.object({ scan_type: z.enum(["vulnerability", "sbom", ""]).nullish() }).nullish(),
      },
    },
    async (request, reply) => {
      const { repository, digest } = await foundArtifact(context, request, { ...request.params, action: "scan" });
      const isNone = (await findScan(store.db, digest))?.state === "none";
      const scans = isNone ? [] : ((await admission.rescan(repository, digest)) ?? []);
      if (scans.length === 0)
        throw badRequest("the configured scanner does not support scanning artifact with this type");
      const subject = `${repository}@${digest}`;
      await addAuditEvent(store.db, { actor: request.caller.name, action: "scan.requested", subject });
      return await reply.code(202).send();
    },
  );
  app.post(
    "/projects/:project/repositories/:repository/artifacts/:reference/scan/stop",
    {
      config: reduced("write", "a scan takes seconds and is not stopped: 412"),
      schema: { params: artifactParams, body: z.object({ scan_type: z.string().max(50).nullish() }).nullish() },
    },
    async (request, reply) => {
      const { repository, digest } = await foundArtifact(context, request, { ...request.params, action: "scan" });
      const scans = (await admission.scans(repository, digest)) ?? [];
      if (scans.some(({ scan }) => scan.state === "queued" || scan.state === "running"))
        throw new HarborRefusal(412, "PRECONDITION", "a scan that was asked for is done: gates wait for it");
      return await reply.code(202).send();
    },
  );
}

function allRoutes(app: ApiApp, context: ApiContext): void {
  const { queue, store } = context.factory;
  let isDefined = false;
  const metrics = async (): Promise<unknown> => {
    const { queued = 0, running = 0, done = 0, failed = 0 } = await countScans(store.db);
    const counted = { Pending: queued, Running: running, Success: done, Error: failed };
    return {
      total: queued + running + done + failed,
      completed: done + failed,
      metrics: Object.fromEntries(Object.entries(counted).filter(([, count]) => count > 0)),
      ongoing: queued + running > 0,
      trigger: "Manual",
    };
  };
  app.get("/scans/all/metrics", { config: faithful("administrator") }, metrics);
  app.get("/scans/schedule/metrics", { config: faithful("administrator") }, metrics);
  app.get(
    "/system/scanAll/schedule",
    { config: reduced("administrator", "always none: what is known is looked up anew at each question") },
    async () => shownSchedule({ name: "scan-all", cron: undefined, nextAt: undefined }),
  );
  const start = async (wish: ScheduleWish): Promise<boolean> => {
    if (wish.schedule.type !== "Manual") {
      sameSchedule(wish, {
        cron: undefined,
        what: "Findings need no schedule: they are looked up anew at each question",
      });
      return false;
    }
    if (!isDefined) queue.define(jobName, 1, async ({ signal }) => await rescanAll(context.factory, signal));
    isDefined = true;
    await queue.enqueue({ name: jobName, input: { at: nowMs() }, dedupeKey: jobName });
    return true;
  };
  const note = "`Manual` reads all images again now; a schedule is 501";
  app.post(
    "/system/scanAll/schedule",
    { config: reduced("administrator", note), schema: { body: scheduleBody } },
    async ({ body }, reply) => {
      await start(body);
      return await reply.code(201).header("location", "/api/v2.0/system/scanAll/schedule").send();
    },
  );
  app.put(
    "/system/scanAll/schedule",
    { config: reduced("administrator", note), schema: { body: scheduleBody } },
    async ({ body }, reply) => {
      await start(body);
      return await reply.code(200).send();
    },
  );
}

/** Reads every image again; who asks twice meanwhile gets the same job. */
async function rescanAll({ admission }: ApiContext["factory"], signal: AbortSignal): Promise<unknown> {
  let count = 0;
  for (let after: string | undefined = ""; after !== undefined;) {
    const page: Awaited<ReturnType<typeof admission.list>> = await admission.list({ after, limit: 100 });
    for (const { repository, digest } of page.scans) {
      signal.throwIfAborted();
      count += (await admission.rescan(repository, digest))?.length ?? 0;
    }
    after = page.next;
  }
  return { count };
}
