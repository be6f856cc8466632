import { z } from "zod";
import { Failure } from "../../base/errors.ts";
import type { ImageSummary } from "../../pipeline/factory.ts";
import type { Caller } from "../access.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import {
  differenceSchema,
  imageListSchema,
  imageSchema,
  problemSchema,
  sbomSchema,
  scanSchema,
  verdictSchema,
  verificationSchema,
  whySchema,
} from "../schemas.ts";

const params = z.object({ id: z.string().min(1).describe("A digest, or repository:tag; slashes need no escape") });
const errors = { 401: problemSchema, 404: problemSchema };

/** The images on record: each caller lists those that it may list, and asks about those that it may list or pull. */
export function imageRoutes(app: ApiApp, context: ApiContext): void {
  app.get(
    "/images",
    {
      config: { need: "public" },
      schema: {
        operationId: "listImages",
        tags: ["images"],
        summary: "List the golden images, newest first",
        querystring: z.object({
          repository: z.string().optional().describe("Only of this repository"),
          limit: z.coerce.number().int().min(1).max(1000).default(100),
          offset: z.coerce.number().int().min(0).default(0),
        }),
        response: { 200: imageListSchema, 401: problemSchema },
      },
    },
    async ({ query, caller }) => {
      const all = (await context.factory.images()).filter(
        ({ repository }) =>
          (query.repository === undefined || repository === query.repository) && caller.may("list", repository),
      );
      const sorted = all.toSorted((a, b) => (a.builtAt < b.builtAt ? 1 : a.builtAt > b.builtAt ? -1 : 0));
      return { total: all.length, images: sorted.slice(query.offset, query.offset + query.limit) };
    },
  );
  app.get(
    "/images/:id",
    {
      config: { need: "public" },
      schema: {
        operationId: "getImage",
        tags: ["images"],
        summary: "Show one image",
        params,
        response: { 200: imageSchema, ...errors },
      },
    },
    (request) => found(context, request),
  );
  sbomRoute(app, context);
  answerRoutes(app, context);
}

function sbomRoute(app: ApiApp, context: ApiContext): void {
  app.get(
    "/images/:id/sbom",
    {
      config: { need: "public" },
      schema: {
        operationId: "getSbom",
        tags: ["images"],
        summary: "The bill of materials of an image",
        params,
        querystring: z.object({ format: z.enum(["cyclonedx", "spdx"]).default("cyclonedx") }),
        response: { 200: sbomSchema, ...errors },
      },
    },
    async (request, reply) => {
      const { format } = request.query;
      const text = await context.factory.sbom(idOf(await found(context, request)), format);
      const type = format === "cyclonedx" ? "application/vnd.cyclonedx+json" : "application/spdx+json";
      // The bytes are what was signed: they go out as they are.
      return await reply
        .type(type)
        .serializer(String)
        .send(text as unknown as Record<string, unknown>);
    },
  );
}

function answerRoutes(app: ApiApp, context: ApiContext): void {
  const { factory } = context;
  const options = <Answer extends z.ZodType>(operationId: string, summary: string, answer: Answer) => ({
    config: { need: "public" as const },
    schema: { operationId, tags: ["images"], summary, params, response: { 200: answer, ...errors } },
  });
  app.get(
    "/images/:id/scan",
    options("scanImage", "Match an image against the advisories of now", scanSchema),
    async (request) => factory.scan(idOf(await found(context, request))),
  );
  app.get(
    "/images/:id/verdict",
    options("judgeImage", "The gate's answer on an image, with reasons", verdictSchema),
    async (request) => factory.gate(idOf(await found(context, request))),
  );
  app.get(
    "/images/:id/verification",
    options("verifyImage", "Verify signatures and evidence of an image", verificationSchema),
    async (request) => factory.verify(idOf(await found(context, request))),
  );
  app.get("/images/:id/why", options("whyImage", "Why the image is as it is", whySchema), async (request) =>
    factory.why(idOf(await found(context, request))),
  );
  app.get(
    "/images/:id/difference",
    {
      config: { need: "public" },
      schema: {
        operationId: "compareImages",
        tags: ["images"],
        summary: "What differs between two images, down to the file",
        params,
        querystring: z.object({ with: z.string().min(1).describe("The other image, named likewise") }),
        response: { 200: differenceSchema, ...errors },
      },
    },
    async (request) => {
      const { caller, query } = request;
      const before = await pulled(context, request);
      const after = await pulled(context, { params: { id: query.with }, caller });
      return factory.difference(idOf(before), idOf(after));
    },
  );
}

/** Names of files are content: they are told to whoever may pull. */
async function pulled(context: ApiContext, request: ImageRequest): Promise<ImageSummary> {
  const image = await found(context, request);
  if (request.caller.may("pull", image.repository)) return image;
  throw new Failure(
    "not_found",
    `Cannot find the image "${request.params.id}": no image on record has this digest or tag`,
  );
}

interface ImageRequest {
  readonly params: { readonly id: string };
  readonly caller: Caller;
}

/** What a caller may not see does not exist for it. */
async function found(context: ApiContext, { params: { id }, caller }: ImageRequest): Promise<ImageSummary> {
  const image = await context.factory.image(id);
  if (image === undefined || !(caller.may("pull", image.repository) || caller.may("list", image.repository)))
    throw new Failure("not_found", `Cannot find the image "${id}": no image on record has this digest or tag`, {
      hint: "`mintmark image list` shows all",
    });
  return image;
}

/** Names the bytes, so that a tag that moves meanwhile changes nothing. */
function idOf(image: ImageSummary): string {
  return `${image.repository}@${image.digest}`;
}
