/** What is told to others when something happens. */
interface WebhooksTable {
  readonly id: string;
  readonly name: string;
  /** Empty for all projects and for what belongs to none. */
  readonly project: string;
  /** JSON array of actions. */
  events: string;
  /** JSON array of patterns; empty for all repositories. */
  repositories: string;
  /** JSON array of patterns; empty for all tags and for none. */
  tags: string;
  enabled: number;
  readonly created_at: number;
  readonly created_by: string;
}

/** One receiver of a webhook. */
interface WebhookTargetsTable {
  readonly id: string;
  readonly webhook_id: string;
  readonly position: number;
  /** Sealed: the path of some addresses is all that protects them. */
  readonly url: string;
  /** As much of the address as may be shown. */
  readonly label: string;
  readonly format: "cloudevents" | "slack";
  /** The value of its `Authorization` header, sealed; null for none. */
  readonly authorization: string | null;
  /** What its messages are signed with, sealed. */
  readonly secret: string;
  /** Failures one after the other; a success ends them. */
  failure_count: number;
  /** Nothing is sent before this instant. */
  due_at: number;
}

/** One message for one target. */
export interface WebhookDeliveriesTable {
  readonly id: string;
  readonly target_id: string;
  /** Why it is sent: an event, a test, or again by hand. */
  readonly cause: "event" | "test" | "again";
  /** The place of the event; the order of the target's messages. */
  readonly sequence: number;
  readonly event_id: string;
  readonly action: string;
  readonly subject: string;
  /** The body, byte for byte as it is sent. */
  readonly body: string;
  /** `dead` was given up. */
  state: "pending" | "delivered" | "dead";
  attempt: number;
  readonly created_at: number;
  /** The end of the last attempt. */
  tried_at: number | null;
  duration_ms: number | null;
  /** The HTTP status of the last attempt; null where no answer came. */
  status: number | null;
  /** The beginning of the last answer, or why there was none. */
  answer: string | null;
}

/** The tables of webhooks. */
export interface WebhookTables {
  webhooks: WebhooksTable;
  webhook_targets: WebhookTargetsTable;
  webhook_deliveries: WebhookDeliveriesTable;
}
