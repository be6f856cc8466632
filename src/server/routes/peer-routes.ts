import { z } from "zod";
import { isoSeconds } from "../../base/clock.ts";
import type { Peer } from "../../registry/registry.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { problemSchema } from "../schemas.ts";
import { newPeerSchema, peerChangeSchema, peerCheckSchema, peerListSchema, peerSchema } from "./movement-schemas.ts";

const tags = ["peers"];
const params = z.object({ name: z.string().min(1).max(63) });
const config = { need: "administrator" } as const;

/** Other registries; their secrets go in and never come out. */
export function peerRoutes(app: ApiApp, context: ApiContext): void {
  readRoutes(app, context);
  changeRoutes(app, context);
}

function readRoutes(app: ApiApp, { factory }: ApiContext): void {
  app.get(
    "/peers",
    {
      config,
      schema: { operationId: "listPeers", tags, summary: "List other registries", response: { 200: peerListSchema } },
    },
    async () => ({ peers: (await factory.movement.peers.list()).map(shown) }),
  );
  app.get(
    "/peers/:name",
    {
      config,
      schema: {
        operationId: "getPeer",
        tags,
        summary: "Show another registry, without its secret",
        params,
        response: { 200: peerSchema, 404: problemSchema },
      },
    },
    async ({ params: { name } }) => shown(await factory.movement.peers.get(name)),
  );
  app.post(
    "/peers/:name/check",
    {
      config,
      schema: {
        operationId: "checkPeer",
        tags,
        summary: "Sign in at another registry with what is stored for it",
        params,
        response: { 200: peerCheckSchema, 404: problemSchema },
      },
    },
    async ({ params: { name } }) => await factory.movement.peers.check(name),
  );
}

function changeRoutes(app: ApiApp, { factory }: ApiContext): void {
  app.post(
    "/peers",
    {
      config,
      schema: {
        operationId: "addPeer",
        tags,
        summary: "Add another registry",
        body: newPeerSchema,
        response: { 201: peerSchema, 400: problemSchema, 409: problemSchema },
      },
    },
    async ({ body, caller }, reply) =>
      await reply.code(201).send(shown(await factory.movement.peers.add(body, caller.name))),
  );
  app.post(
    "/peers/:name",
    {
      config,
      schema: {
        operationId: "changePeer",
        tags,
        summary: "Change another registry; a new address drops the secret of the old one",
        params,
        body: peerChangeSchema,
        response: { 200: peerSchema, 400: problemSchema, 404: problemSchema },
      },
    },
    async ({ params: { name }, body, caller }) => shown(await factory.movement.peers.change(name, body, caller.name)),
  );
  app.delete(
    "/peers/:name",
    {
      config,
      schema: {
        operationId: "removePeer",
        tags,
        summary: "Remove another registry that nothing needs",
        params,
        response: { 200: z.object({ removed: z.boolean() }), 404: problemSchema, 409: problemSchema },
      },
    },
    async ({ params: { name }, caller }) => {
      await factory.movement.peers.remove(name, caller.name);
      return { removed: true };
    },
  );
}

function shown({ createdAt, checkedAt, trustedHosts, ...peer }: Peer): z.output<typeof peerSchema> {
  return {
    ...peer,
    trustedHosts: [...trustedHosts],
    createdAt: isoSeconds(createdAt),
    checkedAt: checkedAt === undefined ? undefined : isoSeconds(checkedAt),
  };
}
