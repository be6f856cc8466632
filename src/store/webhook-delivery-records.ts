import { type Selectable } from "kysely";
import { nowMs } from "../base/clock.ts";
import { type Database } from "./database.ts";
import type { WebhookDeliveriesTable } from "./webhooks-tables.ts";

/** One message for one target. Instants are milliseconds. */
export interface DeliveryRecord {
  readonly id: string;
  readonly targetId: string;
  readonly cause: "event" | "test" | "again";
  readonly sequence: number;
  readonly eventId: string;
  readonly action: string;
  readonly subject: string;
  readonly body: string;
  readonly state: "pending" | "delivered" | "dead";
  readonly attempt: number;
  readonly createdAt: number;
  readonly triedAt: number | undefined;
  readonly durationMs: number | undefined;
  readonly status: number | undefined;
  readonly answer: string | undefined;
}

/** A message to be sent. */
export type NewDelivery = Pick<
  DeliveryRecord,
  "id" | "targetId" | "cause" | "sequence" | "eventId" | "action" | "subject" | "body"
>;

/** How an attempt to send ended. */
export interface DeliveryAttempt {
  readonly status: number | undefined;
  readonly answer: string;
  readonly durationMs: number;
}

/** Records a message that waits; the message of an event that the target has already is left as it is. */
export async function insertDelivery(db: Database, delivery: NewDelivery): Promise<void> {
  const { id, targetId, cause, sequence, eventId, action, subject, body } = delivery;
  await db
    .insertInto("webhook_deliveries")
    .values({
      id,
      target_id: targetId,
      cause,
      sequence,
      event_id: eventId,
      action,
      subject,
      body,
      state: "pending",
      attempt: 0,
      created_at: nowMs(),
      tried_at: null,
      duration_ms: null,
      status: null,
      answer: null,
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** Records the end of an attempt and what becomes of the message. */
export async function recordAttempt(
  db: Database,
  id: string,
  end: DeliveryAttempt & { readonly state: DeliveryRecord["state"] },
): Promise<void> {
  const { status = null, answer, durationMs, state } = end;
  await db
    .updateTable("webhook_deliveries")
    .set((expression) => ({
      state,
      status,
      answer,
      duration_ms: Math.round(durationMs),
      tried_at: nowMs(),
      attempt: expression("attempt", "+", 1),
    }))
    .where("id", "=", id)
    .execute();
}

/** Records how a target fares: its failures in a row, and before when nothing is sent to it. */
export async function recordTargetState(
  db: Database,
  id: string,
  state: { readonly failureCount: number; readonly dueAt: number },
): Promise<void> {
  await db
    .updateTable("webhook_targets")
    .set({ failure_count: state.failureCount, due_at: state.dueAt })
    .where("id", "=", id)
    .execute();
}

/** The oldest message of a target that waits. Messages that are sent by hand wait for nobody and are not among them. */
export async function nextDelivery(db: Database, targetId: string): Promise<DeliveryRecord | undefined> {
  const row = await db
    .selectFrom("webhook_deliveries")
    .selectAll()
    .where("target_id", "=", targetId)
    .where("state", "=", "pending")
    .where("cause", "=", "event")
    .orderBy("sequence")
    .limit(1)
    .executeTakeFirst();
  return row === undefined ? undefined : deliveryOf(row);
}

/** Targets of enabled webhooks for which messages wait. */
export async function listWaitingTargets(
  db: Database,
): Promise<{ readonly id: string; readonly webhookId: string; readonly dueAt: number }[]> {
  const rows = await db
    .selectFrom("webhook_targets")
    .innerJoin("webhooks", "webhooks.id", "webhook_targets.webhook_id")
    .select(["webhook_targets.id", "webhook_targets.webhook_id", "webhook_targets.due_at"])
    .where("webhooks.enabled", "=", 1)
    .where(({ exists, selectFrom }) =>
      exists(
        selectFrom("webhook_deliveries")
          .select("webhook_deliveries.id")
          .whereRef("webhook_deliveries.target_id", "=", "webhook_targets.id")
          .where("webhook_deliveries.state", "=", "pending")
          .where("webhook_deliveries.cause", "=", "event"),
      ),
    )
    .execute();
  return rows.map((row) => ({ id: row.id, webhookId: row.webhook_id, dueAt: row.due_at }));
}

/** Messages of a webhook, newest first. */
export async function listDeliveries(
  db: Database,
  filter: { readonly webhookId: string; readonly state?: DeliveryRecord["state"] | undefined; readonly limit: number },
): Promise<DeliveryRecord[]> {
  const { webhookId, state, limit } = filter;
  const rows = await db
    .selectFrom("webhook_deliveries")
    .selectAll()
    .where("target_id", "in", (query) =>
      query.selectFrom("webhook_targets").select("id").where("webhook_id", "=", webhookId),
    )
    .$if(state !== undefined, (query) => query.where("state", "=", state!))
    .orderBy("created_at", "desc")
    .orderBy("sequence", "desc")
    .orderBy("id", "desc")
    .limit(limit)
    .execute();
  return rows.map(deliveryOf);
}

/** One message of a webhook. */
export async function findDelivery(db: Database, webhookId: string, id: string): Promise<DeliveryRecord | undefined> {
  const row = await db
    .selectFrom("webhook_deliveries")
    .selectAll()
    .where("id", "=", id)
    .where("target_id", "in", (query) =>
      query.selectFrom("webhook_targets").select("id").where("webhook_id", "=", webhookId),
    )
    .executeTakeFirst();
  return row === undefined ? undefined : deliveryOf(row);
}

/** Gives up all messages of a target that wait since before an instant; gives how many. */
export async function giveUpDeliveries(
  db: Database,
  targetId: string,
  given: { readonly before: number; readonly answer: string },
): Promise<number> {
  const { numUpdatedRows } = await db
    .updateTable("webhook_deliveries")
    .set({ state: "dead", answer: given.answer })
    .where("target_id", "=", targetId)
    .where("state", "=", "pending")
    .where("created_at", "<", given.before)
    .executeTakeFirst();
  return Number(numUpdatedRows);
}

/** Forgets messages that ended before an instant, at most `limit` at a time; gives how many. */
export async function forgetDeliveries(
  db: Database,
  old: { readonly before: number; readonly limit: number },
): Promise<number> {
  const { numDeletedRows } = await db
    .deleteFrom("webhook_deliveries")
    .where("id", "in", (query) =>
      query
        .selectFrom("webhook_deliveries")
        .select("id")
        .where("created_at", "<", old.before)
        // What was sent by hand and waits still was cut off by a crash.
        .where((expression) =>
          expression.or([expression("state", "!=", "pending"), expression("cause", "!=", "event")]),
        )
        .limit(old.limit),
    )
    .executeTakeFirst();
  return Number(numDeletedRows);
}

/** How many messages wait. */
export async function countWaitingDeliveries(db: Database): Promise<number> {
  const { count } = await db
    .selectFrom("webhook_deliveries")
    .select((expression) => expression.fn.countAll<number>().as("count"))
    .where("state", "=", "pending")
    .executeTakeFirstOrThrow();
  return count;
}

function deliveryOf(row: Selectable<WebhookDeliveriesTable>): DeliveryRecord {
  return {
    id: row.id,
    targetId: row.target_id,
    cause: row.cause,
    sequence: row.sequence,
    eventId: row.event_id,
    action: row.action,
    subject: row.subject,
    body: row.body,
    state: row.state,
    attempt: row.attempt,
    createdAt: row.created_at,
    triedAt: row.tried_at ?? undefined,
    durationMs: row.duration_ms ?? undefined,
    status: row.status ?? undefined,
    answer: row.answer ?? undefined,
  };
}
