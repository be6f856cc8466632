import type { ApiApp, ApiContext } from "../api-app.ts";
import { problemSchema } from "../schemas.ts";
import { acceptedJobSchema } from "./job-schemas.ts";
import {
  newMirrorCleaningSchema,
  newMirrorExportSchema,
  newMirrorImportSchema,
  newMirrorPrefetchSchema,
} from "./mirror-schemas.ts";

const tags = ["mirrors"];
const config = { need: "administrator" } as const;
const response = { 202: acceptedJobSchema, 400: problemSchema };

/** What is done for the package mirror as durable work; files are the server's, so all of it is the administrator's. */
export function mirrorCareRoutes(app: ApiApp, context: ApiContext): void {
  upkeepRoutes(app, context);
  archiveRoutes(app, context);
}

function upkeepRoutes(app: ApiApp, { factory }: ApiContext): void {
  app.post(
    "/mirrors/-/cleanings",
    {
      config,
      schema: {
        operationId: "cleanMirrors",
        tags,
        summary: "Take away what was fetched and nobody used, unless a lock or an image names it",
        body: newMirrorCleaningSchema,
        response,
      },
    },
    async ({ body, caller }, reply) =>
      await reply.code(202).send({ id: await factory.mirrorCare.startClean({ ...body, actor: caller.name }) }),
  );
  app.post(
    "/mirrors/-/prefetches",
    {
      config,
      schema: {
        operationId: "prefetchMirrors",
        tags,
        summary: "Fetch everything that a lock file names",
        body: newMirrorPrefetchSchema,
        response,
      },
    },
    async ({ body, caller }, reply) =>
      await reply.code(202).send({ id: await factory.mirrorCare.startPrefetch({ ...body, actor: caller.name }) }),
  );
}

function archiveRoutes(app: ApiApp, { factory }: ApiContext): void {
  app.post(
    "/mirrors/-/exports",
    {
      config,
      schema: {
        operationId: "exportMirrors",
        tags,
        summary: "Write repositories with all that they hold into an archive",
        body: newMirrorExportSchema,
        response,
      },
    },
    async ({ body, caller }, reply) =>
      await reply.code(202).send({ id: await factory.mirrorCare.startExport({ ...body, actor: caller.name }) }),
  );
  app.post(
    "/mirrors/-/imports",
    {
      config,
      schema: {
        operationId: "importMirrors",
        tags,
        summary: "Take an archive of repositories in, once all of it is verified",
        body: newMirrorImportSchema,
        response,
      },
    },
    async ({ body, caller }, reply) =>
      await reply.code(202).send({ id: await factory.mirrorCare.startImport({ ...body, actor: caller.name }) }),
  );
}
