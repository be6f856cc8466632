import { z } from "zod";
import type { MemberRecord } from "../../store/projects-member-records.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { faithful, reduced, sendCreated, sendDone } from "./harbor-app.ts";
import { listQuery, sendSlice } from "./listing.ts";
import { foundProject, numberInPath, projectParams } from "./places.ts";
import { badRequest, HarborRefusal, notFound } from "./refusals.ts";
import { idOfRole, roleOfId } from "./roles.ts";

const params = projectParams.extend({ member: numberInPath });

const newMember = z.object({
  role_id: z.number().int(),
  member_user: z.object({ user_id: z.number().int().nullish(), username: z.string().max(255).nullish() }).nullish(),
  member_group: z.object({ id: z.number().int().nullish(), group_name: z.string().max(255).nullish() }).nullish(),
});

/** Who has which role in a project. Source: Harbor's swagger, tag "member". */
export function memberRoutes(app: ApiApp, context: ApiContext): void {
  readRoutes(app, context);
  changeRoutes(app, context);
}

/** The numbers of people and groups by their names. */
interface Numbers {
  readonly account: ReadonlyMap<string, number>;
  readonly group: ReadonlyMap<string, number>;
}

async function numbersOf({ accounts: { people, groups } }: ApiContext): Promise<Numbers> {
  const numbered = (list: readonly { readonly name: string; readonly number: number }[]): Map<string, number> =>
    new Map(list.map(({ name, number }) => [name, number]));
  return { account: numbered(await people.list()), group: numbered(await groups.list()) };
}

function readRoutes(app: ApiApp, context: ApiContext): void {
  const { accounts } = context;
  app.get(
    "/projects/:project/members",
    {
      config: faithful("write"),
      schema: { params: projectParams, querystring: listQuery.extend({ entityname: z.string().max(255).default("") }) },
    },
    async (request, reply) => {
      const project = await foundProject(context, request, { ...request.params, action: "list" });
      const { entityname } = request.query;
      const members = (await accounts.members.list(project.name)).filter(({ name }) => name.includes(entityname));
      const numbers = await numbersOf(context);
      return await sendSlice(reply, members, (member) => shown(member, project.id, numbers));
    },
  );
  app.get("/projects/:project/members/:member", { config: faithful("write"), schema: { params } }, async (request) => {
    const project = await foundProject(context, request, { ...request.params, action: "list" });
    const member = await found(context, project.name, request.params.member);
    return shown(member, project.id, await numbersOf(context));
  });
}

async function found({ accounts }: ApiContext, project: string, id: number): Promise<MemberRecord> {
  const member = (await accounts.members.list(project)).find((one) => one.id === id);
  if (member === undefined) throw notFound(`the project member with ID ${id} not found`);
  return member;
}

function shown({ id, kind, name, role }: MemberRecord, project: number, numbers: Numbers): unknown {
  return {
    id,
    project_id: project,
    entity_name: name,
    role_name: role,
    role_id: idOfRole(role),
    entity_id: numbers[kind].get(name) ?? 0,
    entity_type: kind === "group" ? "g" : "u",
  };
}

function changeRoutes(app: ApiApp, context: ApiContext): void {
  const { accounts } = context;
  app.post(
    "/projects/:project/members",
    {
      config: reduced("write", "people and groups must be there: none is made by this"),
      schema: { params: projectParams, body: newMember },
    },
    async (request, reply) => {
      const { body, caller } = request;
      const { name: project } = await foundProject(context, request, { ...request.params, action: "members" });
      const subject = await subjectOf(context, body);
      const role = knownRole(body.role_id);
      if ((await accounts.members.list(project)).some((one) => one.kind === subject.kind && one.name === subject.name))
        throw new HarborRefusal(409, "CONFLICT", `the project member ${subject.name} already exists`);
      const { id } = await accounts.members.put({ project, ...subject, role, actor: caller });
      return await sendCreated(request, reply, id);
    },
  );
  app.put(
    "/projects/:project/members/:member",
    { config: faithful("write"), schema: { params, body: z.object({ role_id: z.number().int() }) } },
    async (request, reply) => {
      const { name: project } = await foundProject(context, request, { ...request.params, action: "members" });
      const { kind, name } = await found(context, project, request.params.member);
      const role = knownRole(request.body.role_id);
      await accounts.members.put({ project, kind, name, role, actor: request.caller });
      return await sendDone(reply);
    },
  );
  app.delete(
    "/projects/:project/members/:member",
    { config: faithful("write"), schema: { params } },
    async (request, reply) => {
      const { name: project } = await foundProject(context, request, { ...request.params, action: "members" });
      const { id } = await found(context, project, request.params.member);
      await accounts.members.remove({ project, id, actor: request.caller });
      return await sendDone(reply);
    },
  );
}

function knownRole(id: number): string {
  const role = roleOfId(id);
  if (role === undefined) throw badRequest(`invalid role id ${id}`);
  return role;
}

async function subjectOf(
  context: ApiContext,
  { member_user: user, member_group: group }: z.output<typeof newMember>,
): Promise<Pick<MemberRecord, "kind" | "name">> {
  const kind = group === null || group === undefined ? "account" : "group";
  const given = kind === "group" ? group?.group_name : user?.username;
  const id = kind === "group" ? group?.id : user?.user_id;
  const numbers = (await numbersOf(context))[kind];
  const name = given ?? [...numbers].find(([, number]) => number === id)?.[0];
  if (name === undefined || name === "") throw badRequest("the body names neither a user nor a group that is there");
  return { kind, name };
}
