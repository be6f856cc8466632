import type {
  AuditPage,
  AuditVerification,
  CreatedWebhook,
  NewWebhook,
  Webhook,
  WebhookDeliveryList,
  WebhookList,
} from "./api-types.ts";
import type { ApiRequest, ApiResponse } from "./transport.ts";

/** What events are looked for; instants are ISO 8601. */
export interface AuditSearch {
  readonly actor?: string | undefined;
  /** `image.pushed`, or `image.*` for all of a kind. */
  readonly action?: string | undefined;
  readonly project?: string | undefined;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  readonly text?: string | undefined;
}

/** The operations about events: the audit log, and who is told of them. */
export interface EventOperations {
  audit(
    search: AuditSearch & { readonly order?: "newest" | "oldest"; readonly beyond?: number; readonly limit?: number },
  ): Promise<AuditPage>;
  /** The CSV as it comes. */
  exportAudit(search: AuditSearch): Promise<AsyncIterable<Uint8Array>>;
  /** @param kept `SEQUENCE:HASH` that was kept outside */
  verifyAudit(kept?: string): Promise<AuditVerification>;
  webhooks(project?: string): Promise<WebhookList>;
  createWebhook(webhook: NewWebhook): Promise<CreatedWebhook>;
  switchWebhook(id: string, enabled: boolean): Promise<Webhook>;
  deleteWebhook(id: string): Promise<Webhook>;
  testWebhook(id: string): Promise<WebhookDeliveryList>;
  webhookDeliveries(
    id: string,
    filter?: { readonly state?: string; readonly limit?: number },
  ): Promise<WebhookDeliveryList>;
  redeliverWebhook(id: string, delivery: string): Promise<WebhookDeliveryList>;
}

/** Sends a request; JSON comes back parsed. */
export interface Asking {
  sent(request: ApiRequest): Promise<ApiResponse>;
  json<Answer>(request: ApiRequest): Promise<Answer>;
}

/** The operations about events, over what sends requests. */
export function eventOperations({ sent, json }: Asking): EventOperations {
  const get = <Answer>(path: string): Promise<Answer> => json({ method: "GET", path: `/api/v1${path}` });
  const post = <Answer>(path: string, body?: unknown): Promise<Answer> =>
    json({ method: "POST", path: `/api/v1${path}`, ...(body === undefined ? {} : { body }) });
  const hook = (id: string): string => `/webhooks/${encodeURIComponent(id)}`;
  return {
    audit: (search) => get(`/audit?${query(search)}`),
    exportAudit: async (search) =>
      (await sent({ method: "GET", path: `/api/v1/audit/export?${query(search)}`, accept: "text/csv" })).body,
    verifyAudit: (kept) => get(`/audit/verification?${query({ kept })}`),
    webhooks: (project) => get(`/webhooks?${query({ project })}`),
    createWebhook: (webhook) => post("/webhooks", webhook),
    switchWebhook: (id, enabled) => post(`${hook(id)}/switch`, { enabled }),
    deleteWebhook: (id) => json({ method: "DELETE", path: `/api/v1${hook(id)}` }),
    testWebhook: (id) => post(`${hook(id)}/test`),
    webhookDeliveries: (id, filter = {}) => get(`${hook(id)}/deliveries?${query(filter)}`),
    redeliverWebhook: (id, delivery) => post(`${hook(id)}/deliveries/${encodeURIComponent(delivery)}/redeliver`),
  };
}

function query(parameters: object): string {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) given.set(name, String(value));
  return given.toString();
}
