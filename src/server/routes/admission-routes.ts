import { z } from "zod";
import { Failure } from "../../base/errors.ts";
import type { Digest } from "../../model/digest.ts";
import type { ProjectAction } from "../../model/permission.ts";
import { isRepository, parseReference } from "../../model/reference.ts";
import { addAuditEvent } from "../../store/event-records.ts";
import type { Caller } from "../access.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { problemSchema, sbomSchema } from "../schemas.ts";
import {
  imageReportsSchema,
  newPullGateSchema,
  newScanSchema,
  projectGateSchema,
  pullVerdictSchema,
  queuedScansSchema,
  scanLogSchema,
  scanPageSchema,
} from "./admission-schemas.ts";

const image = z.string().min(1).max(600).describe("repository:tag or repository@digest");
const errors = { 401: problemSchema, 403: problemSchema, 404: problemSchema };
const pageCount = 100;
/** Digests that an event names; an index may have hundreds. */
const toldCount = 50;

/** Scans of all images, and the gates that pulls go through. */
export function admissionRoutes(app: ApiApp, context: ApiContext): void {
  listRoute(app, context);
  askRoutes(app, context);
  documentRoutes(app, context);
  gateRoutes(app, context);
}

function listRoute(app: ApiApp, { factory }: ApiContext): void {
  app.get(
    "/scans",
    {
      config: { need: "read" },
      schema: {
        operationId: "listScans",
        tags: ["scans"],
        summary: "List the scans of all images by digest",
        querystring: z.object({
          state: z.enum(["queued", "running", "done", "failed", "unscannable"]).optional(),
          repository: z.string().max(255).optional(),
          after: z.string().max(500).default("").describe("The `next` of the page before"),
          limit: z.coerce.number().int().min(1).max(1000).default(pageCount),
        }),
        response: { 200: scanPageSchema, 401: problemSchema },
      },
    },
    async ({ query: { state, repository, after, limit }, caller }) => {
      const page = {
        after,
        limit,
        ...(state === undefined ? {} : { state }),
        ...(repository === undefined ? {} : { repository }),
      };
      return await factory.admission.list(page, (place) => caller.may("list", place));
    },
  );
}

function askRoutes(app: ApiApp, { factory }: ApiContext): void {
  app.post(
    "/scans",
    {
      config: { need: "write" },
      schema: {
        operationId: "startScan",
        tags: ["scans"],
        summary: "Read an image again, now",
        body: newScanSchema,
        response: { 202: queuedScansSchema, ...errors },
      },
    },
    async ({ body, caller }, reply) => {
      const { repository, reference } = readImage(caller, "scan", body.image);
      const scans = (await factory.admission.rescan(repository, reference)) ?? missing(body.image);
      const subject = `${repository}${reference.includes(":") ? "@" : ":"}${reference}`;
      const details = { digests: scans.slice(0, toldCount).map(({ digest }) => digest) };
      await addAuditEvent(factory.store.db, { actor: caller.name, action: "scan.requested", subject, details });
      return await reply.code(202).send({ scans });
    },
  );
  app.get(
    "/scans/report",
    {
      config: { need: "read" },
      schema: {
        operationId: "getScanReports",
        tags: ["scans"],
        summary: "The scan of an image, or of each platform of an index, with the findings of now",
        querystring: z.object({ image }),
        response: { 200: imageReportsSchema, ...errors },
      },
    },
    async ({ query, caller }) => {
      const { repository, reference } = readImage(caller, "list", query.image);
      const images = (await factory.admission.scans(repository, reference)) ?? missing(query.image);
      return { images: [...images] };
    },
  );
  app.get(
    "/pull-verdict",
    {
      config: { need: "read" },
      schema: {
        operationId: "explainPull",
        tags: ["scans"],
        summary: "Whether an image is given out now, and why not",
        querystring: z.object({ image }),
        response: { 200: pullVerdictSchema, ...errors },
      },
    },
    async ({ query, caller }) => {
      const { repository, reference } = readImage(caller, "pull", query.image);
      return (await factory.admission.explain(repository, reference)) ?? missing(query.image);
    },
  );
}

function documentRoutes(app: ApiApp, { factory }: ApiContext): void {
  const { registry, admission } = factory;
  const digestOf = async (repository: string, reference: string, text: string): Promise<Digest> =>
    (await registry.getManifest(repository, reference))?.digest ?? missing(text);
  app.get(
    "/scans/log",
    {
      config: { need: "read" },
      schema: {
        operationId: "getScanLog",
        tags: ["scans"],
        summary: "What the newest scan of an image told while it ran",
        querystring: z.object({ image }),
        response: { 200: scanLogSchema, ...errors },
      },
    },
    async ({ query, caller }) => {
      const { repository, reference } = readImage(caller, "list", query.image);
      return { lines: await admission.log(await digestOf(repository, reference, query.image)) };
    },
  );
  app.get(
    "/scans/sbom",
    {
      config: { need: "read" },
      schema: {
        operationId: "getScannedSbom",
        tags: ["scans"],
        summary: "The bill of materials that the scan of an image made",
        querystring: z.object({ image, format: z.enum(["cyclonedx", "spdx"]).default("cyclonedx") }),
        response: { 200: sbomSchema, ...errors },
      },
    },
    async ({ query, caller }, reply) => {
      const { repository, reference } = readImage(caller, "list", query.image);
      const digest = await digestOf(repository, reference, query.image);
      const text = await admission.sbom(repository, digest, query.format);
      if (text === undefined)
        throw new Failure("not_found", `Cannot find a bill of materials of "${query.image}": its scan is not done`, {
          hint: "An index has none: ask for one of its images by digest",
        });
      const type = query.format === "cyclonedx" ? "application/vnd.cyclonedx+json" : "application/spdx+json";
      return await reply
        .type(type)
        .serializer(String)
        .send(text as unknown as Record<string, unknown>);
    },
  );
}

function gateRoutes(app: ApiApp, { factory }: ApiContext): void {
  const params = z.object({ name: z.string().min(1).max(255) });
  app.get(
    "/projects/:name/gate",
    {
      config: { need: "read" },
      schema: {
        operationId: "getProjectGate",
        tags: ["projects"],
        summary: "What a project asks of an image before it gives it out",
        params,
        response: { 200: projectGateSchema, ...errors },
      },
    },
    async ({ params: { name }, caller }) => {
      if (!caller.may("list", name)) throw unknownProject(name);
      return { project: name, gate: factory.admission.gate(name) };
    },
  );
  app.post(
    "/projects/:name/gate",
    {
      config: { need: "write" },
      schema: {
        operationId: "setProjectGate",
        tags: ["projects"],
        summary: "Set what a project asks of an image; asking for nothing takes the gate away",
        params,
        body: newPullGateSchema,
        response: { 200: projectGateSchema, 400: problemSchema, ...errors },
      },
    },
    async ({ params: { name }, body, caller }) => {
      maySet(caller, name);
      await factory.admission.setGate(name, { ...body, maxSeverity: body.maxSeverity }, caller.name);
      return { project: name, gate: factory.admission.gate(name) };
    },
  );
  app.delete(
    "/projects/:name/gate",
    {
      config: { need: "write" },
      schema: {
        operationId: "removeProjectGate",
        tags: ["projects"],
        summary: "Give out everything again",
        params,
        response: { 200: projectGateSchema, ...errors },
      },
    },
    async ({ params: { name }, caller }) => {
      maySet(caller, name);
      await factory.admission.setGate(name, undefined, caller.name);
      return { project: name };
    },
  );
}

/** A project may get its gate before its first image: then that one goes through it too. */
function maySet(caller: Caller, project: string): void {
  if (!isRepository(project) || project.includes("/"))
    throw new Failure("usage", `Cannot set the gate of "${project}": it is not the name of a project`, {
      hint: "A project is the first part of a repository's name",
    });
  if (caller.may("settings", project)) return;
  if (!caller.may("list", project)) throw unknownProject(project);
  throw new Failure("forbidden", `Cannot set the gate of "${project}": the account "${caller.name}" may not`);
}

function unknownProject(project: string): Failure {
  return new Failure("not_found", `Cannot find the project "${project}"`);
}

/** What a caller may not see does not exist for it. */
function readImage(
  caller: Caller,
  action: ProjectAction,
  text: string,
): { readonly repository: string; readonly reference: string } {
  const parsed = parseReference(text);
  if (parsed === undefined)
    throw new Failure("usage", `Cannot read the image "${text}": it is neither repository:tag nor repository@digest`);
  const { repository, tag, digest } = parsed;
  if (!caller.may("list", repository) && !caller.may("pull", repository)) return missing(text);
  if (!caller.may(action, repository))
    throw new Failure("forbidden", `Cannot ${action} "${text}": the account "${caller.name}" may not`);
  return { repository, reference: digest ?? tag ?? "latest" };
}

function missing(text: string): never {
  throw new Failure("not_found", `Cannot find the image "${text}": the registry does not have it`);
}
