import { nowMs } from "../../base/clock.ts";
import { Failure, messageOf } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { Store } from "../../store/store.ts";
import {
  type DeliveryRecord,
  giveUpDeliveries,
  listWaitingTargets,
  nextDelivery,
  recordAttempt,
  recordTargetState,
} from "../../store/webhook-delivery-records.ts";
import { findWebhook, type WebhookTargetRecord } from "../../store/webhook-records.ts";
import type { PostEnd } from "./post.ts";
import type { SendDelivery } from "./sender.ts";

/** Sends what waits, each target's messages in their order, several targets at a time. */
export interface Dispatcher {
  /** Looks for messages that wait; returns at once. */
  wake(this: void): void;
  /** Stops sending; what was under way is sent again at the next start. */
  close(): Promise<void>;
}

/** When and how long is tried; tests are in more of a hurry. */
export interface DispatchPace {
  /** How long to wait after the n-th failure in a row of a target. */
  readonly retryDelayMs: (failureCount: number) => number;
  /** Attempts for one message. */
  readonly attemptsMax: number;
  /** How long one attempt may take. */
  readonly timeoutMs: number;
}

/** 1 s, 5 s, 30 s, 2 min, 10 min, 30 min, then every hour. */
const delaysMs = [1000, 5000, 30_000, 120_000, 600_000, 1_800_000, 3_600_000];

/** The pace of a server: a message is given up after 8 attempts. */
export const defaultPace: DispatchPace = {
  retryDelayMs: (failureCount) => delaysMs[Math.min(failureCount, delaysMs.length) - 1]!,
  attemptsMax: 8,
  timeoutMs: 5000,
};

/** Attempts for a message that the receiver itself turns down. */
const refusedAttemptsMax = 3;

/** Messages that wait for longer than that are given up. */
const waitMaxMs = 24 * 60 * 60_000;

/** Targets that are sent to at one time. */
const targetsAtOnce = 8;

/** Looked for messages at least that often, whatever was missed. */
const sweepMs = 60_000;

/** What a dispatcher needs. */
interface DispatcherOptions {
  readonly store: Store;
  readonly log: Log;
  readonly send: SendDelivery;
  readonly pace: DispatchPace;
  /** Told of each attempt's end. */
  readonly onEnd: (outcome: "delivered" | "failed" | "dead") => void;
}

/** Opens the dispatcher of a store; it begins with what a process before it left. */
export function openDispatcher(options: DispatcherOptions): Dispatcher {
  const { store, log } = options;
  const closing = new AbortController();
  const active = new Map<string, Promise<void>>();
  let looking: Promise<void> | undefined;
  let isLookDue = false;
  let timer: NodeJS.Timeout | undefined;

  function wake(): void {
    isLookDue = true;
    if (closing.signal.aborted) return;
    looking ??= look()
      .catch((error: unknown) => log.error({ err: error }, "cannot look for webhook messages"))
      .finally(() => {
        looking = undefined;
        if (isLookDue) wake();
      });
  }

  async function look(): Promise<void> {
    isLookDue = false;
    clearTimeout(timer);
    let soonest = nowMs() + sweepMs;
    for (const { id, webhookId, dueAt } of await listWaitingTargets(store.db)) {
      if (active.has(id) || active.size >= targetsAtOnce) continue;
      if (dueAt > nowMs()) soonest = Math.min(soonest, dueAt);
      else begin(id, webhookId);
    }
    timer = setTimeout(wake, Math.max(10, soonest - nowMs())).unref();
  }

  function begin(id: string, webhookId: string): void {
    const done = serveTarget(options, { id, webhookId, signal: closing.signal })
      .catch((error: unknown) => log.error({ err: error, target: id }, "cannot send webhook messages"))
      .finally(() => {
        active.delete(id);
        wake();
      });
    active.set(id, done);
  }

  wake();
  return {
    wake,
    async close() {
      closing.abort();
      await looking;
      clearTimeout(timer);
      await Promise.all(active.values());
      clearTimeout(timer);
    },
  };
}

interface Serving {
  readonly id: string;
  readonly webhookId: string;
  readonly signal: AbortSignal;
}

/** Sends a target's messages until none waits or one fails. */
async function serveTarget(options: DispatcherOptions, { id, webhookId, signal }: Serving): Promise<void> {
  const { store } = options;
  while (!signal.aborted) {
    const webhook = await findWebhook(store.db, webhookId);
    const target = webhook?.targets.find((one) => one.id === id);
    const delivery = await nextDelivery(store.db, id);
    if (webhook?.enabled !== true || target === undefined || delivery === undefined) return;
    const end = await attempt(options.send, { target, delivery, signal });
    if (end === undefined) return;
    if (!(await settle(options, { target, delivery, end }))) return;
  }
}

interface Sending {
  readonly target: WebhookTargetRecord;
  readonly delivery: DeliveryRecord;
  readonly signal: AbortSignal;
}

/** Undefined where it was stopped: that is no attempt. */
async function attempt(send: SendDelivery, { target, delivery, signal }: Sending): Promise<PostEnd | undefined> {
  try {
    const end = await send(target, delivery, signal);
    return signal.aborted && end.status === undefined ? undefined : end;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { status: undefined, answer: messageOf(error), durationMs: 0, retryAfterSeconds: undefined };
  }
}

interface Settling {
  readonly target: WebhookTargetRecord;
  readonly delivery: DeliveryRecord;
  readonly end: PostEnd;
}

/** Records an attempt; true where the target's next message may go at once. */
async function settle(
  { store, pace, onEnd }: DispatcherOptions,
  { target, delivery, end }: Settling,
): Promise<boolean> {
  const isDelivered = isSuccess(end);
  const attempts = delivery.attempt + 1;
  const isRefused = isRefusedByReceiver(end);
  const isDead =
    !isDelivered && attempts >= (isRefused ? Math.min(refusedAttemptsMax, pace.attemptsMax) : pace.attemptsMax);
  // A receiver that turns one message down is there: the next one is not kept waiting for it.
  const failureCount = isDelivered || (isDead && isRefused) ? 0 : target.failureCount + 1;
  const wantedMs = (end.retryAfterSeconds ?? 0) * 1000;
  const delayMs = failureCount === 0 ? 0 : Math.max(pace.retryDelayMs(failureCount), Math.min(wantedMs, 3_600_000));
  const now = nowMs();
  await store.transaction(async (db) => {
    const state = isDelivered ? "delivered" : isDead ? "dead" : "pending";
    await recordAttempt(db, delivery.id, { ...end, state });
    if (failureCount !== target.failureCount || delayMs > 0)
      await recordTargetState(db, target.id, { failureCount, dueAt: now + delayMs });
    if (!isDelivered)
      await giveUpDeliveries(db, target.id, { before: now - waitMaxMs, answer: "given up: it waited for a day" });
  });
  onEnd(isDelivered ? "delivered" : isDead ? "dead" : "failed");
  return failureCount === 0;
}

/** Whether a receiver took a message. */
export function isSuccess({ status }: PostEnd): boolean {
  return status !== undefined && status >= 200 && status < 300;
}

/** 408, 425 and 429 say that the time is wrong, not the message. */
function isRefusedByReceiver({ status }: PostEnd): boolean {
  return status !== undefined && status >= 400 && status < 500 && ![408, 425, 429].includes(status);
}
