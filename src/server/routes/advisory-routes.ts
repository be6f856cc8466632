import { isoSeconds } from "../../base/clock.ts";
import { listFeeds } from "../../store/advisories-records.ts";
import { addAuditEvent } from "../../store/event-records.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { feedListSchema, importRequestSchema, importSchema, problemSchema } from "../schemas.ts";

/** The feeds of the advisory index. */
export function advisoryRoutes(app: ApiApp, { factory }: ApiContext): void {
  app.get(
    "/advisories",
    {
      config: { need: "read" },
      schema: {
        operationId: "listFeeds",
        tags: ["advisories"],
        summary: "The advisory feeds and how fresh they are",
        response: { 200: feedListSchema },
      },
    },
    async () => ({
      feeds: (await listFeeds(factory.store.db)).map(({ name, source, dataAt, recordCount }) => ({
        feed: name,
        source,
        ...(dataAt === undefined ? {} : { dataAt: isoSeconds(dataAt) }),
        recordCount,
      })),
    }),
  );
  app.post(
    "/advisories/import",
    {
      config: { need: "administrator" },
      schema: {
        operationId: "importAdvisories",
        tags: ["advisories"],
        summary: "Read advisories from a folder, an archive or an address",
        body: importRequestSchema,
        response: { 200: importSchema, 403: problemSchema, 422: problemSchema },
      },
    },
    async ({ body, caller }) => {
      const feeds = await factory.importAdvisories(body.source, () => undefined);
      const details = { feeds: feeds.map(({ feed, recordCount }) => ({ feed, recordCount })) };
      const subject = shownSource(body.source);
      await addAuditEvent(factory.store.db, { actor: caller.name, action: "advisories.imported", subject, details });
      return { feeds };
    },
  );
}

/** An address may have credentials in it. */
function shownSource(source: string): string {
  const url = URL.parse(source);
  return url === null ? source : `${url.protocol}//${url.host}${url.pathname}`;
}
