import { type Selectable } from "kysely";
import { type Database } from "./database.ts";
import type { WebhookTables } from "./webhooks-tables.ts";

/** What is told to whom. Instants are milliseconds. */
export interface WebhookRecord {
  readonly id: string;
  readonly name: string;
  /** Undefined for all projects and for what belongs to none. */
  readonly project: string | undefined;
  /** Actions of events. */
  readonly events: readonly string[];
  /** Patterns; none for all. */
  readonly repositories: readonly string[];
  readonly tags: readonly string[];
  readonly enabled: boolean;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly targets: readonly WebhookTargetRecord[];
}

/** One receiver; its secrets are sealed. */
export interface WebhookTargetRecord {
  readonly id: string;
  readonly url: string;
  /** As much of the address as may be shown. */
  readonly label: string;
  readonly format: "cloudevents" | "slack";
  readonly authorization: string | undefined;
  readonly secret: string;
  readonly failureCount: number;
  readonly dueAt: number;
}

/** Records a webhook with its targets, in a transaction; false where the project has one of that name. */
export async function insertWebhook(db: Database, webhook: WebhookRecord): Promise<boolean> {
  const { id, name, project, events, repositories, tags, enabled, createdAt, createdBy, targets } = webhook;
  const row = {
    id,
    name,
    project: project ?? "",
    events: JSON.stringify(events),
    repositories: JSON.stringify(repositories),
    tags: JSON.stringify(tags),
    enabled: enabled ? 1 : 0,
    created_at: createdAt,
    created_by: createdBy,
  };
  const inserted = await db
    .insertInto("webhooks")
    .values(row)
    .onConflict((conflict) => conflict.columns(["project", "name"]).doNothing())
    .returning("id")
    .executeTakeFirst();
  if (inserted === undefined) return false;
  for (const [position, target] of targets.entries())
    await db
      .insertInto("webhook_targets")
      .values({
        id: target.id,
        webhook_id: id,
        position,
        url: target.url,
        label: target.label,
        format: target.format,
        authorization: target.authorization ?? null,
        secret: target.secret,
        failure_count: 0,
        due_at: 0,
      })
      .execute();
  return true;
}

/** Webhooks by project and name; those of one project, of none (null), or all. */
export async function listWebhooks(
  db: Database,
  filter: { readonly project?: string | null; readonly enabledOnly?: boolean } = {},
): Promise<WebhookRecord[]> {
  const { project, enabledOnly = false } = filter;
  const rows = await db
    .selectFrom("webhooks")
    .selectAll()
    .$if(project !== undefined, (query) => query.where("project", "=", project ?? ""))
    .$if(enabledOnly, (query) => query.where("enabled", "=", 1))
    .orderBy("project")
    .orderBy("name")
    .execute();
  if (rows.length === 0) return [];
  const targets = await db.selectFrom("webhook_targets").selectAll().orderBy("position").execute();
  return rows.map((row) =>
    webhookOf(
      row,
      targets.filter((target) => target.webhook_id === row.id),
    ),
  );
}

/** A webhook by its id, with its targets; undefined where there is none. */
export async function findWebhook(db: Database, id: string): Promise<WebhookRecord | undefined> {
  const row = await db.selectFrom("webhooks").selectAll().where("id", "=", id).executeTakeFirst();
  if (row === undefined) return undefined;
  const targets = await db
    .selectFrom("webhook_targets")
    .selectAll()
    .where("webhook_id", "=", id)
    .orderBy("position")
    .execute();
  return webhookOf(row, targets);
}

/** Switches a webhook on or off. */
export async function switchWebhook(db: Database, id: string, enabled: boolean): Promise<void> {
  await db
    .updateTable("webhooks")
    .set({ enabled: enabled ? 1 : 0 })
    .where("id", "=", id)
    .execute();
}

/** Deletes a webhook with its targets and their messages. */
export async function deleteWebhook(db: Database, id: string): Promise<void> {
  await db.deleteFrom("webhooks").where("id", "=", id).execute();
}

function webhookOf(
  row: Selectable<WebhookTables["webhooks"]>,
  targets: readonly Selectable<WebhookTables["webhook_targets"]>[],
): WebhookRecord {
  return {
    id: row.id,
    name: row.name,
    project: row.project === "" ? undefined : row.project,
    events: JSON.parse(row.events) as string[],
    repositories: JSON.parse(row.repositories) as string[],
    tags: JSON.parse(row.tags) as string[],
    enabled: row.enabled === 1,
    createdAt: row.created_at,
    createdBy: row.created_by,
    targets: targets.map((target) => ({
      id: target.id,
      url: target.url,
      label: target.label,
      format: target.format,
      authorization: target.authorization ?? undefined,
      secret: target.secret,
      failureCount: target.failure_count,
      dueAt: target.due_at,
    })),
  };
}
