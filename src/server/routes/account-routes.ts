import { z } from "zod";
import { isoSeconds } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import type { Caller } from "../access.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { problemSchema } from "../schemas.ts";
import {
  accountChangeSchema,
  accountListSchema,
  accountSchema,
  createdAccountSchema,
  newAccountSchema,
  passwordChangeSchema,
  whoamiSchema,
} from "./identity-schemas.ts";
import { removedSchema } from "./lifetime-schemas.ts";
import { abilities } from "./project-routes.ts";

const params = z.object({ name: z.string().min(1).max(200) });
const tags = ["accounts"];
const errors = { 403: problemSchema, 404: problemSchema, 409: problemSchema };

/** The accounts of people, and who the caller is. */
export function accountRoutes(app: ApiApp, context: ApiContext): void {
  whoamiRoute(app, context);
  listRoutes(app, context);
  changeRoutes(app, context);
  passwordRoute(app, context);
}

function whoamiRoute(app: ApiApp, { accounts: { projects } }: ApiContext): void {
  app.get(
    "/whoami",
    {
      config: { need: "read" },
      schema: {
        operationId: "whoami",
        tags,
        summary: "Who you are, and what you may do in which project",
        response: { 200: whoamiSchema },
      },
    },
    async ({ caller }) => {
      const { name, role, groups, isToken = false, endsAt } = caller;
      const seen = (await projects.list()).filter((project) => caller.sees(project.name));
      return {
        name,
        role,
        groups,
        isToken,
        ...(endsAt === undefined ? {} : { endsAt: isoSeconds(endsAt) }),
        projects: seen.map((project) => ({
          name: project.name,
          isPublic: project.isPublic,
          may: abilities(caller, project.name),
        })),
      };
    },
  );
}

function listRoutes(app: ApiApp, { accounts: { people } }: ApiContext): void {
  app.get(
    "/accounts",
    {
      config: { need: "administrator" },
      schema: { operationId: "listAccounts", tags, summary: "List people", response: { 200: accountListSchema } },
    },
    async () => ({ accounts: (await people.list()).map(({ number: id, ...person }) => ({ id, ...person })) }),
  );
  app.post(
    "/accounts",
    {
      config: { need: "administrator" },
      schema: {
        operationId: "createAccount",
        tags,
        summary: "Make a person's account; a password that is not given is made and told once",
        body: newAccountSchema,
        response: { 201: createdAccountSchema, ...errors },
      },
    },
    async ({ body, caller }, reply) => await reply.code(201).send(await people.create({ ...body, actor: caller })),
  );
}

function changeRoutes(app: ApiApp, { accounts: { people } }: ApiContext): void {
  app.post(
    "/accounts/:name",
    {
      config: { need: "administrator" },
      schema: {
        operationId: "changeAccount",
        tags,
        summary: "Change address, administration or state of an account",
        params,
        body: accountChangeSchema,
        response: { 200: accountSchema, ...errors },
      },
    },
    async ({ params: { name }, body, caller }) => {
      const { number: id, ...person } = await people.change({ name, ...body, actor: caller });
      return { id, ...person };
    },
  );
  app.delete(
    "/accounts/:name",
    {
      config: { need: "administrator" },
      schema: {
        operationId: "deleteAccount",
        tags,
        summary: "Remove an account with its roles and tokens",
        params,
        response: { 200: removedSchema, ...errors },
      },
    },
    async ({ params: { name }, caller }) => ({ removed: await people.remove(name, caller) }),
  );
}

function passwordRoute(app: ApiApp, context: ApiContext): void {
  app.post(
    "/accounts/:name/password",
    {
      config: { need: "write" },
      schema: {
        operationId: "setPassword",
        tags,
        summary: "Set a password: your own with the one before, anybody's as the administrator",
        params,
        body: passwordChangeSchema,
        response: { 200: createdAccountSchema, 401: problemSchema, ...errors },
      },
    },
    async ({ params: { name }, body: { password, currentPassword }, caller, ip }) => {
      if (!(await mayChangePassword(context, caller, { name, currentPassword, address: ip })))
        throw new Failure(
          "forbidden",
          `Cannot set the password of "${name}": it takes the administrator, or its owner with the one before`,
        );
      const made = await context.accounts.people.setPassword({ name, password, actor: caller });
      return { name, ...made };
    },
  );
}

interface PasswordWish {
  readonly name: string;
  readonly currentPassword: string | undefined;
  readonly address: string;
}

/** A stolen session is not enough for a person's own password; guesses here count as any other. */
async function mayChangePassword(
  { accounts }: ApiContext,
  caller: Caller,
  { name, currentPassword, address }: PasswordWish,
): Promise<boolean> {
  const isOwn = caller.name === name && caller.role !== "robot" && caller.isToken !== true;
  if (!isOwn || currentPassword === undefined) return caller.role === "administrator" && caller.name !== name;
  const header = `Basic ${Buffer.from(`${name}:${currentPassword}`).toString("base64")}`;
  const proven = await accounts.authenticate(header, address);
  return proven?.name === name && proven.isToken !== true;
}
