import type { z } from "zod";
import type { AuditRecord } from "../../store/event-records.ts";
import { type HarborEventSearch, listEventsForHarbor } from "../../store/harbor-event-records.ts";
import { eventsSince } from "../../store/projects-records.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { actionsOf, operationOf, resourceTypes } from "./audit-words.ts";
import { textConditions } from "./conditions.ts";
import { faithful, reduced } from "./harbor-app.ts";
import { type Conditions, instantRange, listQuery, readConditions, sendPage, sliceOf } from "./listing.ts";
import { instant } from "./names.ts";
import { foundProject, projectParams } from "./places.ts";

/** Who did what. Source: Harbor's swagger, tags "auditlog" and "auditlogext". */
export function auditRoutes(app: ApiApp, context: ApiContext): void {
  const { db } = context.factory.store;
  const page = async (
    query: z.output<typeof listQuery>,
    { project, isExtended, from = 0 }: Wish,
  ): Promise<{ readonly items: readonly unknown[]; readonly total: number }> => {
    const asked = searchOf(readConditions(query.q), isExtended);
    const search = { ...asked, project, since: Math.max(from, asked.since ?? 0) };
    const isOldestFirst = query.sort === "op_time";
    const { rows, total } = await listEventsForHarbor(db, search, { ...sliceOf(query), isOldestFirst });
    return { items: rows.map((event) => shown(event, isExtended)), total };
  };
  app.get(
    "/audit-logs",
    {
      config: faithful("administrator", "images, tags, repositories and projects"),
      schema: { querystring: listQuery },
    },
    async ({ query }, reply) => await sendPage(reply, await page(query, { project: undefined, isExtended: false })),
  );
  app.get(
    "/auditlog-exts",
    { config: faithful("administrator", "everything that is written down"), schema: { querystring: listQuery } },
    async ({ query }, reply) => await sendPage(reply, await page(query, { project: undefined, isExtended: true })),
  );
  app.get("/auditlog-exts/events", { config: faithful("administrator") }, async () =>
    resourceTypes.map((type) => ({ event_type: `other_events_${type}` })),
  );
  for (const [path, isExtended] of [
    ["/projects/:project/logs", false],
    ["/projects/:project/auditlog-exts", true],
  ] as const)
    app.get(
      path,
      {
        config: reduced("write", "takes the ability to read the audit log: project administrators and maintainers"),
        schema: { params: projectParams, querystring: listQuery },
      },
      async (request, reply) => {
        const project = await foundProject(context, request, { ...request.params, action: "audit" });
        const from = eventsSince(project);
        return await sendPage(reply, await page(request.query, { project: project.name, isExtended, from }));
      },
    );
}

interface Wish {
  readonly project: string | undefined;
  readonly isExtended: boolean;
  /** Milliseconds: events before are another project's that had the name. */
  readonly from?: number;
}

function searchOf(conditions: Conditions, isExtended: boolean): Omit<HarborEventSearch, "project"> {
  return {
    actors: textConditions(conditions.get("username")),
    subjects: textConditions(conditions.get("resource")),
    actions: actionsOf({
      types: textConditions(conditions.get("resourcetype")),
      operations: textConditions(conditions.get("operation")),
      isExtended,
    }),
    ...instantRange(conditions.get("optime")),
  };
}

function shown({ sequence, actor, action, subject, at }: AuditRecord, isExtended: boolean): unknown {
  const { type, operation, isFailure } = operationOf(action);
  return {
    id: sequence,
    username: actor,
    resource: subject,
    resource_type: type,
    operation,
    ...(isExtended
      ? { operation_description: `${action} ${subject}`.slice(0, 500), operation_result: !isFailure }
      : {}),
    op_time: instant(at),
  };
}
