import { z } from "zod";
import { isoSeconds } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import type { Webhooks } from "../../registry/registry.ts";
import type { Caller } from "../access.ts";
import type { ApiApp, ApiContext } from "../api-app.ts";
import { problemSchema } from "../schemas.ts";
import {
  createdWebhookSchema,
  newWebhookSchema,
  webhookDeliveryListSchema,
  type webhookDeliverySchema,
  webhookListSchema,
  webhookSchema,
  webhookSwitchSchema,
} from "./webhook-schemas.ts";

type Webhook = Awaited<ReturnType<Webhooks["list"]>>[number];
type Delivery = Awaited<ReturnType<Webhooks["deliveries"]>>[number];

const params = z.object({ id: z.uuid() });
const errors = { 403: problemSchema, 404: problemSchema };

/** Who is told of what happens, and what became of the messages. */
export function webhookRoutes(app: ApiApp, context: ApiContext): void {
  const { webhooks } = context.factory;
  app.get(
    "/webhooks",
    {
      config: { need: "write" },
      schema: {
        operationId: "listWebhooks",
        tags: ["webhooks"],
        summary: "List the webhooks that the caller may change",
        querystring: z.object({ project: z.string().max(256).optional() }),
        response: { 200: webhookListSchema },
      },
    },
    async ({ query: { project }, caller }) => {
      const all = await webhooks.list(project);
      return { webhooks: all.filter((webhook) => mayChange(caller, webhook.project)).map(shown) };
    },
  );
  app.post(
    "/webhooks",
    {
      config: { need: "write" },
      schema: {
        operationId: "createWebhook",
        tags: ["webhooks"],
        summary: "Make a webhook; the secrets that sign its messages are in this answer and nowhere else",
        body: newWebhookSchema,
        response: { 201: createdWebhookSchema, 403: problemSchema, 409: problemSchema },
      },
    },
    async ({ body, caller }, reply) => {
      if (!mayChange(caller, body.project))
        throw new Failure(
          "forbidden",
          `Cannot make a webhook ${body.project === undefined ? "for all projects" : `in "${body.project}"`}`,
        );
      const targets = body.targets.map(({ url, format, authorization }) => ({ url, format, authorization }));
      const { project } = body;
      const { webhook, secrets } = await webhooks.create({ ...body, project, targets, actor: caller.name });
      return await reply.code(201).send({ webhook: shown(webhook), secrets: [...secrets] });
    },
  );
  changeRoutes(app, context);
  deliveryRoutes(app, context);
}

function changeRoutes(app: ApiApp, { factory: { webhooks } }: ApiContext): void {
  app.post(
    "/webhooks/:id/switch",
    {
      config: { need: "write" },
      schema: {
        operationId: "switchWebhook",
        tags: ["webhooks"],
        summary: "Switch a webhook on or off; what waits stays",
        params,
        body: webhookSwitchSchema,
        response: { 200: webhookSchema, ...errors },
      },
    },
    async ({ params: { id }, body: { enabled }, caller }) => {
      const webhook = await changeable(webhooks, caller, id);
      await webhooks.switch(webhook, enabled, caller.name);
      return shown({ ...webhook, enabled });
    },
  );
  app.delete(
    "/webhooks/:id",
    {
      config: { need: "write" },
      schema: {
        operationId: "deleteWebhook",
        tags: ["webhooks"],
        summary: "Delete a webhook with its messages",
        params,
        response: { 200: webhookSchema, ...errors },
      },
    },
    async ({ params: { id }, caller }) => {
      const webhook = await changeable(webhooks, caller, id);
      await webhooks.delete(webhook, caller.name);
      return shown(webhook);
    },
  );
}

function deliveryRoutes(app: ApiApp, { factory: { webhooks } }: ApiContext): void {
  app.post(
    "/webhooks/:id/test",
    {
      config: { need: "write" },
      schema: {
        operationId: "testWebhook",
        tags: ["webhooks"],
        summary: "Send a made-up event to each target now",
        params,
        response: { 200: webhookDeliveryListSchema, ...errors },
      },
    },
    async ({ params: { id }, caller }) => {
      const deliveries = await webhooks.test(await changeable(webhooks, caller, id), caller.name);
      return { deliveries: deliveries.map(shownDelivery) };
    },
  );
  app.get(
    "/webhooks/:id/deliveries",
    {
      config: { need: "write" },
      schema: {
        operationId: "listWebhookDeliveries",
        tags: ["webhooks"],
        summary: "List the messages of a webhook, newest first",
        params,
        querystring: z.object({
          state: z.enum(["pending", "delivered", "dead"]).optional(),
          limit: z.coerce.number().int().min(1).max(500).default(50),
        }),
        response: { 200: webhookDeliveryListSchema, ...errors },
      },
    },
    async ({ params: { id }, query: { state, limit }, caller }) => {
      const webhook = await changeable(webhooks, caller, id);
      return { deliveries: (await webhooks.deliveries(webhook, { state, limit })).map(shownDelivery) };
    },
  );
  app.post(
    "/webhooks/:id/deliveries/:delivery/redeliver",
    {
      config: { need: "write" },
      schema: {
        operationId: "redeliverWebhook",
        tags: ["webhooks"],
        summary: "Send a message again now, whatever became of it",
        params: params.extend({ delivery: z.uuid() }),
        response: { 200: webhookDeliveryListSchema, ...errors },
      },
    },
    async ({ params: { id, delivery }, caller }) => {
      const again = await webhooks.redeliver(await changeable(webhooks, caller, id), delivery);
      if (again === undefined) throw new Failure("not_found", `Cannot find the message "${delivery}"`);
      return { deliveries: [shownDelivery(again)] };
    },
  );
}

/** System-wide webhooks are the administrator's. */
function mayChange(caller: Caller, project: string | undefined): boolean {
  return caller.role === "administrator" || (project !== undefined && caller.may("webhooks", project));
}

async function changeable(webhooks: Webhooks, caller: Caller, id: string): Promise<Webhook> {
  const webhook = await webhooks.find(id);
  if (webhook === undefined || !mayChange(caller, webhook.project))
    throw new Failure("not_found", `Cannot find the webhook "${id}"`);
  return webhook;
}

function shown({
  project,
  createdAt,
  targets,
  events,
  repositories,
  tags,
  ...rest
}: Webhook): z.input<typeof webhookSchema> {
  return {
    ...rest,
    ...(project === undefined ? {} : { project }),
    events: [...events],
    repositories: [...repositories],
    tags: [...tags],
    createdAt: isoSeconds(createdAt),
    targets: targets.map(({ id, label, format, authorization, failureCount }) => ({
      id,
      address: label,
      format,
      hasAuthorization: authorization !== undefined,
      failureCount,
    })),
  };
}

function shownDelivery(delivery: Delivery): z.input<typeof webhookDeliverySchema> {
  const { id, targetId, cause, action, subject, state, attempt, createdAt, triedAt, durationMs, status, answer, body } =
    delivery;
  return {
    id,
    targetId,
    cause,
    action,
    subject,
    state,
    attempt,
    body,
    createdAt: isoSeconds(createdAt),
    ...(triedAt === undefined ? {} : { triedAt: isoSeconds(triedAt) }),
    ...(durationMs === undefined ? {} : { durationMs: Math.round(durationMs) }),
    ...(status === undefined ? {} : { status }),
    ...(answer === undefined ? {} : { answer }),
  };
}
