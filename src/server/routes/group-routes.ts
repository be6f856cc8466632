import { z } from "zod";
import { starterRoles } from "../../auth/auth.ts";
import { isoSeconds } from "../../base/clock.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { problemSchema } from "../schemas.ts";
import {
  groupListSchema,
  groupMemberSchema,
  newGroupSchema,
  newRoleSchema,
  roleListSchema,
  roleSchema,
} from "./identity-schemas.ts";
import { removedSchema } from "./lifetime-schemas.ts";

const params = z.object({ name: z.string().min(1).max(200) });
const errors = { 403: problemSchema, 404: problemSchema, 409: problemSchema };

/** Groups of people and roles in projects. */
export function groupRoutes(app: ApiApp, context: ApiContext): void {
  groupListRoutes(app, context);
  groupMemberRoutes(app, context);
  roleRoutes(app, context);
}

const groupTags = ["groups"];

function groupListRoutes(app: ApiApp, { accounts: { groups } }: ApiContext): void {
  app.get(
    "/groups",
    {
      config: { need: "administrator" },
      schema: {
        operationId: "listGroups",
        tags: groupTags,
        summary: "List groups with their members",
        response: { 200: groupListSchema },
      },
    },
    async () => ({
      groups: (await groups.list()).map(({ number: id, createdAt, ...group }) => ({
        id,
        ...group,
        createdAt: isoSeconds(createdAt),
      })),
    }),
  );
  app.post(
    "/groups",
    {
      config: { need: "administrator" },
      schema: {
        operationId: "createGroup",
        tags: groupTags,
        summary: "Make a group; the members of an external one come with each sign-in",
        body: newGroupSchema,
        response: { 201: newGroupSchema, ...errors },
      },
    },
    async ({ body, caller }, reply) => {
      await groups.create({ ...body, actor: caller });
      return await reply.code(201).send(body);
    },
  );
  app.delete(
    "/groups/:name",
    {
      config: { need: "administrator" },
      schema: {
        operationId: "deleteGroup",
        tags: groupTags,
        summary: "Remove a group and its roles",
        params,
        response: { 200: removedSchema, ...errors },
      },
    },
    async ({ params: { name }, caller }) => ({ removed: await groups.remove(name, caller) }),
  );
}

function groupMemberRoutes(app: ApiApp, { accounts: { groups } }: ApiContext): void {
  app.post(
    "/groups/:name/members",
    {
      config: { need: "administrator" },
      schema: {
        operationId: "addGroupMember",
        tags: groupTags,
        summary: "Put a person into a group",
        params,
        body: groupMemberSchema,
        response: { 200: groupMemberSchema, ...errors },
      },
    },
    async ({ params: { name }, body, caller }) => {
      await groups.move({ group: name, account: body.account, isMember: true, actor: caller });
      return body;
    },
  );
  app.delete(
    "/groups/:name/members/:account",
    {
      config: { need: "administrator" },
      schema: {
        operationId: "removeGroupMember",
        tags: groupTags,
        summary: "Take a person out of a group",
        params: params.extend({ account: z.string().min(1).max(200) }),
        response: { 200: removedSchema, ...errors },
      },
    },
    async ({ params: { name, account }, caller }) => {
      await groups.move({ group: name, account, isMember: false, actor: caller });
      return { removed: true };
    },
  );
}

const roleTags = ["roles"];

function roleRoutes(app: ApiApp, { accounts: { members, projects } }: ApiContext): void {
  app.get(
    "/roles",
    {
      config: { need: "read" },
      schema: {
        operationId: "listRoles",
        tags: roleTags,
        summary: "List roles with what they allow",
        response: { 200: roleListSchema },
      },
    },
    async ({ caller }) => {
      // Their names would tell of projects that the caller does not see.
      const unseen = (await projects.list()).filter(({ name }) => !caller.sees(name));
      const hidden = new Set(unseen.flatMap(({ name }) => starterRoles(name)));
      return { roles: (await members.roles()).filter(({ name }) => !hidden.has(name)) };
    },
  );
  app.post(
    "/roles",
    {
      config: { need: "administrator" },
      schema: {
        operationId: "createRole",
        tags: roleTags,
        summary: "Make a role",
        body: newRoleSchema,
        response: { 201: roleSchema, ...errors },
      },
    },
    async ({ body, caller }, reply) => await reply.code(201).send(await members.createRole({ ...body, actor: caller })),
  );
  app.delete(
    "/roles/:name",
    {
      config: { need: "administrator" },
      schema: {
        operationId: "deleteRole",
        tags: roleTags,
        summary: "Remove a role that nobody has",
        params,
        response: { 200: removedSchema, ...errors },
      },
    },
    async ({ params: { name }, caller }) => ({ removed: await members.removeRole(name, caller) }),
  );
}
