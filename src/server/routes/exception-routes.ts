import { z } from "zod";
import { createException, expireException, listExceptions } from "../../store/exception-records.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { exceptionListSchema, exceptionSchema, newExceptionSchema, problemSchema, reasonSchema } from "../schemas.ts";

/** Dated permissions to ignore a finding. */
export function exceptionRoutes(app: ApiApp, { factory: { store } }: ApiContext): void {
  app.get(
    "/exceptions",
    {
      config: { need: "read" },
      schema: {
        operationId: "listExceptions",
        tags: ["exceptions"],
        summary: "List exceptions, ended ones too",
        response: { 200: exceptionListSchema },
      },
    },
    async () => ({ exceptions: await listExceptions(store.db) }),
  );
  app.post(
    "/exceptions",
    {
      config: { need: "administrator" },
      schema: {
        operationId: "createException",
        tags: ["exceptions"],
        summary: "Allow a finding until a date, with a reason",
        body: newExceptionSchema,
        response: { 201: exceptionSchema, 403: problemSchema, 422: problemSchema },
      },
    },
    async ({ body, caller }, reply) => {
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
      config: { need: "administrator" },
      schema: {
        operationId: "endException",
        tags: ["exceptions"],
        summary: "End an exception now",
        params: z.object({ id: z.uuid() }),
        body: reasonSchema,
        response: { 200: exceptionSchema, 403: problemSchema, 404: problemSchema },
      },
    },
    ({ params: { id }, body, caller }) =>
      store.transaction((db) => expireException(db, id, { actor: caller.name, reason: body.reason })),
  );
}
