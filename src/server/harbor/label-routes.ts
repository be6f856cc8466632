import { z } from "zod";
import { addAuditEvent } from "../../store/event-records.ts";
import {
  deleteLabel,
  findLabel,
  insertLabel,
  type LabelRecord,
  listLabels,
  updateLabel,
} from "../../store/label-records.ts";
import type { FastifyRequest } from "fastify";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { faithful, sendCreated, sendDone } from "./harbor-app.ts";
import { shownLabel } from "./label-shapes.ts";
import { listQuery, meets, readConditions, sendSlice, sorted } from "./listing.ts";
import { foundProject, isAdmin, numberInPath, refusedTo, requireMay } from "./places.ts";
import { badRequest, HarborRefusal, notFound } from "./refusals.ts";

const labelBody = z.object({
  name: z.string().min(1).max(128).nullish(),
  description: z.string().max(1024).nullish(),
  color: z
    .string()
    .regex(/^(?:#[0-9a-fA-F]{3,8})?$/, "is no color")
    .nullish(),
  scope: z.enum(["g", "p", ""]).nullish(),
  project_id: z.number().int().nullish(),
});

const params = z.object({ label: numberInPath });

/** Labels of the system (`g`) and of projects (`p`). Source: Harbor's swagger, tag "label". */
export function labelRoutes(app: ApiApp, context: ApiContext): void {
  readRoutes(app, context);
  changeRoutes(app, context);
}

type Asking = Pick<FastifyRequest, "caller" | "headers">;

function readRoutes(app: ApiApp, context: ApiContext): void {
  const { db } = context.factory.store;
  app.get(
    "/labels",
    {
      config: faithful("write"),
      schema: {
        querystring: listQuery.extend({
          name: z.string().max(128).default(""),
          scope: z.enum(["g", "p"]).default("g"),
          project_id: z.coerce.number().int().optional(),
        }),
      },
    },
    async (request, reply) => {
      const { query } = request;
      if (query.scope === "p" && query.project_id === undefined) throw badRequest("project_id is needed for scope p");
      const project =
        query.scope === "g"
          ? undefined
          : await foundProject(context, { caller: request.caller, headers: {} }, { project: String(query.project_id) });
      const condition = readConditions(query.q).get("name");
      const labels = (await listLabels(db, project?.name)).filter(
        ({ name }) => name.includes(query.name) && meets(condition, name),
      );
      const ordered = sorted(
        labels.map((label) => ({ name: label.name, id: label.id, creation_time: label.createdAt, label })),
        query.sort,
      );
      return await sendSlice(reply, ordered, ({ label }) => shownLabel(label, project?.id));
    },
  );
  app.get("/labels/:label", { config: faithful("write"), schema: { params } }, async (request) => {
    const { label, project } = await found(context, request, request.params.label);
    return shownLabel(label, project);
  });
}

/** A label, and the number of its project. */
async function found(
  { factory, accounts }: ApiContext,
  { caller }: Asking,
  id: number,
): Promise<{ readonly label: LabelRecord; readonly project: number | undefined }> {
  const label = await findLabel(factory.store.db, id);
  if (label === undefined) throw notFound(`label ${id} not found`);
  if (label.project === undefined) return { label, project: undefined };
  if (!caller.sees(label.project)) throw refusedTo(caller);
  return { label, project: (await accounts.projects.find(label.project))?.id };
}

function changeRoutes(app: ApiApp, context: ApiContext): void {
  const { store } = context.factory;
  app.post("/labels", { config: faithful("write"), schema: { body: labelBody } }, async (request, reply) => {
    const { caller, body } = request;
    const isSystem = body.scope === "g" || body.scope === null || body.scope === undefined || body.scope === "";
    if (isSystem && !isAdmin(caller)) throw refusedTo(caller);
    const project = isSystem
      ? undefined
      : await foundProject(
          context,
          { caller, headers: {} },
          { project: String(body.project_id ?? 0), action: "settings" },
        );
    const { name, description, color } = body;
    if (name === null || name === undefined) throw badRequest("the label has no name");
    const label = await store.transaction(async (db) => {
      const choice = { name, description: description ?? "", color: color ?? "", project: project?.name };
      const made = await insertLabel(db, choice);
      if (made !== undefined) await addAuditEvent(db, changed(made, caller.name, "created"));
      return made;
    });
    if (label === undefined) throw taken(name);
    return await sendCreated(request, reply, label.id);
  });
  app.put(
    "/labels/:label",
    { config: faithful("write"), schema: { params, body: labelBody } },
    async (request, reply) => {
      const { label } = await changeable(context, request, request.params.label);
      const { name, description, color } = request.body;
      const choice = {
        name: name ?? label.name,
        description: description ?? label.description,
        color: color ?? label.color,
      };
      const isDone = await store.transaction(async (db) => {
        const isChanged = await updateLabel(db, label, choice);
        if (isChanged) await addAuditEvent(db, changed({ ...label, ...choice }, request.caller.name, "changed"));
        return isChanged;
      });
      if (!isDone) throw taken(choice.name);
      return await sendDone(reply);
    },
  );
  app.delete("/labels/:label", { config: faithful("write"), schema: { params } }, async (request, reply) => {
    const { label } = await changeable(context, request, request.params.label);
    await store.transaction(async (db) => {
      await deleteLabel(db, label.id);
      await addAuditEvent(db, changed(label, request.caller.name, "deleted"));
    });
    return await sendDone(reply);
  });
}

async function changeable(context: ApiContext, request: Asking, id: number): ReturnType<typeof found> {
  const one = await found(context, request, id);
  if (one.label.project !== undefined) requireMay(request.caller, "settings", one.label.project);
  else if (!isAdmin(request.caller)) throw refusedTo(request.caller);
  return one;
}

function changed(label: LabelRecord, actor: string, change: string): Parameters<typeof addAuditEvent>[1] {
  const { name: subject, project } = label;
  return { actor, action: "label.changed", subject, project, details: { change } };
}

function taken(name: string): HarborRefusal {
  return new HarborRefusal(409, "CONFLICT", `label ${name} already exists`);
}
