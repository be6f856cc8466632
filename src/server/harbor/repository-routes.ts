import { z } from "zod";
import { addAuditEvent } from "../../store/event-records.ts";
import {
  holdsManifests,
  listDeletable,
  listHeldRepositories,
  repositoryFields,
  type RepositoryRow,
} from "../../store/harbor-records.ts";
import { putRepositoryDescription } from "../../store/label-records.ts";
import type { ProjectRecord } from "../../store/projects-records.ts";
import type { Caller } from "../access.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { textConditions } from "./conditions.ts";
import { faithful, sendDone } from "./harbor-app.ts";
import { listQuery, readConditions, readSort, sendPage, sliceOf } from "./listing.ts";
import { instant, numberOf } from "./names.ts";
import { foundProject, foundRepository, projectParams, repositoryParams } from "./places.ts";
import { notFound } from "./refusals.ts";
import { removeArtifact } from "./removal.ts";

/** Repositories. Source: Harbor's swagger, tag "repository". */
export function repositoryRoutes(app: ApiApp, context: ApiContext): void {
  listRoutes(app, context);
  oneRoutes(app, context);
}

function listRoutes(app: ApiApp, context: ApiContext): void {
  const { accounts } = context;
  app.get(
    "/repositories",
    { config: faithful("public"), schema: { querystring: listQuery } },
    async ({ query, caller }, reply) => {
      const seen = (await accounts.projects.list()).filter(({ name }) => caller.sees(name));
      return await sendPage(reply, await pageOf(context, { projects: seen, query, caller }));
    },
  );
  app.get(
    "/projects/:project/repositories",
    { config: faithful("public"), schema: { params: projectParams, querystring: listQuery } },
    async (request, reply) => {
      const project = await foundProject(context, request, request.params);
      const { query, caller } = request;
      return await sendPage(reply, await pageOf(context, { projects: [project], query, caller }));
    },
  );
}

interface RepositoryWish {
  readonly projects: readonly ProjectRecord[];
  readonly query: z.output<typeof listQuery>;
  readonly caller: Caller;
}

/** Repositories that are looked through for one who may see some of a project alone. */
const lookedThrough = 1000;

async function pageOf(
  { factory }: ApiContext,
  { projects, query, caller }: RepositoryWish,
): Promise<{ readonly items: readonly unknown[]; readonly total: number }> {
  const { db } = factory.store;
  const byName = new Map(projects.map((project) => [project.name, project]));
  const wish = {
    projects: [...byName.keys()].slice(0, 500),
    conditions: textConditions(readConditions(query.q).get("name")),
    order: readSort(query.sort, repositoryFields),
    ...sliceOf(query),
  };
  const isPartial = projects.some(({ name }) => !caller.may("list", name));
  const names = isPartial
    ? (await listHeldRepositories(db, { ...wish, order: [], offset: 0, limit: lookedThrough })).rows
        .map(({ name }) => name)
        .filter((name) => caller.may("list", name))
    : undefined;
  const { rows, total } = await listHeldRepositories(db, { ...wish, ...(names === undefined ? {} : { names }) });
  return { items: rows.map((row) => shown(row, byName.get(row.name.split("/", 1)[0]!)!)), total };
}

function shown(row: RepositoryRow, project: ProjectRecord): unknown {
  return {
    id: numberOf("repository", row.name),
    project_id: project.id,
    name: row.name,
    description: row.description,
    artifact_count: row.artifactCount,
    pull_count: row.pullCount,
    creation_time: instant(row.createdAt),
    update_time: instant(row.changedAt),
  };
}

function oneRoutes(app: ApiApp, context: ApiContext): void {
  const { store } = context.factory;
  const schema = { params: repositoryParams };
  const held = async (repository: string): Promise<RepositoryRow> => {
    const page = { projects: undefined, names: [repository], conditions: [], order: [], offset: 0, limit: 1 };
    const row = (await listHeldRepositories(store.db, page)).rows[0];
    if (row === undefined) throw notFound(`repository ${repository} not found`);
    return row;
  };
  app.get("/projects/:project/repositories/:repository", { config: faithful("public"), schema }, async (request) => {
    const { project, repository } = await foundRepository(context, request, { ...request.params, action: "list" });
    return shown(await held(repository), project);
  });
  app.put(
    "/projects/:project/repositories/:repository",
    {
      config: faithful("write"),
      schema: {
        ...schema,
        body: z.object({
          description: z
            .string()
            .max(64 * 1024)
            .nullish(),
        }),
      },
    },
    async (request, reply) => {
      const { repository } = await foundRepository(context, request, { ...request.params, action: "push" });
      await held(repository);
      const description = request.body.description ?? "";
      await store.transaction(async (db) => {
        await putRepositoryDescription(db, repository, description);
        const details = { description: description.slice(0, 1000) };
        await addAuditEvent(db, {
          actor: request.caller.name,
          action: "repository.changed",
          subject: repository,
          details,
        });
      });
      return await sendDone(reply);
    },
  );
  app.delete(
    "/projects/:project/repositories/:repository",
    { config: faithful("write", "images go to the trash first; what is pinned or held is 412"), schema },
    async (request, reply) => {
      const { repository } = await foundRepository(context, request, { ...request.params, action: "delete" });
      await held(repository);
      await emptyRepository(context, repository, request.caller);
      return await sendDone(reply);
    },
  );
}

const deletedAtOnce = 100;

/** Deletes image after image: what is refused stays, with what was not reached. @throws 412 */
async function emptyRepository({ factory }: ApiContext, repository: string, caller: Caller): Promise<void> {
  const { store } = factory;
  for (;;) {
    const digests = await listDeletable(store.db, repository, deletedAtOnce);
    for (const digest of digests) await removeArtifact(factory, { repository, digest, actor: caller.name });
    if (!(await holdsManifests(store.db, repository))) break;
    if (digests.length === 0) throw notFound(`repository ${repository} not found`);
  }
  await addAuditEvent(store.db, { actor: caller.name, action: "repository.deleted", subject: repository });
}
