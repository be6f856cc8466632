import { z } from "zod";
import type { Peer } from "../../registry/registry.ts";
import { dropEcho, findEcho, keepEcho } from "../../store/harbor-echo-records.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { faithful, reduced, sendCreated, sendDone } from "./harbor-app.ts";
import { listQuery, meets, readConditions, sendPage, sliceOf, sorted } from "./listing.ts";
import { instant, numberOf } from "./names.ts";
import { numberInPath } from "./places.ts";
import { badRequest, notFound, notOffered, precondition } from "./refusals.ts";
import { isConflict } from "./project-shapes.ts";

const credentialSchema = z
  .object({
    type: z.string().max(50).nullish(),
    access_key: z.string().max(255).nullish(),
    access_secret: z.string().max(4096).nullish(),
  })
  .nullish();

const registryBody = z.object({
  name: z.string().max(64).nullish(),
  description: z.string().max(1024).nullish(),
  type: z.string().max(50).nullish(),
  url: z.string().max(2048).nullish(),
  credential: credentialSchema,
  insecure: z.boolean().nullish(),
  ca_certificate: z.string().max(65_536).nullish(),
});

/** Harbor writes what changes of a registry flat. */
const registryChange = registryBody.extend({
  credential_type: z.string().max(50).nullish(),
  access_key: z.string().max(255).nullish(),
  access_secret: z.string().max(4096).nullish(),
});

type RegistryBody = z.output<typeof registryChange>;

const params = z.object({ registry: numberInPath });

/** Our kinds by Harbor's types: whatever speaks the distribution protocol with a name and a secret. */
const kinds: Readonly<Record<string, Peer["kind"]>> = {
  "docker-registry": "registry",
  "docker-hub": "docker-hub",
  harbor: "harbor",
  quay: "registry",
  gitlab: "registry",
  "github-ghcr": "registry",
  "azure-acr": "registry",
  "jfrog-artifactory": "registry",
};
const types: Readonly<Record<Peer["kind"], string>> = {
  registry: "docker-registry",
  mintmark: "harbor",
  harbor: "harbor",
  "docker-hub": "docker-hub",
};

/** The types of registries, in Harbor's words. */
export const registryTypes: readonly string[] = Object.keys(kinds);

/** Registries that images go to and come from. Source: Harbor's swagger, tag "registry". */
export function registryRoutes(app: ApiApp, context: ApiContext): void {
  readRoutes(app, context);
  changeRoutes(app, context);
  pingRoute(app, context);
}

/** The number of a peer. */
function registryNumber(name: string): number {
  return numberOf("registry", name);
}

/** The peer of a number. @throws Failure `not_found` */
export async function foundPeer({ factory }: ApiContext, number: number): Promise<Peer> {
  const peer = (await factory.movement.peers.list()).find(({ name }) => registryNumber(name) === number);
  if (peer === undefined) throw notFound(`registry ${number} not found`);
  return peer;
}

/** What of a registry is echoed. */
interface SentRegistry {
  readonly description: string;
  readonly type: string;
}

/** A peer in Harbor's shape, by its name; its secret is never told. */
export async function shownRegistry(context: ApiContext, name: string): Promise<unknown> {
  const peer = await context.factory.movement.peers.get(name);
  return await shown(context, peer);
}

async function shown({ factory }: ApiContext, peer: Peer): Promise<unknown> {
  const { name, kind, url, username, insecure, caPem, createdAt, checkedAt, problem } = peer;
  const echo = await findEcho<SentRegistry>(factory.store.db, { kind: "registry", subject: name, meaning: kind });
  return {
    id: registryNumber(name),
    name,
    description: echo?.description ?? "",
    type: echo?.type ?? types[kind],
    url,
    credential: username === undefined ? undefined : { type: "basic", access_key: username, access_secret: "*****" },
    insecure,
    ca_certificate: caPem,
    status: problem === undefined ? "healthy" : "unhealthy",
    creation_time: instant(createdAt),
    update_time: instant(checkedAt ?? createdAt),
  };
}

function readRoutes(app: ApiApp, context: ApiContext): void {
  const { peers } = context.factory.movement;
  app.get(
    "/registries",
    {
      config: faithful("administrator"),
      schema: { querystring: listQuery.extend({ name: z.string().max(64).default("") }) },
    },
    async ({ query }, reply) => {
      const conditions = readConditions(query.q);
      const all = (await peers.list()).filter(
        ({ name, kind }) =>
          name.includes(query.name) &&
          meets(conditions.get("name"), name) &&
          meets(conditions.get("type"), types[kind]),
      );
      const ordered = sorted(all, query.sort?.replace("creation_time", "createdAt"));
      const { offset, limit } = sliceOf(query);
      const items = await Promise.all(
        ordered.slice(offset, offset + limit).map(async (peer) => await shown(context, peer)),
      );
      return await sendPage(reply, { items, total: ordered.length });
    },
  );
  app.get(
    "/registries/:registry",
    { config: faithful("administrator"), schema: { params } },
    async (request) => await shown(context, await foundPeer(context, request.params.registry)),
  );
  app.get("/registries/:registry/info", { config: faithful("administrator"), schema: { params } }, async (request) => {
    const { kind } = await foundPeer(context, request.params.registry);
    return {
      type: types[kind],
      supported_resource_filters: [
        { type: "name", style: "input" },
        { type: "tag", style: "input" },
        { type: "label", style: "input" },
      ],
      supported_triggers: ["manual", "scheduled", "event_based"],
      supported_copy_by_chunk: true,
    };
  });
}

function changeRoutes(app: ApiApp, context: ApiContext): void {
  const { movement, store } = context.factory;
  const { peers } = movement;
  app.post(
    "/registries",
    {
      config: reduced(
        "administrator",
        "registries that speak the distribution protocol with name and secret; names in small letters",
      ),
      schema: { body: registryBody },
    },
    async (request, reply) => {
      const { name, url, ...body } = request.body;
      if (name === null || name === undefined || url === null || url === undefined)
        throw badRequest("name and url are needed");
      const peer = await peers.add({ name, url, ...readChange(body) }, request.caller.name);
      await echo(peer, body);
      return await sendCreated(request, reply, registryNumber(peer.name));
    },
  );
  app.put(
    "/registries/:registry",
    { config: reduced("administrator", "the name stays"), schema: { params, body: registryChange } },
    async (request, reply) => {
      const peer = await foundPeer(context, request.params.registry);
      const { name, url } = request.body;
      if (name !== null && name !== undefined && name !== peer.name) throw notOffered("a registry cannot be renamed");
      const change = { ...readChange(request.body), ...(url === null || url === undefined ? {} : { url }) };
      await echo(await peers.change(peer.name, change, request.caller.name), request.body);
      return await sendDone(reply);
    },
  );
  app.delete(
    "/registries/:registry",
    { config: faithful("administrator"), schema: { params } },
    async (request, reply) => {
      const { name } = await foundPeer(context, request.params.registry);
      try {
        await peers.remove(name, request.caller.name);
      } catch (error) {
        throw isConflict(error) ? precondition(error.message) : error;
      }
      await dropEcho(store.db, { kind: "registry", subject: name });
      return await sendDone(reply);
    },
  );
  async function echo({ name, kind }: Peer, { type, description }: RegistryBody): Promise<void> {
    const at = { kind: "registry", subject: name, meaning: kind } as const;
    const before = await findEcho<SentRegistry>(store.db, at);
    const sent = {
      type: type ?? before?.type ?? types[kind],
      description: description ?? before?.description ?? "",
    };
    await keepEcho(store.db, at, sent);
  }
}

function readChange(
  body: RegistryBody,
): Omit<Parameters<ApiContext["factory"]["movement"]["peers"]["change"]>[1], "url"> {
  const { type, credential, insecure, ca_certificate: caPem } = body;
  const kind = type === null || type === undefined ? undefined : Object.hasOwn(kinds, type) ? kinds[type] : "unknown";
  if (kind === "unknown") throw notOffered(`registries of the type ${type} cannot be spoken to`);
  const username = credential?.access_key ?? body.access_key ?? undefined;
  const secret = credential?.access_secret ?? body.access_secret ?? undefined;
  return {
    kind,
    username: username === "" ? null : username,
    secret: secret === "" ? null : secret === "*****" ? undefined : secret,
    insecure: insecure ?? undefined,
    caPem: caPem === "" ? null : (caPem ?? undefined),
  };
}

function pingRoute(app: ApiApp, context: ApiContext): void {
  app.post(
    "/registries/ping",
    {
      config: reduced("administrator", "of registries that are stored: nothing else is ever connected to on request"),
      schema: { body: registryChange.extend({ id: z.number().int().nullish() }) },
    },
    async (request, reply) => {
      const { id, name } = request.body;
      if (id === null || id === undefined || id === 0)
        throw notOffered(`store the registry ${name ?? ""} first, then ping it by its id`);
      const { name: known } = await foundPeer(context, id);
      const { problem } = await context.factory.movement.peers.check(known, AbortSignal.timeout(20_000));
      if (problem !== undefined) throw badRequest(`the registry is unhealthy: ${problem}`);
      return await sendDone(reply);
    },
  );
}
