import { z } from "zod";
import { listMembers } from "../../store/projects-member-records.ts";
import { countHeldRepositories } from "../../store/harbor-records.ts";
import type { ProjectRecord } from "../../store/projects-records.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { faithful, reduced, sendCreated, sendDone } from "./harbor-app.ts";
import { flag, listQuery, meets, readConditions, sendPage, sliceOf, sorted } from "./listing.ts";
import { numberOf } from "./names.ts";
import { foundProject, projectParams } from "./places.ts";
import {
  applyMetadata,
  checkedMetadata,
  isConflict,
  isMetadataWord,
  keepMetadata,
  metadataOf,
  ownersOf,
  proxiesOf,
  refuseAllowlist,
  shownProject,
} from "./project-shapes.ts";
import { badRequest, notFound, precondition } from "./refusals.ts";
import { shownRegistry } from "./registry-routes.ts";

/** Makes, shows, changes and removes projects. Source: Harbor's swagger, tag "project". */
export function projectRoutes(app: ApiApp, context: ApiContext): void {
  listRoutes(app, context);
  readRoutes(app, context);
  changeRoutes(app, context);
  deleteRoutes(app, context);
  metadataRoutes(app, context);
}

function listRoutes(app: ApiApp, context: ApiContext): void {
  const { factory, accounts } = context;
  app.head(
    "/projects",
    { config: faithful("public"), schema: { querystring: z.object({ project_name: z.string().min(1).max(255) }) } },
    async ({ query: { project_name: name }, caller }, reply) => {
      const exists =
        (caller.sees(name) || caller.role !== "anonymous") && (await accounts.projects.find(name)) !== undefined;
      return await reply.code(exists ? 200 : 404).send();
    },
  );
  app.get(
    "/projects",
    {
      config: faithful("public"),
      schema: {
        querystring: listQuery.extend({
          name: z.string().max(255).optional(),
          public: flag.optional(),
          owner: z.string().max(255).optional(),
          with_detail: flag.default(true),
        }),
      },
    },
    async ({ query, caller }, reply) => {
      const conditions = readConditions(query.q);
      const seen = (await accounts.projects.list()).filter(
        (project) =>
          caller.sees(project.name) &&
          (query.name === undefined || project.name.includes(query.name)) &&
          (query.public === undefined || project.isPublic === query.public) &&
          (query.owner === undefined || project.createdBy === query.owner) &&
          meets(conditions.get("name"), project.name) &&
          meets(conditions.get("projectid"), project.id) &&
          meets(conditions.get("owner"), project.createdBy) &&
          meets(conditions.get("public"), project.isPublic),
      );
      const ordered = sorted(seen.map(sortable), query.sort);
      const { offset, limit } = sliceOf(query);
      const page = ordered.slice(offset, offset + limit).map(({ project }) => project);
      const repositories = await countHeldRepositories(
        factory.store.db,
        page.map(({ name }) => name),
      );
      const options = { caller, repositories, owners: await ownersOf(context), proxies: await proxiesOf(context) };
      const items = await Promise.all(page.map(async (project) => await shownProject(context, project, options)));
      return await sendPage(reply, { items, total: ordered.length });
    },
  );
}

function sortable(project: ProjectRecord): {
  readonly name: string;
  readonly project_id: number;
  readonly creation_time: number;
  readonly update_time: number;
  readonly project: ProjectRecord;
} {
  const { name, id, createdAt } = project;
  return { name, project_id: id, creation_time: createdAt, update_time: createdAt, project };
}

function readRoutes(app: ApiApp, context: ApiContext): void {
  const { factory } = context;
  app.get(
    "/projects/:project",
    { config: faithful("public"), schema: { params: projectParams } },
    async (request) =>
      await shownProject(context, await foundProject(context, request, request.params), { caller: request.caller }),
  );
  app.get(
    "/projects/:project/summary",
    { config: faithful("public"), schema: { params: projectParams } },
    async (request) => {
      const { name } = await foundProject(context, request, request.params);
      const { caller } = request;
      const repositories = await countHeldRepositories(factory.store.db, [name]);
      const members = caller.may("members", name) ? await listMembers(factory.store.db, name) : undefined;
      const count = (role: string): number | undefined => members?.filter((member) => member.role === role).length;
      const quota = await factory.lifetime.quotas.find(name);
      const peer = (await proxiesOf(context)).get(name);
      return {
        repo_count: repositories.get(name) ?? 0,
        project_admin_count: count("projectAdmin"),
        maintainer_count: count("maintainer"),
        developer_count: count("developer"),
        guest_count: count("guest"),
        limited_guest_count: count("limitedGuest"),
        quota: { hard: { storage: quota.quotaBytes ?? -1 }, used: { storage: quota.usedBytes } },
        registry: peer === undefined ? undefined : await shownRegistry(context, peer),
      };
    },
  );
  app.get(
    "/projects/:project/_deletable",
    { config: faithful("write"), schema: { params: projectParams } },
    async (request) => {
      const { name } = await foundProject(context, request, { ...request.params, action: "settings" });
      const count = (await countHeldRepositories(factory.store.db, [name])).get(name) ?? 0;
      return count === 0
        ? { deletable: true }
        : { deletable: false, message: "the project contains repositories, can not be deleted" };
    },
  );
}

const metadataSchema = z.record(z.string().max(64), z.unknown()).nullish();
const allowlistSchema = z.looseObject({ items: z.array(z.unknown()).nullish() }).nullish();

const projectRequest = z.object({
  project_name: z.string().max(255).nullish(),
  public: z.boolean().nullish(),
  metadata: metadataSchema,
  cve_allowlist: allowlistSchema,
  storage_limit: z.number().int().min(-1).nullish(),
  registry_id: z.number().int().nullish(),
});

type ProjectRequest = z.output<typeof projectRequest>;

function changeRoutes(app: ApiApp, context: ApiContext): void {
  const { accounts, factory } = context;
  app.post(
    "/projects",
    { config: faithful("administrator"), schema: { body: projectRequest } },
    async (request, reply) => {
      const { body, caller } = request;
      const name = body.project_name ?? "";
      refuseAllowlist(body.cve_allowlist);
      const peer = await peerOfNumber(context, body.registry_id);
      const metadata = saidOf(body);
      const isPublic = checkedMetadata(metadata)["public"] === "true";
      const project = await accounts.projects.create({ name, isPublic, actor: caller });
      await applyMetadata(context, project, { metadata, caller });
      if (peer !== undefined)
        await factory.movement.proxies.set({ project: name, peer, ...proxyDefaults }, caller.name);
      await setQuota(context, { name, bytes: body.storage_limit, actor: caller.name });
      const isNamed = request.headers["x-resource-name-in-location"] === "true";
      return await sendCreated(request, reply, isNamed ? name : project.id);
    },
  );
  app.put(
    "/projects/:project",
    { config: faithful("write"), schema: { params: projectParams, body: projectRequest } },
    async (request, reply) => {
      const { body, caller } = request;
      const project = await foundProject(context, request, { ...request.params, action: "settings" });
      if (typeof body.project_name === "string" && body.project_name !== "" && body.project_name !== project.name)
        throw badRequest("a project cannot be renamed");
      refuseAllowlist(body.cve_allowlist);
      await applyMetadata(context, project, { metadata: saidOf(body), caller });
      if (caller.role === "administrator")
        await setQuota(context, { name: project.name, bytes: body.storage_limit, actor: caller.name });
      return await sendDone(reply);
    },
  );
}

const proxyDefaults = { namespace: "", allowed: [], freshSeconds: 300, missingSeconds: 60, mirroredHost: undefined };

async function peerOfNumber({ factory }: ApiContext, id: number | null | undefined): Promise<string | undefined> {
  if (id === null || id === undefined || id === 0) return undefined;
  const peer = (await factory.movement.peers.list()).find(({ name }) => numberOf("registry", name) === id);
  if (peer === undefined) throw notFound(`registry ${id} not found`);
  return peer.name;
}

/** What a request says of metadata; `public` stands beside them in older clients. */
function saidOf({ public: isPublic, metadata }: ProjectRequest): Readonly<Record<string, unknown>> {
  return { ...(isPublic === null || isPublic === undefined ? {} : { public: isPublic }), ...metadata };
}

interface QuotaWish {
  readonly name: string;
  /** -1 for no limit; nothing where nothing is to change. */
  readonly bytes: number | null | undefined;
  readonly actor: string;
}

async function setQuota({ factory }: ApiContext, { name, bytes, actor }: QuotaWish): Promise<void> {
  if (bytes === null || bytes === undefined || bytes === 0) return;
  await factory.lifetime.quotas.set(name, bytes < 0 ? undefined : bytes, actor);
}

function deleteRoutes(app: ApiApp, context: ApiContext): void {
  const { accounts } = context;
  app.delete(
    "/projects/:project",
    { config: faithful("administrator"), schema: { params: projectParams } },
    async (request, reply) => {
      const { name } = await foundProject(context, request, request.params);
      try {
        await accounts.projects.remove(name, request.caller);
      } catch (error) {
        throw isConflict(error) ? precondition("the project contains repositories, can not be deleted") : error;
      }
      return await sendDone(reply);
    },
  );
}

const wordParams = projectParams.extend({ word: z.string().min(1).max(64) });

function metadataRoutes(app: ApiApp, context: ApiContext): void {
  // Harbor's swagger has the slash at the end, its clients do not all.
  for (const path of ["/projects/:project/metadatas", "/projects/:project/metadatas/"] as const) {
    app.get(
      path,
      { config: faithful("public"), schema: { params: projectParams } },
      async (request) => await metadataOf(context, await foundProject(context, request, request.params)),
    );
    app.post(
      path,
      { config: faithful("write"), schema: { params: projectParams, body: z.record(z.string().max(64), z.unknown()) } },
      async (request, reply) => {
        const project = await foundProject(context, request, { ...request.params, action: "settings" });
        await applyMetadata(context, project, { metadata: request.body, caller: request.caller });
        return await sendDone(reply);
      },
    );
  }
  const known = async (project: ProjectRecord, word: string): Promise<string> => {
    const value = (await metadataOf(context, project))[word];
    if (value === undefined) throw notFound(`metadata ${word} not found`);
    return value;
  };
  app.get(
    "/projects/:project/metadatas/:word",
    { config: faithful("public"), schema: { params: wordParams } },
    async (request) => {
      const { word } = request.params;
      return { [word]: await known(await foundProject(context, request, request.params), word) };
    },
  );
  app.put(
    "/projects/:project/metadatas/:word",
    {
      config: faithful("write"),
      schema: { params: wordParams, body: z.record(z.string().max(64), z.unknown()) },
    },
    async (request, reply) => {
      const { word } = request.params;
      const project = await foundProject(context, request, { ...request.params, action: "settings" });
      if (!isMetadataWord(word) || !(word in request.body)) throw badRequest(`the body does not say ${word}`);
      await applyMetadata(context, project, { metadata: { [word]: request.body[word] }, caller: request.caller });
      return await sendDone(reply);
    },
  );
  app.delete(
    "/projects/:project/metadatas/:word",
    { config: reduced("write", "what the registry acts on goes back to its default"), schema: { params: wordParams } },
    async (request, reply) => {
      const { word } = request.params;
      const { caller } = request;
      const project = await foundProject(context, request, { ...request.params, action: "settings" });
      await known(project, word);
      if (["prevent_vul", "public", "enable_content_trust_cosign"].includes(word))
        await applyMetadata(context, project, { metadata: { [word]: "false" }, caller });
      else if (word === "retention_id") throw badRequest("delete the retention policy instead");
      else await keepMetadata(context, project, { kept: { [word]: null }, caller });
      return await sendDone(reply);
    },
  );
}
