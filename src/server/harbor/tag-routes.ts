import { z } from "zod";
import { isTag } from "../../model/reference.ts";
import { listAttached, tagsOfManifests } from "../../store/harbor-artifact-records.ts";
import { addImageLabel, findLabel, removeImageLabel } from "../../store/label-records.ts";
import { addAuditEvent } from "../../store/event-records.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { accessoriesOf, shownAccessory } from "./accessory-shapes.ts";
import { pinsOf, shownTag } from "./artifact-shapes.ts";
import { faithful, sendCreated, sendDone } from "./harbor-app.ts";
import { flag, listQuery, meets, readConditions, sendSlice, sorted } from "./listing.ts";
import { artifactParams, foundArtifact, numberInPath } from "./places.ts";
import { badRequest, HarborRefusal, notFound } from "./refusals.ts";
import { explained } from "./removal.ts";

/** The tags, accessories and labels of an artifact. Source: Harbor's swagger, tag "artifact". */
export function tagRoutes(app: ApiApp, context: ApiContext): void {
  readRoutes(app, context);
  changeRoutes(app, context);
  labelRoutes(app, context);
}

function readRoutes(app: ApiApp, context: ApiContext): void {
  const { factory } = context;
  const { db } = factory.store;
  app.get(
    "/projects/:project/repositories/:repository/artifacts/:reference/tags",
    {
      config: faithful("public"),
      schema: {
        params: artifactParams,
        querystring: listQuery.extend({
          with_signature: flag.default(false),
          with_immutable_status: flag.default(false),
        }),
      },
    },
    async (request, reply) => {
      const { repository, digest } = await foundArtifact(context, request, { ...request.params, action: "list" });
      const { query } = request;
      const name = readConditions(query.q).get("name");
      const tags = (await tagsOfManifests(db, repository, [digest])).filter((tag) => meets(name, tag.name));
      const isPinned = await pinsOf(factory, repository);
      const ordered = sorted(
        tags.map((tag) => ({ name: tag.name, push_time: tag.pushedAt, pull_time: tag.pulledAt ?? 0, tag })),
        query.sort,
      );
      return await sendSlice(reply, ordered, ({ tag }) =>
        shownTag(tag, query.with_immutable_status ? isPinned(tag.name) : undefined),
      );
    },
  );
  app.get(
    "/projects/:project/repositories/:repository/artifacts/:reference/accessories",
    { config: faithful("public"), schema: { params: artifactParams, querystring: listQuery } },
    async (request, reply) => {
      const { repository, digest } = await foundArtifact(context, request, { ...request.params, action: "list" });
      const type = readConditions(request.query.q).get("type");
      const shown = accessoriesOf(await listAttached(db, repository, [digest]))
        .map(shownAccessory)
        .filter((one) => meets(type, one.type));
      return await sendSlice(reply, sorted(shown, request.query.sort), (one) => one);
    },
  );
}

function changeRoutes(app: ApiApp, context: ApiContext): void {
  const { registry, store } = context.factory;
  app.post(
    "/projects/:project/repositories/:repository/artifacts/:reference/tags",
    { config: faithful("write"), schema: { params: artifactParams, body: z.object({ name: z.string().max(255) }) } },
    async (request, reply) => {
      const { name } = request.body;
      const found = await foundArtifact(context, request, { ...request.params, action: "push" });
      if (!isTag(name)) throw badRequest(`invalid tag name ${name}`);
      const { repository, mediaType, bytes } = found;
      const standing = await registry.getManifest(repository, name);
      if (standing !== undefined)
        throw new HarborRefusal(
          409,
          "CONFLICT",
          `tag ${name} already exists${standing.digest === found.digest ? "" : `, on ${standing.digest}`}`,
        );
      await explained(
        async () =>
          await registry.putManifest({ repository, reference: name, mediaType, bytes, actor: request.caller.name }),
      );
      return await sendCreated(request, reply, name);
    },
  );
  app.delete(
    "/projects/:project/repositories/:repository/artifacts/:reference/tags/:tag",
    { config: faithful("write"), schema: { params: artifactParams.extend({ tag: z.string().max(255) }) } },
    async (request, reply) => {
      const { tag } = request.params;
      const { repository, digest } = await foundArtifact(context, request, { ...request.params, action: "delete" });
      const tags = await tagsOfManifests(store.db, repository, [digest]);
      if (!tags.some(({ name }) => name === tag)) throw notFound(`tag ${tag} attached to artifact ${digest} not found`);
      await explained(async () => await registry.remove({ repository, reference: tag, actor: request.caller.name }));
      return await sendDone(reply);
    },
  );
}

function labelRoutes(app: ApiApp, context: ApiContext): void {
  const { store } = context.factory;
  app.post(
    "/projects/:project/repositories/:repository/artifacts/:reference/labels",
    { config: faithful("write"), schema: { params: artifactParams, body: z.object({ id: z.number().int() }) } },
    async (request, reply) => {
      const { project, repository, digest } = await foundArtifact(context, request, {
        ...request.params,
        action: "label",
      });
      const label = await findLabel(store.db, request.body.id);
      if (label === undefined || (label.project !== undefined && label.project !== project.name))
        throw notFound(`label ${request.body.id} not found`);
      await store.transaction(async (db) => {
        if (!(await addImageLabel(db, { repository, digest }, label.id)))
          throw new HarborRefusal(409, "CONFLICT", `label ${label.id} is already added to the artifact`);
        const details = { added: label.name };
        const subject = `${repository}@${digest}`;
        await addAuditEvent(db, { actor: request.caller.name, action: "image.labelled", subject, details });
      });
      return await sendDone(reply);
    },
  );
  app.delete(
    "/projects/:project/repositories/:repository/artifacts/:reference/labels/:label",
    { config: faithful("write"), schema: { params: artifactParams.extend({ label: numberInPath }) } },
    async (request, reply) => {
      const { repository, digest } = await foundArtifact(context, request, { ...request.params, action: "label" });
      const { label } = request.params;
      const isGone = await store.transaction(async (db) => {
        if (!(await removeImageLabel(db, { repository, digest }, label))) return false;
        const details = { removed: label };
        const subject = `${repository}@${digest}`;
        await addAuditEvent(db, { actor: request.caller.name, action: "image.labelled", subject, details });
        return true;
      });
      if (!isGone) throw notFound(`label ${label} is not on the artifact`);
      return await sendDone(reply);
    },
  );
}
