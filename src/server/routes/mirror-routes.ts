import { z } from "zod";
import type { FastifyRequest } from "fastify";
import { isoSeconds } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import type { Detection, MirrorRepository, MirrorRepositoryChange } from "../../mirror/mirror.ts";
import type { MirrorUsageRecord } from "../../store/mirror-care-records.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { mirrorOrigin } from "../mirror-origin.ts";
import { problemSchema } from "../schemas.ts";
import { withoutUndefined } from "./without-undefined.ts";
import {
  detectionSchema,
  detectionWishSchema,
  mirrorChangeSchema,
  mirrorClientsSchema,
  mirrorListSchema,
  mirrorParams as params,
  mirrorSchema,
  newMirrorSchema,
} from "./mirror-schemas.ts";

const tags = ["mirrors"];
const read = { need: "read" } as const;
const config = { need: "administrator" } as const;

/** The repositories of the package mirror; what is under `-` is about all of them, since no repository has that name. */
export function mirrorRoutes(app: ApiApp, context: ApiContext): void {
  readRoutes(app, context);
  clientRoutes(app, context);
  changeRoutes(app, context);
  removalRoutes(app, context);
  detectionRoutes(app, context);
}

function readRoutes(app: ApiApp, context: ApiContext): void {
  app.get(
    "/mirrors",
    {
      config: read,
      schema: {
        operationId: "listMirrors",
        tags,
        summary: "List the repositories of the package mirror",
        response: { 200: mirrorListSchema },
      },
    },
    async (request) => {
      const mirrors = await context.factory.mirror.list();
      return { mirrors: await shownAll(context, request, mirrors) };
    },
  );
  app.get(
    "/mirrors/:name",
    {
      config: read,
      schema: {
        operationId: "getMirror",
        tags,
        summary: "Show a repository, whether its upstream answers, and the rules that it follows",
        params,
        response: { 200: mirrorSchema, 404: problemSchema },
      },
    },
    async (request) => {
      const { factory } = context;
      const repository = await must(context, request.params.name);
      const [shown] = await shownAll(context, request, [repository]);
      const { rules } = factory.mirrorCare;
      return { ...shown!, health: await factory.mirrorCare.health(repository), rules: rules.rules(repository.name) };
    },
  );
}

function clientRoutes(app: ApiApp, context: ApiContext): void {
  app.get(
    "/mirrors/:name/clients",
    {
      config: read,
      schema: {
        operationId: "getMirrorClients",
        tags,
        summary: "Tell how clients are pointed at a repository",
        params,
        response: { 200: mirrorClientsSchema, 404: problemSchema },
      },
    },
    async (request) => {
      const { name } = await must(context, request.params.name);
      const url = urlOf(context, request, name);
      const clients = context.factory.mirror.formatOf(name)?.clients({ base: url, isSealed: false }) ?? [];
      const plain = clients.map(({ client, files, environment }) => ({
        client,
        files: [...files],
        environment: { ...environment },
      }));
      return { repository: name, url, clients: plain };
    },
  );
}

function changeRoutes(app: ApiApp, context: ApiContext): void {
  app.post(
    "/mirrors",
    {
      config,
      schema: {
        operationId: "createMirror",
        tags,
        summary: "Make a repository of the package mirror",
        body: newMirrorSchema,
        response: { 201: mirrorSchema, 400: problemSchema, 409: problemSchema },
      },
    },
    async (request, reply) => {
      const { allowed, ...plain } = request.body;
      const rules = allowed === undefined ? {} : { allowed: allowed.map(withoutUndefined) };
      const wish = { ...withoutUndefined(plain), ...rules };
      const made = await context.factory.mirror.create(wish, request.caller.name);
      return await reply.code(201).send((await shownAll(context, request, [made]))[0]!);
    },
  );
  app.post(
    "/mirrors/:name",
    {
      config,
      schema: {
        operationId: "changeMirror",
        tags,
        summary: "Change a repository; an upstream at another server drops the credentials of the old one",
        params,
        body: mirrorChangeSchema,
        response: { 200: mirrorSchema, 400: problemSchema, 404: problemSchema },
      },
    },
    async (request) => {
      const { name } = request.params;
      // What is null goes: a missing member is what the mirror knows as "none".
      const change = Object.fromEntries(
        Object.entries(request.body).flatMap(([key, value]) =>
          value === undefined ? [] : [[key, value === null ? undefined : value]],
        ),
      ) as MirrorRepositoryChange;
      const changed = await context.factory.mirror.change(name, change, request.caller.name);
      return (await shownAll(context, request, [changed]))[0]!;
    },
  );
}

function removalRoutes(app: ApiApp, context: ApiContext): void {
  app.delete(
    "/mirrors/:name",
    {
      config,
      schema: {
        operationId: "removeMirror",
        tags,
        summary: "Remove a repository with all that only it holds",
        params,
        response: { 200: z.object({ removed: z.boolean() }), 404: problemSchema, 409: problemSchema },
      },
    },
    async ({ params: { name }, caller }) => {
      if (!(await context.factory.mirror.remove(name, caller.name))) throw missing(name);
      return { removed: true };
    },
  );
}

function detectionRoutes(app: ApiApp, context: ApiContext): void {
  app.post(
    "/mirrors/-/detection",
    {
      config,
      schema: {
        operationId: "detectMirrors",
        tags,
        summary: "Find what this machine's clients use today, and make repositories of it where that is asked for",
        body: detectionWishSchema,
        response: { 200: detectionSchema, 400: problemSchema },
      },
    },
    async (request) => {
      const { body, caller } = request;
      const origin = mirrorOrigin(request, context.factory.config);
      const own = [`${origin}/mirror`, `${origin}/repository`];
      const { detection, applied } = await context.factory.mirrorCare.detect({ ...body, own, actor: caller.name });
      return { ...shownDetection(detection), applied: applied.map((one) => ({ ...one })) };
    },
  );
}

async function must({ factory }: ApiContext, name: string): Promise<MirrorRepository> {
  const found = await factory.mirror.get(name);
  if (found === undefined) throw missing(name);
  return found;
}

function missing(name: string): Failure {
  return new Failure("not_found", `Cannot find the repository "${name}" of the mirror`, {
    hint: "`mintmark mirror list` shows those that are there",
  });
}

function urlOf({ factory }: ApiContext, request: FastifyRequest, name: string): string {
  return `${mirrorOrigin(request, factory.config)}/mirror/${name}`;
}

const noUsage: MirrorUsageRecord = {
  repository: "",
  usedAt: undefined,
  fetchedAt: undefined,
  fileCount: 0,
  documentCount: 0,
  sizeBytes: 0,
  madeBytes: 0,
  useCount: 0,
};

async function shownAll(
  context: ApiContext,
  request: FastifyRequest,
  repositories: readonly MirrorRepository[],
): Promise<z.output<typeof mirrorSchema>[]> {
  const usages = new Map((await context.factory.mirrorCare.usage()).map((usage) => [usage.repository, usage]));
  return repositories.map((repository) => {
    const { members, allowed, reserved, shared, ...plain } = repository;
    const { repository: _name, usedAt, fetchedAt, ...usage } = usages.get(repository.name) ?? noUsage;
    return {
      ...plain,
      url: urlOf(context, request, repository.name),
      ...(members === undefined ? {} : { members: [...members] }),
      ...(allowed === undefined ? {} : { allowed: allowed.map((one) => ({ ...one })) }),
      ...(reserved === undefined ? {} : { reserved: [...reserved] }),
      ...(shared === undefined ? {} : { shared: [...shared] }),
      usage: {
        ...usage,
        ...(usedAt === undefined ? {} : { usedAt: isoSeconds(usedAt) }),
        ...(fetchedAt === undefined ? {} : { fetchedAt: isoSeconds(fetchedAt) }),
      },
    };
  });
}

/** Credentials stop here: of them only that they are there goes on. */
function shownDetection({
  sources,
  servers,
  proposals,
  problems,
}: Detection): Omit<z.output<typeof detectionSchema>, "applied"> {
  return {
    sources: sources.map(({ client, format, name, url, from, hasCredentials, product, note }) => ({
      client,
      format,
      name,
      from,
      credentials: hasCredentials ? "present" : "none",
      ...(url === undefined ? {} : { url }),
      ...(product === undefined ? {} : { product: `${product.product} ${product.repository}` }),
      ...(note === undefined ? {} : { note }),
    })),
    servers: servers.map(({ repositories, login: _login, ...server }) => ({
      ...server,
      ...(repositories === undefined ? {} : { repositories: repositories.map((one) => ({ ...one })) }),
    })),
    proposals: proposals.map(({ name, format, url, login, clients, note }) => ({
      name,
      format,
      clients: [...clients],
      credentials: login === undefined ? "none" : "present",
      ...(url === undefined ? {} : { url }),
      ...(note === undefined ? {} : { note }),
    })),
    problems: problems.map((one) => ({ ...one })),
  };
}
