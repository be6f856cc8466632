import { z } from "zod";
import type { ProxyProject } from "../../registry/registry.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { problemSchema } from "../schemas.ts";
import { newProjectProxySchema, projectProxyListSchema, projectProxySchema } from "./movement-schemas.ts";

const tags = ["projects"];
const config = { need: "administrator" } as const;
const params = z.object({ project: z.string().min(1).max(255) });

/** Projects whose content comes from other registries; they use the peers' accounts, so they are the administrator's. */
export function proxyRoutes(app: ApiApp, { factory }: ApiContext): void {
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
}

function shown({ mirroredHost, allowed, ...proxy }: ProxyProject): z.output<typeof projectProxySchema> {
  return { ...proxy, allowed: [...allowed], ...(mirroredHost === undefined ? {} : { mirroredHost }) };
}
