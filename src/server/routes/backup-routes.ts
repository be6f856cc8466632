import { isAbsolute } from "node:path";
import { z } from "zod";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { problemSchema } from "../schemas.ts";
import { acceptedJobSchema } from "./job-schemas.ts";

const folder = z
  .string()
  .min(1)
  .refine(isAbsolute, "must be an absolute path")
  .describe("A folder of the server's machine");

const newBackupSchema = z
  .object({
    folder,
    keepCount: z.int().min(1).max(10_000).optional().describe("Older backups go when the new one is complete"),
    withKeys: z.boolean().default(true).describe("Whether keys and the administrator's password file are in it"),
  })
  .meta({ id: "NewBackup" });

const backupPlaceSchema = z
  .object({ folder, id: z.string().optional().describe("The newest one by default") })
  .meta({ id: "BackupPlace" });

const backupListSchema = z
  .object({
    backups: z.array(
      z.object({
        id: z.string(),
        madeAt: z.string(),
        blobs: z.object({ count: z.int(), sizeBytes: z.int(), addedCount: z.int(), addedBytes: z.int() }),
        damaged: z.array(z.string()),
      }),
    ),
  })
  .meta({ id: "BackupList" });

/** Backups of the data folder; folders are the server's, so all of it is the administrator's. */
export function backupRoutes(app: ApiApp, { factory: { backups } }: ApiContext): void {
  app.post(
    "/backups",
    {
      config: { need: "administrator" },
      schema: {
        operationId: "startBackup",
        tags: ["backups"],
        summary: "Back the data folder up while it is in use",
        body: newBackupSchema,
        response: { 202: acceptedJobSchema, 403: problemSchema },
      },
    },
    async ({ body, caller }, reply) =>
      await reply.code(202).send({ id: await backups.start({ ...body, actor: caller.name }) }),
  );
  app.post(
    "/backups/proof",
    {
      config: { need: "administrator" },
      schema: {
        operationId: "proveBackup",
        tags: ["backups"],
        summary: "Hash everything that a backup is made of",
        body: backupPlaceSchema,
        response: { 202: acceptedJobSchema, 403: problemSchema },
      },
    },
    async ({ body }, reply) => await reply.code(202).send({ id: await backups.prove(body.folder, body.id) }),
  );
  app.get(
    "/backups",
    {
      config: { need: "administrator" },
      schema: {
        operationId: "listBackups",
        tags: ["backups"],
        summary: "List the backups of a folder, newest first",
        querystring: z.object({ folder }),
        response: { 200: backupListSchema, 404: problemSchema },
      },
    },
    async ({ query }) => ({
      backups: (await backups.list(query.folder)).map(({ id, madeAt, blobs, damaged }) => ({
        id,
        madeAt,
        blobs: {
          count: blobs.count,
          sizeBytes: blobs.sizeBytes,
          addedCount: blobs.addedCount,
          addedBytes: blobs.addedBytes,
        },
        damaged,
      })),
    }),
  );
}
