import { z } from "zod";
import { parseReference } from "../../model/reference.ts";
import { findUnit, localSource } from "../../registry/registry.ts";
import {
  artifactFields,
  type ArtifactPage,
  findArtifact,
  listArtifacts,
  tagsOfManifests,
} from "../../store/harbor-artifact-records.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import type { Caller } from "../access.ts";
import { shownArtifacts } from "./artifact-shapes.ts";
import { tagConditions, textConditions } from "./conditions.ts";
import { faithful, sendCreated, sendDone } from "./harbor-app.ts";
import { flag, listQuery, readConditions, readSort, sendPage, sliceOf } from "./listing.ts";
import {
  artifactParams,
  foundArtifact,
  foundProject,
  foundRepository,
  projectParams,
  repositoryParams,
  requireMay,
} from "./places.ts";
import { badRequest, HarborRefusal, notFound } from "./refusals.ts";
import { explained, removeArtifact } from "./removal.ts";
import { acceptedReport } from "./scan-shapes.ts";

const partsQuery = z.object({
  with_tag: flag.default(true),
  with_label: flag.default(false),
  with_scan_overview: flag.default(false),
  with_sbom_overview: flag.default(false),
  with_immutable_status: flag.default(false),
  with_accessory: flag.default(false),
  with_inherited_accessory: flag.default(false),
});

const artifactsQuery = listQuery.extend(partsQuery.shape).extend({ latest_in_repository: flag.default(false) });

/** Lists, shows, copies and deletes artifacts. Source: Harbor's swagger, tag "artifact". */
export function artifactRoutes(app: ApiApp, context: ApiContext): void {
  listRoutes(app, context);
  oneRoutes(app, context);
  copyRoute(app, context);
}

function listRoutes(app: ApiApp, context: ApiContext): void {
  const { factory } = context;
  const { db } = factory.store;
  app.get(
    "/projects/:project/repositories/:repository/artifacts",
    {
      config: faithful("public", "`with_inherited_accessory` gives none"),
      schema: { params: repositoryParams, querystring: artifactsQuery },
    },
    async (request, reply) => {
      const { project, repository } = await foundRepository(context, request, { ...request.params, action: "list" });
      const { query } = request;
      const { rows, total } = await listArtifacts(db, pageOf({ repository }, query));
      const options = { parts: query, reportTypes: acceptedReport(request.headers["x-accept-vulnerabilities"]) };
      return await sendPage(reply, { items: await shownArtifacts(factory, { project, rows }, options), total });
    },
  );
  app.get(
    "/projects/:project/artifacts",
    { config: faithful("public"), schema: { params: projectParams, querystring: artifactsQuery } },
    async (request, reply) => {
      const project = await foundProject(context, request, { ...request.params, action: "list" });
      const { query } = request;
      const page = { ...pageOf({ project: project.name }, query), isLatestOnly: query.latest_in_repository };
      const { rows, total } = await listArtifacts(db, page);
      const options = { parts: query, reportTypes: acceptedReport(request.headers["x-accept-vulnerabilities"]) };
      return await sendPage(reply, { items: await shownArtifacts(factory, { project, rows }, options), total });
    },
  );
}

function pageOf(place: ArtifactPage["place"], query: z.output<typeof artifactsQuery>): ArtifactPage {
  const conditions = readConditions(query.q);
  const labels = conditions.get("labels");
  const numbers =
    labels?.kind === "all" || labels?.kind === "any" ? labels.values : labels?.kind === "equal" ? [labels.value] : [];
  if (numbers.some((text) => !/^\d{1,15}$/.test(text))) throw badRequest("labels are named by their numbers");
  return {
    place,
    tags: tagConditions(conditions.get("tags")),
    digests: textConditions(conditions.get("digest")),
    mediaTypes: textConditions(conditions.get("manifestmediatype")),
    labels: numbers.map(Number),
    order: readSort(query.sort, artifactFields),
    ...sliceOf(query),
  };
}

function oneRoutes(app: ApiApp, context: ApiContext): void {
  const { factory } = context;
  app.get(
    "/projects/:project/repositories/:repository/artifacts/:reference",
    { config: faithful("public"), schema: { params: artifactParams, querystring: partsQuery } },
    async (request) => {
      const found = await foundArtifact(context, request, { ...request.params, action: "list" });
      const row = await findArtifact(factory.store.db, found.repository, found.digest);
      if (row === undefined) throw notFound(`artifact ${found.repository}@${found.digest} not found`);
      const options = {
        parts: request.query,
        reportTypes: acceptedReport(request.headers["x-accept-vulnerabilities"]),
      };
      return (await shownArtifacts(factory, { project: found.project, rows: [row] }, options))[0];
    },
  );
  app.delete(
    "/projects/:project/repositories/:repository/artifacts/:reference",
    {
      config: faithful("write", "what is attached goes with it; it can come back from the trash"),
      schema: { params: artifactParams },
    },
    async (request, reply) => {
      const { repository, digest } = await foundArtifact(context, request, { ...request.params, action: "delete" });
      await removeArtifact(factory, { repository, digest, actor: request.caller.name });
      return await sendDone(reply);
    },
  );
}

function copyRoute(app: ApiApp, context: ApiContext): void {
  const { factory } = context;
  app.post(
    "/projects/:project/repositories/:repository/artifacts",
    {
      config: faithful("write", "what is attached travels along"),
      schema: { params: repositoryParams, querystring: z.object({ from: z.string().min(1).max(600) }) },
    },
    async (request, reply) => {
      const { repository } = await foundRepository(context, request, { ...request.params, action: "push" });
      const source = await sourceOf(context, request.caller, request.query.from);
      await copy(context, { ...source, to: repository, actor: request.caller.name });
      return await sendCreated(request, reply, source.reference);
    },
  );
  const unknown = (text: string): Error => notFound(`artifact ${text} not found`);
  async function sourceOf(
    { accounts }: ApiContext,
    caller: Caller,
    from: string,
  ): Promise<Omit<Copy, "to" | "actor"> & { readonly reference: string }> {
    const parsed = parseReference(from);
    const reference = parsed?.digest ?? parsed?.tag;
    if (parsed === undefined || reference === undefined) throw badRequest(`invalid source ${from}`);
    const repository = parsed.registry === undefined ? parsed.repository : `${parsed.registry}/${parsed.repository}`;
    requireMay(caller, "pull", repository);
    if ((await accounts.projects.find(repository.split("/", 1)[0]!)) === undefined) throw unknown(from);
    const manifest = await factory.registry.getManifest(repository, reference);
    if (manifest === undefined) throw unknown(from);
    const denial = await factory.admission.explain(repository, manifest.digest);
    if (denial?.result === "fail")
      throw new HarborRefusal(412, "PROJECTPOLICYVIOLATION", `the project of ${from} does not give it out`);
    return { from: repository, manifest, reference };
  }
}

interface Copy {
  readonly from: string;
  readonly manifest: NonNullable<Awaited<ReturnType<ApiContext["factory"]["registry"]["getManifest"]>>>;
  readonly to: string;
  readonly actor: string;
}

/** Blobs, then manifests, then tags: nobody sees half of an image. */
async function copy({ factory }: ApiContext, { from, manifest, to, actor }: Copy): Promise<void> {
  const { registry, store } = factory;
  const { manifests } = await findUnit(localSource(registry, from), manifest);
  const names = (await tagsOfManifests(store.db, from, [manifest.digest])).map(({ name }) => name);
  await explained(async () => {
    for (const { digest, mediaType, bytes, blobs } of manifests) {
      for (const blob of blobs) await registry.linkBlob(to, blob.digest);
      await registry.putManifest({ repository: to, reference: digest, mediaType, bytes, actor });
    }
    const root = manifests.find(({ digest }) => digest === manifest.digest)!;
    const attached = manifests.flatMap((one) => (one.tag === undefined ? [] : [{ one, tag: one.tag }]));
    for (const { one, tag } of [...attached, ...names.map((tag) => ({ one: root, tag }))])
      await registry.putManifest({ repository: to, reference: tag, mediaType: one.mediaType, bytes: one.bytes, actor });
  });
}
