import { z } from "zod";
import { dropEcho, findEcho, keepEcho } from "../../store/harbor-echo-records.ts";
import type { WebhookRecord } from "../../store/webhook-records.ts";
import type { Caller } from "../access.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { faithful, reduced, sendCreated, sendDone } from "./harbor-app.ts";
import { listQuery, meets, readConditions, sendPage, sliceOf, sorted } from "./listing.ts";
import { instant, neverInstant, numberOf } from "./names.ts";
import { foundProject, numberInPath, projectParams } from "./places.ts";
import { badRequest, notFound, notOffered } from "./refusals.ts";

const policyBody = z.object({
  id: z.number().int().nullish(),
  name: z.string().max(256).nullish(),
  description: z.string().max(1024).nullish(),
  project_id: z.number().int().nullish(),
  targets: z
    .array(
      z.object({
        type: z.enum(["http", "slack", "teams"]).nullish(),
        address: z.string().max(2048),
        auth_header: z.string().max(4096).nullish(),
        skip_cert_verify: z.boolean().nullish(),
        payload_format: z.enum(["Default", "CloudEvents", ""]).nullish(),
      }),
    )
    .max(10)
    .nullish(),
  event_types: z.array(z.string().max(100)).max(100).nullish(),
  enabled: z.boolean().nullish(),
});

type PolicyBody = z.output<typeof policyBody>;

const params = projectParams.extend({ policy: numberInPath });

const eventTypes = [
  "PUSH_ARTIFACT",
  "PULL_ARTIFACT",
  "DELETE_ARTIFACT",
  "QUOTA_EXCEED",
  "QUOTA_WARNING",
  "REPLICATION",
  "SCANNING_FAILED",
  "SCANNING_COMPLETED",
  "SCANNING_STOPPED",
  "TAG_RETENTION",
] as const;

/** Harbor's names by our actions. */
const harborNames: Readonly<Record<string, (typeof eventTypes)[number]>> = {
  "image.pushed": "PUSH_ARTIFACT",
  "image.pulled": "PULL_ARTIFACT",
  "image.deleted": "DELETE_ARTIFACT",
  "quota.exceeded": "QUOTA_EXCEED",
  "quota.warned": "QUOTA_WARNING",
  "replication.ran": "REPLICATION",
  "scan.failed": "SCANNING_FAILED",
  "scan.completed": "SCANNING_COMPLETED",
  "retention.ran": "TAG_RETENTION",
};

/** Who is told of what happens in a project. Source: Harbor's swagger, tag "webhook". */
export function webhookRoutes(app: ApiApp, context: ApiContext): void {
  readRoutes(app, context);
  changeRoutes(app, context);
  eventRoutes(app, context);
}

/** A webhook that is changed becomes another one here; its number stays, since its name does. */
function policyNumber({ project, name }: Pick<WebhookRecord, "project" | "name">): number {
  return numberOf("webhook", `${project ?? ""}/${name}`);
}

/** What of a policy is echoed; nothing that opens anything. */
interface SentPolicy {
  readonly description: string;
  readonly eventTypes: readonly string[];
  readonly targets: readonly { readonly address: string; readonly payload: string; readonly hasHeader: boolean }[];
}

async function shown({ factory }: ApiContext, webhook: WebhookRecord, project: number): Promise<unknown> {
  const { id, name, createdAt, createdBy, enabled, events, targets } = webhook;
  const subject = `${webhook.project ?? ""}/${name}`;
  const echo = await findEcho<SentPolicy>(factory.store.db, { kind: "webhook", subject, meaning: id });
  return {
    id: policyNumber(webhook),
    name,
    description: echo?.description ?? "",
    project_id: project,
    targets: targets.map(({ format, label, authorization }, index) => ({
      type: format === "slack" ? "slack" : "http",
      address: echo?.targets[index]?.address ?? label,
      auth_header: authorization === undefined ? undefined : "*****",
      skip_cert_verify: false,
      payload_format: format === "slack" ? undefined : (echo?.targets[index]?.payload ?? "CloudEvents"),
    })),
    event_types: echo?.eventTypes ?? events.flatMap((event) => harborNames[event] ?? []),
    creator: createdBy,
    creation_time: instant(createdAt),
    update_time: instant(createdAt),
    enabled,
  };
}

async function found({ factory }: ApiContext, project: string, number: number): Promise<WebhookRecord> {
  const webhook = (await factory.webhooks.list(project)).find((one) => policyNumber(one) === number);
  if (webhook === undefined) throw notFound(`webhook policy ${number} not found`);
  return webhook;
}

function readRoutes(app: ApiApp, context: ApiContext): void {
  const { webhooks } = context.factory;
  app.get(
    "/projects/:project/webhook/policies",
    { config: faithful("write"), schema: { params: projectParams, querystring: listQuery } },
    async (request, reply) => {
      const { query } = request;
      const project = await foundProject(context, request, { ...request.params, action: "webhooks" });
      const condition = readConditions(query.q).get("name");
      const all = (await webhooks.list(project.name)).filter(({ name }) => meets(condition, name));
      const ordered = sorted(
        all.toSorted((a, b) => b.createdAt - a.createdAt),
        query.sort?.replace("creation_time", "createdAt"),
      );
      const { offset, limit } = sliceOf(query);
      const items = await Promise.all(
        ordered.slice(offset, offset + limit).map(async (webhook) => await shown(context, webhook, project.id)),
      );
      return await sendPage(reply, { items, total: ordered.length });
    },
  );
  app.get(
    "/projects/:project/webhook/policies/:policy",
    { config: faithful("write"), schema: { params } },
    async (request) => {
      const project = await foundProject(context, request, { ...request.params, action: "webhooks" });
      return await shown(context, await found(context, project.name, request.params.policy), project.id);
    },
  );
}

function changeRoutes(app: ApiApp, context: ApiContext): void {
  const { webhooks, store } = context.factory;
  const note = "bodies are CloudEvents 1.0 (`Default` too) or Slack's; certificates are always verified";
  app.post(
    "/projects/:project/webhook/policies",
    { config: reduced("write", note), schema: { params: projectParams, body: policyBody } },
    async (request, reply) => {
      const { name } = await foundProject(context, request, { ...request.params, action: "webhooks" });
      const webhook = await create(context, { project: name, body: request.body, caller: request.caller });
      return await sendCreated(request, reply, policyNumber(webhook));
    },
  );
  app.put(
    "/projects/:project/webhook/policies/:policy",
    { config: reduced("write", `${note}; the name stays`), schema: { params, body: policyBody } },
    async (request, reply) => {
      const { body, caller } = request;
      const { name: project } = await foundProject(context, request, { ...request.params, action: "webhooks" });
      const before = await found(context, project, request.params.policy);
      if (body.name !== null && body.name !== undefined && body.name !== before.name)
        throw notOffered("a webhook policy cannot be renamed");
      const isSwitchOnly = body.targets === null || body.targets === undefined;
      if (isSwitchOnly) await webhooks.switch(before, body.enabled ?? true, caller.name);
      else await replace(context, { before, project, body: { ...body, name: before.name }, caller });
      return await sendDone(reply);
    },
  );
  app.delete(
    "/projects/:project/webhook/policies/:policy",
    { config: faithful("write"), schema: { params } },
    async (request, reply) => {
      const { name } = await foundProject(context, request, { ...request.params, action: "webhooks" });
      const webhook = await found(context, name, request.params.policy);
      await webhooks.delete(webhook, request.caller.name);
      await dropEcho(store.db, { kind: "webhook", subject: `${name}/${webhook.name}` });
      return await sendDone(reply);
    },
  );
}

interface PolicyWish {
  readonly project: string;
  readonly body: PolicyBody;
  readonly caller: Caller;
}

async function create({ factory }: ApiContext, { project, body, caller }: PolicyWish): Promise<WebhookRecord> {
  const targets = (body.targets ?? []).map(readTarget);
  const unknown = (body.event_types ?? []).find((type) => !eventTypes.some((one) => one === type));
  if (unknown !== undefined) throw badRequest(`unsupported event type ${unknown}`);
  const { webhook } = await factory.webhooks.create({
    name: body.name ?? "",
    project,
    events: body.event_types ?? [],
    repositories: [],
    tags: [],
    enabled: body.enabled ?? true,
    targets,
    actor: caller.name,
  });
  // Addresses of chat rooms are secrets: those are shown shortened, and so not kept.
  const sent: SentPolicy = {
    description: body.description ?? "",
    eventTypes: body.event_types ?? [],
    targets: (body.targets ?? []).map(({ address, payload_format: payload, auth_header: header }, index) => ({
      address: targets[index]!.format === "slack" ? webhook.targets[index]!.label : plainAddress(address),
      payload: payload === null || payload === undefined || payload === "" ? "CloudEvents" : payload,
      hasHeader: header !== null && header !== undefined,
    })),
  };
  const subject = `${project}/${webhook.name}`;
  await keepEcho(factory.store.db, { kind: "webhook", subject, meaning: webhook.id }, sent);
  return webhook;
}

/** What comes after a question mark may open the door there. */
function plainAddress(address: string): string {
  return address.split(/[?#]/, 1)[0]!;
}

function readTarget({
  type,
  address,
  auth_header: header,
  skip_cert_verify: skips,
}: NonNullable<PolicyBody["targets"]>[number]): Parameters<
  ApiContext["factory"]["webhooks"]["create"]
>[0]["targets"][number] {
  if (type === "teams") throw notOffered("messages for Teams are not written");
  if (skips === true) throw notOffered("certificates of receivers are always verified");
  if (header === "*****") throw badRequest("give auth_header anew: it is not told and cannot be kept by its stars");
  return {
    url: address,
    format: type === "slack" ? "slack" : "cloudevents",
    authorization: header === null || header === undefined || header === "" ? undefined : header,
  };
}

/** The old one goes only where the new one can come; what waits for the old target is given up. */
async function replace(
  context: ApiContext,
  { before, ...wish }: PolicyWish & { readonly before: WebhookRecord },
): Promise<void> {
  const { webhooks } = context.factory;
  const trial = await create(context, {
    ...wish,
    body: { ...wish.body, name: `${before.name.slice(0, 90)} new`, enabled: false },
  });
  await webhooks.delete(trial, wish.caller.name);
  await dropEcho(context.factory.store.db, { kind: "webhook", subject: `${wish.project}/${trial.name}` });
  await webhooks.delete(before, wish.caller.name);
  await create(context, wish);
}

function eventRoutes(app: ApiApp, context: ApiContext): void {
  const { webhooks } = context.factory;
  app.get(
    "/projects/:project/webhook/events",
    { config: faithful("write"), schema: { params: projectParams } },
    async (request) => {
      await foundProject(context, request, { ...request.params, action: "webhooks" });
      return {
        event_type: eventTypes,
        notify_type: ["http", "slack"],
        payload_formats: [{ notify_type: "http", formats: ["CloudEvents"] }],
      };
    },
  );
  app.get(
    "/projects/:project/webhook/lasttrigger",
    { config: faithful("write"), schema: { params: projectParams } },
    async (request) => {
      const { name } = await foundProject(context, request, { ...request.params, action: "webhooks" });
      const rows: unknown[] = [];
      for (const webhook of await webhooks.list(name)) {
        const deliveries = await webhooks.deliveries(webhook, { limit: 100 });
        for (const event of webhook.events) {
          const type = harborNames[event];
          if (type === undefined) continue;
          const last = deliveries.find(({ action }) => action === event)?.triedAt;
          rows.push({
            policy_name: webhook.name,
            event_type: type,
            enabled: webhook.enabled,
            creation_time: instant(webhook.createdAt),
            last_trigger_time: last === undefined ? neverInstant : instant(last),
          });
        }
      }
      return rows;
    },
  );
}
