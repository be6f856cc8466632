/** The tables of webhooks. */
export type WebhookTables = object;
