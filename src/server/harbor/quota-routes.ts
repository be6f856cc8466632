import { z } from "zod";
import type { QuotaState } from "../../store/quota-records.ts";
import type { ProjectRecord } from "../../store/projects-records.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { faithful, reduced, sendDone } from "./harbor-app.ts";
import { listQuery, sendPage, sliceOf } from "./listing.ts";
import { instant } from "./names.ts";
import { numberInPath } from "./places.ts";
import { badRequest, notFound } from "./refusals.ts";

const params = z.object({ quota: numberInPath });
const storage = z.object({ storage: z.number().int().min(-1).max(Number.MAX_SAFE_INTEGER) });

/** How much projects may store; a quota has the number of its project. Source: Harbor's swagger, tag "quota". */
export function quotaRoutes(app: ApiApp, context: ApiContext): void {
  const { lifetime } = context.factory;
  const found = async (id: number): Promise<ProjectRecord> => {
    const project = await context.accounts.projects.findById(id);
    if (project === undefined) throw notFound(`quota ${id} not found`);
    return project;
  };
  app.get(
    "/quotas",
    {
      config: faithful("administrator"),
      schema: {
        querystring: listQuery.extend({
          reference: z.string().max(50).optional(),
          reference_id: z.string().max(50).optional(),
        }),
      },
    },
    async ({ query }, reply) => {
      const isOfProject = query.reference === undefined || query.reference === "project";
      const projects = (await context.accounts.projects.list()).filter(
        ({ id }) => isOfProject && (query.reference_id === undefined || query.reference_id === String(id)),
      );
      const shownAll = await shownQuotas(context, projects);
      const ordered = inOrder(shownAll, query.sort);
      const { offset, limit } = sliceOf(query);
      return await sendPage(reply, { items: ordered.slice(offset, offset + limit), total: ordered.length });
    },
  );
  app.get("/quotas/:quota", { config: faithful("administrator"), schema: { params } }, async (request) => {
    const project = await found(request.params.quota);
    return shown(project, await lifetime.quotas.find(project.name));
  });
  app.put(
    "/quotas/:quota",
    { config: reduced("administrator", "`storage` alone"), schema: { params, body: z.object({ hard: storage }) } },
    async (request, reply) => {
      const { name } = await found(request.params.quota);
      const { storage: bytes } = request.body.hard;
      if (bytes === 0) throw badRequest("invalid hard limit of storage: 0");
      await lifetime.quotas.set(name, bytes < 0 ? undefined : bytes, request.caller.name);
      return await sendDone(reply);
    },
  );
}

type ShownQuota = ReturnType<typeof shown>;
type QuotaPage = Awaited<ReturnType<ApiContext["factory"]["lifetime"]["quotas"]["list"]>>;

async function shownQuotas({ factory }: ApiContext, projects: readonly ProjectRecord[]): Promise<ShownQuota[]> {
  const byName = new Map(projects.map((project) => [project.name, project]));
  const all: ShownQuota[] = [];
  for (let after: string | undefined = ""; after !== undefined;) {
    const page: QuotaPage = await factory.lifetime.quotas.list({ after, limit: 1000 });
    for (const state of page.quotas) {
      const project = byName.get(state.project);
      if (project !== undefined) all.push(shown(project, state));
    }
    after = page.next;
  }
  return all;
}

/** Harbor's clients put quotas in order by `hard.storage` and `used.storage`. */
function inOrder(all: readonly ShownQuota[], sort: string | undefined): ShownQuota[] {
  const key = sort?.replace(/^-/, "");
  const of = ({ hard, used }: ShownQuota): number => (key === "hard.storage" ? hard.storage : used.storage);
  if (key !== "hard.storage" && key !== "used.storage") return [...all];
  const sign = sort!.startsWith("-") ? -1 : 1;
  return all.toSorted((a, b) => sign * (of(a) - of(b)));
}

interface QuotaShape {
  readonly id: number;
  readonly ref: { readonly id: number; readonly name: string; readonly owner_name: string };
  readonly hard: { readonly storage: number };
  readonly used: { readonly storage: number };
  readonly creation_time: string;
  readonly update_time: string;
}

function shown({ id, name, createdAt, createdBy }: ProjectRecord, { quotaBytes, usedBytes }: QuotaState): QuotaShape {
  return {
    id,
    ref: { id, name, owner_name: createdBy },
    hard: { storage: quotaBytes ?? -1 },
    used: { storage: usedBytes },
    creation_time: instant(createdAt),
    update_time: instant(createdAt),
  };
}
