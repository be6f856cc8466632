import type { ApiApp, ApiContext } from "../api-app.ts";
import { problemSchema } from "../schemas.ts";
import { acceptedJobSchema } from "./job-schemas.ts";
import { newExportSchema, newImportSchema } from "./movement-schemas.ts";

const tags = ["archives"];
const config = { need: "administrator" } as const;

/** Images carried by hand; the files are the server's, so all of it is the administrator's. */
export function archiveRoutes(app: ApiApp, { factory }: ApiContext): void {
  app.post(
    "/archives/export",
    {
      config,
      schema: {
        operationId: "exportImages",
        tags,
        summary: "Write images with everything that belongs to them into an archive",
        body: newExportSchema,
        response: { 202: acceptedJobSchema, 400: problemSchema },
      },
    },
    async ({ body, caller }, reply) =>
      await reply.code(202).send({ id: await factory.movement.archives.export({ ...body, actor: caller.name }) }),
  );
  app.post(
    "/archives/import",
    {
      config,
      schema: {
        operationId: "importImages",
        tags,
        summary: "Take an archive in, once all of it is verified",
        body: newImportSchema,
        response: { 202: acceptedJobSchema, 400: problemSchema },
      },
    },
    async ({ body, caller }, reply) =>
      await reply
        .code(202)
        .send({ id: await factory.movement.archives.import({ ...body, into: body.into, actor: caller.name }) }),
  );
}
