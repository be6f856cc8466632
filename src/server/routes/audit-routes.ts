import { Readable } from "node:stream";
import { z } from "zod";
import { csvHeader, csvLine, verifyChain } from "../../auth/auth.ts";
import { isoSeconds } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import type { AuditRecord } from "../../store/event-records.ts";
import { type EventSearch, searchEvents } from "../../store/event-search-records.ts";
import { eventsSince, findProject } from "../../store/projects-records.ts";
import type { Store } from "../../store/store.ts";
import type { Caller } from "../access.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { problemSchema } from "../schemas.ts";
import {
  type auditEventSchema,
  auditPageSchema,
  auditQuerySchema,
  auditSearchSchema,
  auditVerificationQuerySchema,
  auditVerificationSchema,
} from "./audit-schemas.ts";

/** The audit log: every change, sign-in, denial and pull, in a hash chain. */
export function auditRoutes(app: ApiApp, context: ApiContext): void {
  const { store } = context.factory;
  app.get(
    "/audit",
    {
      config: { need: "read" },
      schema: {
        operationId: "listAudit",
        tags: ["audit"],
        summary: "Search the audit log",
        querystring: auditQuerySchema,
        response: { 200: auditPageSchema, 403: problemSchema },
      },
    },
    async ({ query: { order, beyond, limit, ...search }, caller }) => {
      const page = { newestFirst: order === "newest", beyond, limit };
      const { events, next } = await searchEvents(store.db, await seenBy(store, caller, search), page);
      return { events: events.map(shown), ...(next === undefined ? {} : { next }) };
    },
  );
  app.get(
    "/audit/export",
    {
      config: { need: "read" },
      schema: {
        operationId: "exportAudit",
        tags: ["audit"],
        summary: "Export the audit log as CSV, oldest first",
        description: "Cells that a spreadsheet would take for a formula begin with an apostrophe.",
        querystring: auditSearchSchema,
        response: {
          200: { description: "RFC 4180 with a header line", content: { "text/csv": { schema: z.string() } } },
          403: problemSchema,
        },
      },
    },
    async ({ query, caller }, reply) =>
      await reply
        .type("text/csv; charset=utf-8; header=present")
        .header("content-disposition", 'attachment; filename="audit.csv"')
        .send(Readable.from(csv(store, await seenBy(store, caller, query))) as unknown as string),
  );
  verificationRoute(app, context);
}

function verificationRoute(app: ApiApp, { factory: { store, keys } }: ApiContext): void {
  app.get(
    "/audit/verification",
    {
      config: { need: "administrator" },
      schema: {
        operationId: "verifyAudit",
        tags: ["audit"],
        summary: "Walk the hash chain of the audit log and name the first event that is wrong",
        querystring: auditVerificationQuerySchema,
        response: { 200: auditVerificationSchema },
      },
    },
    async ({ query }) => {
      const [sequence = "", hash = ""] = query.kept?.split(":") ?? [];
      const kept = query.kept === undefined ? undefined : { sequence: Number(sequence), hash };
      const { fault, head, anchor, ...counts } = await verifyChain(store, {
        kept,
        sealKey: keys.evidence.publicPem,
      });
      return {
        ...counts,
        head: { ...head, at: isoSeconds(head.at) },
        anchor: { ...anchor, at: isoSeconds(anchor.at) },
        ...(fault === undefined ? {} : { fault }),
      };
    },
  );
}

type SearchQuery = z.output<typeof auditSearchSchema>;

/** Who rules over a project sees nothing of one that had its name before. */
async function seenBy(store: Store, caller: Caller, { since, until, ...search }: SearchQuery): Promise<EventSearch> {
  const { project } = search;
  const found =
    caller.role === "administrator" || project === undefined ? undefined : await findProject(store.db, project);
  const from = [since === undefined ? [] : Date.parse(since), found === undefined ? [] : eventsSince(found)].flat();
  if (caller.role !== "administrator" && (project === undefined || !caller.may("audit", project)))
    throw new Failure("forbidden", `Cannot read the audit log${project === undefined ? "" : ` of "${project}"`}`, {
      hint: "Name a project in which your role may read it with --project, or ask the administrator",
    });
  return {
    ...search,
    since: from.length === 0 ? undefined : Math.max(...from),
    until: until === undefined ? undefined : Date.parse(until),
  };
}

function shown({ at, address, project, details, ...rest }: AuditRecord): z.input<typeof auditEventSchema> {
  return {
    ...rest,
    at: new Date(at).toISOString(),
    details: { ...details },
    ...(address === undefined ? {} : { address }),
    ...(project === undefined ? {} : { project }),
  };
}

const csvPageCount = 1000;

async function* csv(store: Store, search: EventSearch): AsyncGenerator<string> {
  yield csvHeader;
  let beyond: number | undefined = 0;
  while (beyond !== undefined) {
    const page = await searchEvents(store.db, search, { newestFirst: false, beyond, limit: csvPageCount });
    yield page.events.map(csvLine).join("");
    beyond = page.next;
  }
}
