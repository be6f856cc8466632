import { z } from "zod";
import { Failure } from "../../base/errors.ts";
import { createException, expireException, findException, listExceptions } from "../../store/exception-records.ts";
import type { Caller } from "../access.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { exceptionListSchema, exceptionSchema, newExceptionSchema, problemSchema, reasonSchema } from "../schemas.ts";

/** Dated permissions to ignore a finding. */
export function exceptionRoutes(app: ApiApp, context: ApiContext): void {
  listRoute(app, context);
  changeRoutes(app, context);
}

function listRoute(app: ApiApp, { factory: { store } }: ApiContext): void {
  app.get(
    "/exceptions",
    {
      config: { need: "read" },
      schema: {
        operationId: "listExceptions",
        tags: ["exceptions"],
        summary: "List exceptions, ended ones too; those of repositories that you may not list are left out",
        response: { 200: exceptionListSchema },
      },
    },
    async ({ caller }) => ({ exceptions: (await listExceptions(store.db)).filter((one) => maySee(caller, one)) }),
  );
}

function changeRoutes(app: ApiApp, { factory: { store } }: ApiContext): void {
  app.post(
    "/exceptions",
    {
      config: { need: "write" },
      schema: {
        operationId: "createException",
        tags: ["exceptions"],
        summary: "Allow a finding until a date, with a reason; without a repository it takes the administrator",
        body: newExceptionSchema,
        response: { 201: exceptionSchema, 403: problemSchema, 422: problemSchema },
      },
    },
    async ({ body, caller }, reply) => {
      mayRule(caller, body.repository);
      const exception = await store.transaction((db) =>
        createException(db, {
          vulnerability: body.vulnerability,
          package: body.package,
          repository: body.repository,
          reason: body.reason,
          expiresAt: body.expiresAt,
          author: caller.name,
        }),
      );
      return await reply.code(201).send(exception);
    },
  );
  app.post(
    "/exceptions/:id/end",
    {
      config: { need: "write" },
      schema: {
        operationId: "endException",
        tags: ["exceptions"],
        summary: "End an exception now",
        params: z.object({ id: z.uuid() }),
        body: reasonSchema,
        response: { 200: exceptionSchema, 403: problemSchema, 404: problemSchema },
      },
    },
    async ({ params: { id }, body, caller }) =>
      await store.transaction(async (db) => {
        const found = await findException(db, id);
        if (found === undefined || !maySee(caller, found))
          throw new Failure("not_found", `Cannot find the exception "${id}"`);
        mayRule(caller, found.repository);
        return await expireException(db, id, { actor: caller.name, reason: body.reason });
      }),
  );
}

/**
 * Lets those through who have the ability `exceptions` in the project of the one repository that it is about.
 *
 * @throws Failure `forbidden`
 */
function mayRule(caller: Caller, repository: string | undefined): void {
  if (caller.role === "administrator") return;
  if (repository !== undefined && caller.may("exceptions", repository)) return;
  throw new Failure(
    "forbidden",
    `Cannot rule over exceptions of ${repository === undefined ? "all repositories" : `"${repository}"`} as "${caller.name}"`,
    {
      hint: "One for all repositories is the administrator's; one for a repository takes the ability `exceptions` in its project",
    },
  );
}

/** One for every repository concerns everybody. */
function maySee(caller: Caller, { repository }: { readonly repository?: string | undefined }): boolean {
  return repository === undefined || caller.may("list", repository);
}
