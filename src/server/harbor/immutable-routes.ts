import { Failure } from "../../base/errors.ts";
import { readTagScope } from "../../model/tag-scope.ts";
import { addAuditEvent } from "../../store/event-records.ts";
import { findLifetime, type ImmutableRule, saveRules } from "../../store/lifetime-records.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { faithful, reduced, sendCreated, sendDone } from "./harbor-app.ts";
import { listQuery, sendSlice } from "./listing.ts";
import { numberOf } from "./names.ts";
import { foundProject, numberInPath, projectParams } from "./places.ts";
import { badRequest, notFound, notOffered } from "./refusals.ts";
import { readSelectors, ruleSchema, type SentRule, shownSelectors } from "./selectors.ts";

const params = projectParams.extend({ rule: numberInPath });

/** Rules that pin tags. Source: Harbor's swagger, tag "immutable". */
export function immutableRoutes(app: ApiApp, context: ApiContext): void {
  const { lifetime } = context.factory;
  app.get(
    "/projects/:project/immutabletagrules",
    { config: faithful("public"), schema: { params: projectParams, querystring: listQuery } },
    async (request, reply) => {
      const { name } = await foundProject(context, request, { ...request.params, action: "list" });
      return await sendSlice(reply, (await lifetime.rules.list(name)).immutability, shown);
    },
  );
  app.post(
    "/projects/:project/immutabletagrules",
    {
      config: reduced("write", "one selector for tags and one for repositories; none that is disabled"),
      schema: { params: projectParams, body: ruleSchema },
    },
    async (request, reply) => {
      const { name } = await foundProject(context, request, { ...request.params, action: "lifetime" });
      const rule = await lifetime.rules.pin({ project: name, author: request.caller.name, ...readRule(request.body) });
      return await sendCreated(request, reply, numberOf("immutable", rule.id));
    },
  );
  changeRoutes(app, context);
}

function readRule(sent: SentRule): ReturnType<typeof readSelectors> {
  if (sent.disabled === true) throw notOffered("a rule is there or it is not: delete it instead of disabling it");
  if (!["immutable", "", null, undefined].includes(sent.action)) throw badRequest(`invalid action ${sent.action}`);
  if (!["immutable_template", "", null, undefined].includes(sent.template))
    throw badRequest(`invalid template ${sent.template}`);
  return readSelectors(sent);
}

function shown(rule: ImmutableRule): unknown {
  return {
    id: numberOf("immutable", rule.id),
    priority: 0,
    disabled: false,
    action: "immutable",
    template: "immutable_template",
    params: {},
    ...shownSelectors(rule),
  };
}

function changeRoutes(app: ApiApp, context: ApiContext): void {
  const { lifetime, store } = context.factory;
  const found = async (project: string, number: number): Promise<ImmutableRule> => {
    const { immutability } = await lifetime.rules.list(project);
    const rule = immutability.find(({ id }) => numberOf("immutable", id) === number);
    if (rule === undefined) throw notFound(`immutable tag rule ${number} not found`);
    return rule;
  };
  app.put(
    "/projects/:project/immutabletagrules/:rule",
    { config: reduced("write", "as for POST"), schema: { params, body: ruleSchema } },
    async (request, reply) => {
      const { name: project } = await foundProject(context, request, { ...request.params, action: "lifetime" });
      const { id } = await found(project, request.params.rule);
      const scope = readRule(request.body);
      const read = readTagScope(scope);
      if ("invalid" in read) throw new Failure("usage", `Cannot change the rule: ${read.invalid}`);
      await store.transaction(async (db) => {
        const { immutability } = await findLifetime(db, project);
        const before = immutability.find((one) => one.id === id);
        if (before === undefined) throw notFound(`immutable tag rule ${request.params.rule} not found`);
        const rule: ImmutableRule = { id, ...scope, author: before.author, createdAt: before.createdAt };
        await saveRules(db, project, { immutability: immutability.map((one) => (one === before ? rule : one)) });
        const details = { removed: before, added: rule };
        await addAuditEvent(db, {
          actor: request.caller.name,
          action: "immutability.changed",
          subject: project,
          details,
        });
      });
      return await sendDone(reply);
    },
  );
  app.delete(
    "/projects/:project/immutabletagrules/:rule",
    { config: faithful("write"), schema: { params } },
    async (request, reply) => {
      const { name } = await foundProject(context, request, { ...request.params, action: "lifetime" });
      const { id } = await found(name, request.params.rule);
      await lifetime.rules.unpin(name, id, request.caller.name);
      return await sendDone(reply);
    },
  );
}
