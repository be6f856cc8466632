import { z } from "zod";
import type { ProxyProject } from "../../registry/registry.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { problemSchema } from "../schemas.ts";
import { newProjectProxySchema, projectProxyListSchema, projectProxySchema } from "./movement-schemas.ts";

const tags = ["projects"];
const config = { need: "administrator" } as const;
const clientFileSchema = z.object({
  client: z.string().describe("The program that reads it"),
  path: z.string(),
  content: z.string(),
});
const params = z.object({ project: z.string().min(1).max(255) });

/** Projects whose content comes from other registries; they use the peers' accounts, so they are the administrator's. */
export function proxyRoutes(app: ApiApp, context: ApiContext): void {
  const { factory } = context;
  app.get(
    "/proxies",
    {
      config,
      schema: {
        operationId: "listProjectProxies",
        tags,
        summary: "List the projects whose content comes from other registries",
        response: { 200: projectProxyListSchema },
      },
    },
    async () => ({ proxies: (await factory.movement.proxies.list()).map(shown) }),
  );
  app.post(
    "/projects/:project/proxy",
    {
      config,
      schema: {
        operationId: "setProjectProxy",
        tags,
        summary: "Make a project a proxy cache, or change how it is one",
        params,
        body: newProjectProxySchema,
        response: { 200: projectProxySchema, 400: problemSchema, 404: problemSchema },
      },
    },
    async ({ params: { project }, body: { mirroredHost, ...proxy }, caller }) =>
      shown(await factory.movement.proxies.set({ ...proxy, project, mirroredHost }, caller.name)),
  );
  app.delete(
    "/projects/:project/proxy",
    {
      config,
      schema: {
        operationId: "removeProjectProxy",
        tags,
        summary: "Make a proxy cache an ordinary project; what it holds stays",
        params,
        response: { 200: z.object({ removed: z.boolean() }) },
      },
    },
    async ({ params: { project }, caller }) => ({
      removed: await factory.movement.proxies.remove(project, caller.name),
    }),
  );
  clientFilesRoute(app, context);
}

function clientFilesRoute(app: ApiApp, { factory }: ApiContext): void {
  app.get(
    "/projects/:project/proxy/clients",
    {
      config,
      schema: {
        operationId: "projectProxyClients",
        tags,
        summary: "Show the files by which container clients come to a proxy cache",
        params,
        response: { 200: z.object({ files: z.array(clientFileSchema) }), 404: problemSchema },
      },
    },
    async ({ params: { project }, protocol, host }) => {
      const url = factory.config.publicUrl ?? `${protocol}://${host}`;
      return { files: [...(await factory.movement.proxies.clientFiles(project, url))] };
    },
  );
}

function shown({ mirroredHost, allowed, ...proxy }: ProxyProject): z.output<typeof projectProxySchema> {
  return { ...proxy, allowed: [...allowed], ...(mirroredHost === undefined ? {} : { mirroredHost }) };
}
