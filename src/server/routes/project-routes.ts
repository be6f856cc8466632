import { z } from "zod";
import { bootstrapProject } from "../../auth/auth.ts";
import { isoSeconds } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import { projectActions } from "../../model/permission.ts";
import type { ProjectRecord } from "../../store/projects-records.ts";
import type { Caller } from "../access.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { problemSchema } from "../schemas.ts";
import {
  bootstrapSchema,
  memberListSchema,
  memberSchema,
  newBootstrapSchema,
  newMemberSchema,
  newProjectSchema,
  projectListSchema,
  projectSchema,
  visibilitySchema,
} from "./identity-schemas.ts";
import { removedSchema } from "./lifetime-schemas.ts";

const params = z.object({ name: z.string().min(1).max(255) });
const tags = ["projects"];
const errors = { 403: problemSchema, 404: problemSchema, 409: problemSchema };

/** Projects, who sees them, and who has which role in them. */
export function projectRoutes(app: ApiApp, context: ApiContext): void {
  readRoutes(app, context);
  changeRoutes(app, context);
  removalRoutes(app, context);
  memberRoutes(app, context);
}

function readRoutes(app: ApiApp, { accounts: { projects } }: ApiContext): void {
  app.get(
    "/projects",
    {
      config: { need: "public" },
      schema: {
        operationId: "listProjects",
        tags,
        summary: "List the projects that you see",
        response: { 200: projectListSchema },
      },
    },
    async ({ caller }) => {
      const all = (await projects.list()).filter(({ name }) => caller.sees(name));
      return { projects: all.map((project) => shown(project, caller)) };
    },
  );
  app.get(
    "/projects/:name",
    {
      config: { need: "public" },
      schema: {
        operationId: "getProject",
        tags,
        summary: "Show one project",
        params,
        response: { 200: projectSchema, 404: problemSchema },
      },
    },
    async ({ params: { name }, caller }) => {
      const project = caller.sees(name) ? await projects.find(name) : undefined;
      return project === undefined ? missing(name) : shown(project, caller);
    },
  );
}

function changeRoutes(app: ApiApp, { accounts }: ApiContext): void {
  app.post(
    "/projects",
    {
      config: { need: "administrator" },
      schema: {
        operationId: "createProject",
        tags,
        summary: "Make a project; the first push into it does so too",
        body: newProjectSchema,
        response: { 201: projectSchema, ...errors },
      },
    },
    async ({ body, caller }, reply) =>
      await reply.code(201).send(shown(await accounts.projects.create({ ...body, actor: caller }), caller)),
  );
  app.post(
    "/projects/:name/visibility",
    {
      config: { need: "write" },
      schema: {
        operationId: "setProjectVisibility",
        tags,
        summary: "Open a project to everybody, or close it",
        params,
        body: visibilitySchema,
        response: { 200: projectSchema, ...errors },
      },
    },
    async ({ params: { name }, body: { isPublic }, caller }) => {
      mayInProject(caller, "settings", name);
      return shown(await accounts.projects.setPublic({ name, isPublic, actor: caller }), caller);
    },
  );
}

function removalRoutes(app: ApiApp, { accounts }: ApiContext): void {
  app.delete(
    "/projects/:name",
    {
      config: { need: "administrator" },
      schema: {
        operationId: "deleteProject",
        tags,
        summary: "Remove a project that holds no images, with its members and robots",
        params,
        response: { 200: removedSchema, ...errors },
      },
    },
    async ({ params: { name }, caller }) => {
      await accounts.projects.remove(name, caller);
      return { removed: true };
    },
  );
  app.post(
    "/projects/:name/bootstrap",
    {
      config: { need: "administrator" },
      schema: {
        operationId: "bootstrapProject",
        tags,
        summary: "Make a project with roles and robots for pushing, pulling and administration, as far as they lack",
        params,
        body: newBootstrapSchema,
        response: { 200: bootstrapSchema, ...errors },
      },
    },
    async ({ params: { name }, body: { expiresAt }, caller }) => ({
      robots: await bootstrapProject(accounts, { project: name, expiresAt, actor: caller }),
    }),
  );
}

function memberRoutes(app: ApiApp, { accounts: { members, projects } }: ApiContext): void {
  app.get(
    "/projects/:name/members",
    {
      config: { need: "write" },
      schema: {
        operationId: "listMembers",
        tags,
        summary: "List who has which role in a project",
        params,
        response: { 200: memberListSchema, ...errors },
      },
    },
    async ({ params: { name }, caller }) => {
      mayInProject(caller, "members", name);
      if ((await projects.find(name)) === undefined) missing(name);
      const list = await members.list(name);
      return { members: list.map((member) => ({ ...member, createdAt: isoSeconds(member.createdAt) })) };
    },
  );
  app.post(
    "/projects/:name/members",
    {
      config: { need: "write" },
      schema: {
        operationId: "putMember",
        tags,
        summary: "Give an account or group a role in a project, in place of the one that it had",
        params,
        body: newMemberSchema,
        response: { 200: memberSchema, ...errors },
      },
    },
    async ({ params: { name }, body, caller }) => {
      mayInProject(caller, "members", name);
      const member = await members.put({ project: name, ...body, actor: caller });
      return { ...member, createdAt: isoSeconds(member.createdAt) };
    },
  );
  app.delete(
    "/projects/:name/members/:id",
    {
      config: { need: "write" },
      schema: {
        operationId: "removeMember",
        tags,
        summary: "Take a role in a project away",
        params: params.extend({ id: z.coerce.number().int() }),
        response: { 200: removedSchema, ...errors },
      },
    },
    async ({ params: { name, id }, caller }) => {
      mayInProject(caller, "members", name);
      return { removed: await members.remove({ project: name, id, actor: caller }) };
    },
  );
}

/** What a caller does not see does not exist for it; what it sees it may still not be allowed to do. */
function mayInProject(caller: Caller, action: (typeof projectActions)[number], project: string): void {
  if (caller.may(action, project)) return;
  if (!caller.sees(project)) missing(project);
  throw new Failure("forbidden", `Cannot do this in "${project}" as "${caller.name}": it lacks the ability ${action}`);
}

/** What a caller may do in a whole project. */
export function abilities(caller: Caller, project: string): readonly (typeof projectActions)[number][] {
  return projectActions.filter((action) => caller.may(action, project));
}

function shown(project: ProjectRecord, caller: Caller): z.output<typeof projectSchema> {
  const { id, name, isPublic, createdAt, createdBy } = project;
  return { id, name, isPublic, createdAt: isoSeconds(createdAt), createdBy, may: abilities(caller, name) };
}

function missing(name: string): never {
  throw new Failure("not_found", `Cannot find the project "${name}"`, {
    hint: "`mintmark project list` shows those that you see",
  });
}
