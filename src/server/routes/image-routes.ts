import { z } from "zod";
import { Failure } from "../../base/errors.ts";
import type { ImageSummary } from "../../pipeline/factory.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { imageListSchema, imageSchema, problemSchema, sbomSchema, scanSchema, verdictSchema, verificationSchema, whySchema } from "../schemas.ts";

const params = z.object({ id: z.string().min(1).describe("A digest, or repository:tag; slashes need no escape") });
const errors = { 401: problemSchema, 404: problemSchema };

/** The images on record and what is known about each. */
export function imageRoutes(app: ApiApp, context: ApiContext): void {
  const { factory } = context;
  app.get(
    "/images",
    {
      config: { need: "read" },
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
    async ({ query }) => {
      const all = (await factory.images()).filter((image) => query.repository === undefined || image.repository === query.repository);
      const sorted = all.toSorted((a, b) => (a.builtAt < b.builtAt ? 1 : a.builtAt > b.builtAt ? -1 : 0));
      return { total: all.length, images: sorted.slice(query.offset, query.offset + query.limit) };
    },
  );
  app.get(
    "/images/:id",
    { config: { need: "read" }, schema: { operationId: "getImage", tags: ["images"], summary: "Show one image", params, response: { 200: imageSchema, ...errors } } },
    ({ params: { id } }) => found(context, id),
  );
  documentRoutes(app, context);
  app.get(
    "/images/:id/why",
    {
      config: { need: "read" },
      schema: { operationId: "whyImage", tags: ["images"], summary: "Why the image is as it is", params, response: { 200: whySchema, ...errors } },
    },
    async ({ params: { id } }) => factory.why(idOf(await found(context, id))),
  );
}

function documentRoutes(app: ApiApp, context: ApiContext): void {
  const { factory } = context;
  app.get(
    "/images/:id/sbom",
    {
      config: { need: "read" },
      schema: {
        operationId: "getSbom",
        tags: ["images"],
        summary: "The bill of materials of an image",
        params,
        querystring: z.object({ format: z.enum(["cyclonedx", "spdx"]).default("cyclonedx") }),
        response: { 200: sbomSchema, ...errors },
      },
    },
    async ({ params: { id }, query }, reply) => {
      const text = await factory.sbom(idOf(await found(context, id)), query.format);
      const type = query.format === "cyclonedx" ? "application/vnd.cyclonedx+json" : "application/spdx+json";
      // The bytes are what was signed: they go out as they are.
      return await reply.type(type).serializer(String).send(text as unknown as Record<string, unknown>);
    },
  );
  app.get(
    "/images/:id/scan",
    { config: { need: "read" }, schema: { operationId: "scanImage", tags: ["images"], summary: "Match an image against the advisories of now", params, response: { 200: scanSchema, ...errors } } },
    async ({ params: { id } }) => factory.scan(idOf(await found(context, id))),
  );
  app.get(
    "/images/:id/verdict",
    { config: { need: "read" }, schema: { operationId: "judgeImage", tags: ["images"], summary: "The gate's answer on an image, with reasons", params, response: { 200: verdictSchema, ...errors } } },
    async ({ params: { id } }) => factory.gate(idOf(await found(context, id))),
  );
  app.get(
    "/images/:id/verification",
    {
      config: { need: "read" },
      schema: { operationId: "verifyImage", tags: ["images"], summary: "Verify signatures and evidence of an image", params, response: { 200: verificationSchema, ...errors } },
    },
    async ({ params: { id } }) => factory.verify(idOf(await found(context, id))),
  );
}

async function found({ factory }: ApiContext, id: string): Promise<ImageSummary> {
  const image = await factory.image(id);
  if (image === undefined)
    throw new Failure("not_found", `Cannot find the image "${id}": no image on record has this digest or tag`, { hint: "`mintmark image list` shows all" });
  return image;
}

/** Names the bytes, so that a tag that moves meanwhile changes nothing. */
function idOf(image: ImageSummary): string {
  return `${image.repository}@${image.digest}`;
}
