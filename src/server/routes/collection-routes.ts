import { isoSeconds } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import type { Digest } from "../../model/digest.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { problemSchema } from "../schemas.ts";
import {
  collectionPlanSchema,
  collectionRunListSchema,
  explainParamsSchema,
  explanationSchema,
  newCollectionSchema,
  newScrubSchema,
  restoredSchema,
  restoreWishSchema,
  trashSchema,
} from "./collection-schemas.ts";
import { acceptedJobSchema } from "./job-schemas.ts";

const tags = ["collection"];

/** Garbage collection, its trash, and scrubbing. */
export function collectionRoutes(app: ApiApp, context: ApiContext): void {
  runRoutes(app, context);
  reportRoutes(app, context);
  explainRoute(app, context);
  trashRoutes(app, context);
}

function runRoutes(app: ApiApp, { factory: { collection } }: ApiContext): void {
  app.post(
    "/gc",
    {
      config: { need: "administrator" },
      schema: {
        operationId: "startCollection",
        tags,
        summary: "Collect garbage, or find out what would go",
        body: newCollectionSchema,
        response: { 202: acceptedJobSchema, 403: problemSchema },
      },
    },
    async ({ body, caller }, reply) => {
      const { dryRun, deleteUntagged } = body;
      const id = await collection.start({
        actor: caller.name,
        ...(dryRun === undefined ? {} : { dryRun }),
        ...(deleteUntagged === undefined ? {} : { deleteUntagged }),
        ...milliseconds("graceMs", body.graceSeconds),
        ...milliseconds("untaggedMs", body.untaggedSeconds),
        ...milliseconds("trashMs", body.trashSeconds),
        ...milliseconds("uploadMs", body.uploadSeconds),
      });
      return await reply.code(202).send({ id });
    },
  );
  app.post(
    "/scrub",
    {
      config: { need: "administrator" },
      schema: {
        operationId: "startScrub",
        tags,
        summary: "Read every blob and compare it with its digest",
        body: newScrubSchema,
        response: { 202: acceptedJobSchema, 403: problemSchema },
      },
    },
    async ({ body: { from, megabytesPerSecond }, caller }, reply) => {
      const id = await collection.startScrub({
        actor: caller.name,
        ...(from === undefined ? {} : { from }),
        ...(megabytesPerSecond === undefined ? {} : { bytesPerSecond: megabytesPerSecond * 1_000_000 }),
      });
      return await reply.code(202).send({ id });
    },
  );
}

function milliseconds<Name extends string>(name: Name, seconds: number | undefined): { [Key in Name]?: number } {
  return seconds === undefined ? {} : ({ [name]: seconds * 1000 } as { [Key in Name]: number });
}

function reportRoutes(app: ApiApp, { factory: { collection } }: ApiContext): void {
  app.get(
    "/gc/runs",
    {
      config: { need: "administrator" },
      schema: {
        operationId: "listCollections",
        tags,
        summary: "List collections and scrubs, newest first",
        response: { 200: collectionRunListSchema },
      },
    },
    async () => ({
      runs: (await collection.runs()).map((run) => ({
        id: run.id,
        kind: run.kind,
        actor: run.actor,
        phase: run.phase,
        report: run.report as Record<string, unknown>,
        startedAt: isoSeconds(run.startedAt),
        ...(run.endedAt === undefined ? {} : { endedAt: isoSeconds(run.endedAt) }),
        ...(run.outcome === undefined ? {} : { outcome: run.outcome }),
      })),
    }),
  );
  app.get(
    "/gc/plan",
    {
      config: { need: "administrator" },
      schema: {
        operationId: "showCollectionPlan",
        tags,
        summary: "Show what the last dry run would have taken, the first thousand",
        response: { 200: collectionPlanSchema },
      },
    },
    async () => ({
      items: (await collection.plan()).map(({ repository, ...item }) => ({
        ...item,
        ...(repository === "" ? {} : { repository }),
      })),
    }),
  );
}

function explainRoute(app: ApiApp, { factory: { collection } }: ApiContext): void {
  app.get(
    "/gc/explain/:digest",
    {
      config: { need: "read" },
      schema: {
        operationId: "explainDigest",
        tags,
        summary: "Tell why a blob or manifest stays, or that it does not",
        params: explainParamsSchema,
        response: { 200: explanationSchema },
      },
    },
    async ({ params, caller }) => {
      const { digest, sizeBytes, places, trash } = await collection.explain(params.digest as Digest);
      const isAdministrator = caller.role === "administrator";
      const maySee = (repository: string): boolean =>
        isAdministrator || (repository !== "" && caller.may("list", repository));
      const seen = places.filter(({ repository }) => maySee(repository));
      return {
        digest,
        // That the store has bytes says something about repositories that the caller must not know of.
        ...(sizeBytes === undefined || (seen.length === 0 && !isAdministrator) ? {} : { sizeBytes }),
        places: seen.map((place) => ({ ...place, path: [...place.path] })),
        trash: trash.filter(({ repository }) => maySee(repository)),
      };
    },
  );
}

function trashRoutes(app: ApiApp, { factory: { collection } }: ApiContext): void {
  app.get(
    "/gc/trash",
    {
      config: { need: "write" },
      schema: {
        operationId: "listTrash",
        tags,
        summary: "List what was collected or deleted and can come back",
        response: { 200: trashSchema },
      },
    },
    async ({ caller }) => {
      const trash = await collection.trash();
      const maySee = ({ repository }: { repository: string }): boolean => caller.may("lifetime", repository);
      const manifests = trash.manifests.filter(maySee);
      const blobs = trash.blobs.filter(maySee);
      const isAdministrator = caller.role === "administrator";
      return {
        manifests: manifests.map(({ trashedAt, ...one }) => ({
          ...one,
          tags: [...one.tags],
          trashedAt: isoSeconds(trashedAt),
        })),
        blobs: blobs.map(({ trashedAt, ...one }) => ({ ...one, trashedAt: isoSeconds(trashedAt) })),
        // How much others have thrown away is nothing to those who rule over some repositories.
        manifestCount: isAdministrator ? trash.manifestCount : manifests.length,
        blobCount: isAdministrator ? trash.blobCount : blobs.length,
      };
    },
  );
  app.post(
    "/gc/restore",
    {
      config: { need: "write" },
      schema: {
        operationId: "restoreFromTrash",
        tags,
        summary: "Put a manifest back with its tags and all that belongs to it, or a blob",
        body: restoreWishSchema,
        response: { 200: restoredSchema, 403: problemSchema, 404: problemSchema },
      },
    },
    async ({ body: { digest, repository }, caller }) => {
      if (caller.role !== "administrator" && (repository === undefined || !caller.may("lifetime", repository)))
        throw new Failure("forbidden", `Cannot restore "${digest}" as "${caller.name}"`, {
          hint: "Name a repository whose lifetime you rule over",
        });
      const restored = await collection.restore({ digest: digest as Digest, repository, actor: caller.name });
      return {
        repository: restored.repository,
        digests: [...restored.digests],
        tags: [...restored.tags],
        takenTags: [...restored.takenTags],
      };
    },
  );
}
