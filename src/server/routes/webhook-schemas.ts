import { z } from "zod";

const instant = z.string().describe("ISO 8601 in UTC");
const format = z.enum(["cloudevents", "slack"]);

/** A webhook without its secrets. */
export const webhookSchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    project: z.string().optional().describe("Absent where it hears of all projects"),
    events: z.array(z.string()),
    repositories: z.array(z.string()).describe("Patterns; none for all"),
    tags: z.array(z.string()).describe("Patterns; none for all"),
    enabled: z.boolean(),
    createdAt: instant,
    createdBy: z.string(),
    targets: z.array(
      z.object({
        id: z.uuid(),
        address: z.string().describe("Scheme and host: the rest may be secret"),
        format,
        hasAuthorization: z.boolean(),
        failureCount: z.int().nonnegative().describe("Failures in a row"),
      }),
    ),
  })
  .meta({ id: "Webhook" });

/** Webhooks by project and name. */
export const webhookListSchema = z.object({ webhooks: z.array(webhookSchema) }).meta({ id: "WebhookList" });

/** What a new webhook needs. */
export const newWebhookSchema = z
  .strictObject({
    name: z.string().min(1).max(100),
    project: z.string().max(256).optional().describe("Absent for all projects; that is the administrator's"),
    events: z.array(z.string().max(64)).min(1).max(100).describe("Actions such as image.pushed, or Harbor's names"),
    repositories: z.array(z.string().max(255)).max(100).default([]),
    tags: z.array(z.string().max(255)).max(100).default([]),
    enabled: z.boolean().default(true),
    targets: z
      .array(
        z.strictObject({
          url: z.string().max(2048),
          format: format.default("cloudevents"),
          authorization: z.string().max(4096).optional().describe("The value of the Authorization header"),
        }),
      )
      .min(1)
      .max(10),
  })
  .meta({ id: "NewWebhook" });

/** A new webhook with the secrets that its messages are signed with, in the order of its targets. */
export const createdWebhookSchema = z
  .object({ webhook: webhookSchema, secrets: z.array(z.string()).describe("Told here and nowhere else") })
  .meta({ id: "CreatedWebhook" });

/** One message and its fate. */
export const webhookDeliverySchema = z
  .object({
    id: z.uuid(),
    targetId: z.uuid(),
    cause: z.enum(["event", "test", "again"]),
    action: z.string(),
    subject: z.string(),
    state: z.enum(["pending", "delivered", "dead"]).describe("dead: given up"),
    attempt: z.int().nonnegative(),
    createdAt: instant,
    triedAt: instant.optional(),
    durationMs: z.number().optional(),
    status: z.int().optional().describe("HTTP status of the last attempt; absent where no answer came"),
    answer: z.string().optional().describe("The beginning of the last answer, or why there was none"),
    body: z.string().describe("As it was sent"),
  })
  .meta({ id: "WebhookDelivery" });

/** Messages of a webhook, newest first. */
export const webhookDeliveryListSchema = z
  .object({ deliveries: z.array(webhookDeliverySchema) })
  .meta({ id: "WebhookDeliveryList" });

/** Whether a webhook is on. */
export const webhookSwitchSchema = z.strictObject({ enabled: z.boolean() }).meta({ id: "WebhookSwitch" });
