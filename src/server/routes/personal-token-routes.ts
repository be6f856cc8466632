import { z } from "zod";
import { Failure } from "../../base/errors.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { problemSchema } from "../schemas.ts";
import { createdTokenSchema, newTokenSchema, tokenListSchema } from "./identity-schemas.ts";
import { removedSchema } from "./lifetime-schemas.ts";

const tags = ["tokens"];
const errors = { 403: problemSchema, 404: problemSchema };

/** Tokens that people use in place of their passwords. */
export function personalTokenRoutes(app: ApiApp, { accounts: { tokens } }: ApiContext): void {
  app.get(
    "/tokens",
    {
      config: { need: "write" },
      schema: {
        operationId: "listTokens",
        tags,
        summary: "List your personal tokens; the administrator sees all",
        querystring: z.object({ account: z.string().max(200).optional().describe("Only of this account") }),
        response: { 200: tokenListSchema, ...errors },
      },
    },
    async ({ query: { account }, caller }) => {
      const isAdmin = caller.role === "administrator";
      if (!isAdmin && account !== undefined && account !== caller.name)
        throw new Failure("forbidden", `Cannot list the tokens of "${account}" as "${caller.name}"`);
      return { tokens: await tokens.list(isAdmin ? account : caller.name) };
    },
  );
  app.post(
    "/tokens",
    {
      config: { need: "write" },
      schema: {
        operationId: "createToken",
        tags,
        summary: "Make a personal token; its secret is in this answer and nowhere else",
        body: newTokenSchema,
        response: { 201: createdTokenSchema, ...errors },
      },
    },
    async ({ body, caller }, reply) => {
      const account = body.account ?? caller.name;
      return await reply.code(201).send(await tokens.create({ ...body, account, actor: caller }));
    },
  );
  app.delete(
    "/tokens/:id",
    {
      config: { need: "write" },
      schema: {
        operationId: "revokeToken",
        tags,
        summary: "End a personal token at once",
        params: z.object({ id: z.string().min(1).max(64) }),
        response: { 200: removedSchema, ...errors },
      },
    },
    async ({ params: { id }, caller }) => {
      if (!(await tokens.revoke(id, caller))) throw new Failure("not_found", `Cannot find the token "${id}"`);
      return { removed: true };
    },
  );
}
