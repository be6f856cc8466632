import { z } from "zod";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { lifetimeErrors, pageLimit, projectParams, requireRight } from "./lifetime-access.ts";
import { newQuotaSchema, quotaPageSchema, quotaSchema } from "./lifetime-schemas.ts";

/** How much projects store, and may store. */
export function quotaRoutes(app: ApiApp, { factory }: ApiContext): void {
  app.get(
    "/quotas",
    {
      config: { need: "read" },
      schema: {
        operationId: "listQuotas",
        tags: ["quotas"],
        summary: "List what each project stores and may store",
        querystring: z.object({ after: z.string().max(255).default(""), limit: pageLimit }),
        response: { 200: quotaPageSchema, ...lifetimeErrors },
      },
    },
    async ({ query, caller }) => {
      const sees = (project: string): boolean => caller.may("list", project);
      const { quotas, next } = await factory.lifetime.quotas.list(query, sees);
      return { quotas: quotas.map(shownQuota), ...(next === undefined ? {} : { next }) };
    },
  );
  app.get(
    "/projects/:name/quota",
    {
      config: { need: "read" },
      schema: {
        operationId: "getQuota",
        tags: ["quotas"],
        summary: "What a project stores and may store",
        params: projectParams,
        response: { 200: quotaSchema, ...lifetimeErrors },
      },
    },
    async ({ params: { name }, caller }) => {
      requireRight(caller, "list", name);
      return shownQuota(await factory.lifetime.quotas.find(name));
    },
  );
  app.post(
    "/projects/:name/quota",
    {
      config: { need: "administrator" },
      schema: {
        operationId: "setQuota",
        tags: ["quotas"],
        summary: "Set or lift the quota of a project",
        params: projectParams,
        body: newQuotaSchema,
        response: { 200: quotaSchema, ...lifetimeErrors },
      },
    },
    async ({ params: { name }, body: { quotaBytes }, caller }) =>
      shownQuota(await factory.lifetime.quotas.set(name, quotaBytes, caller.name)),
  );
}

interface QuotaState {
  readonly project: string;
  readonly usedBytes: number;
  readonly quotaBytes: number | undefined;
}

function shownQuota({ project, usedBytes, quotaBytes }: QuotaState): z.output<typeof quotaSchema> {
  return { project, usedBytes, ...(quotaBytes === undefined ? {} : { quotaBytes }) };
}
