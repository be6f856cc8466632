import { newId, newSecret, nowMs } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { SecretBox } from "../../base/secret-box.ts";
import type { WebhooksConfig } from "../../config/event-keys.ts";
import { type EventFollower, followEvents } from "../../jobs/jobs.ts";
import { readGlob } from "../../model/glob.ts";
import { addAuditEvent, type AuditRecord } from "../../store/event-records.ts";
import type { Store } from "../../store/store.ts";
import {
  countWaitingDeliveries,
  type DeliveryRecord,
  findDelivery,
  forgetDeliveries,
  insertDelivery,
  listDeliveries,
  type NewDelivery,
  recordAttempt,
} from "../../store/webhook-delivery-records.ts";
import {
  deleteWebhook,
  findWebhook,
  insertWebhook,
  listWebhooks,
  switchWebhook,
  type WebhookRecord,
  type WebhookTargetRecord,
} from "../../store/webhook-records.ts";
import { defaultPace, type DispatchPace, type Dispatcher, isSuccess, openDispatcher } from "./dispatcher.ts";
import { matcherOf } from "./matching.ts";
import { messageBody, type MessageFormat } from "./message.ts";
import { checkTargetUrl, shownUrl } from "./post.ts";
import { openSender, sealContext } from "./sender.ts";
import { readEventNames } from "./words.ts";

/** What a new webhook needs. */
export interface NewWebhook {
  readonly name: string;
  /** Undefined for all projects and for what belongs to none. */
  readonly project: string | undefined;
  /** Our actions or Harbor's names; pulls only where they are named. */
  readonly events: readonly string[];
  /** Patterns over repository names; none for all. */
  readonly repositories: readonly string[];
  /** Patterns over tags; none for all, and for what has none. */
  readonly tags: readonly string[];
  readonly enabled: boolean;
  readonly targets: readonly NewTarget[];
  readonly actor: string;
}

interface NewTarget {
  readonly url: string;
  readonly format: MessageFormat;
  /** The value of the `Authorization` header. */
  readonly authorization: string | undefined;
}

/** A new webhook with the secret of each target, which is told here and nowhere else. */
interface CreatedWebhook {
  readonly webhook: WebhookRecord;
  readonly secrets: readonly string[];
}

/** Attempts since the process began, by how they ended, and what waits. */
interface WebhookCounts {
  readonly delivered: number;
  readonly failed: number;
  readonly dead: number;
  readonly waiting: number;
}

/** Tells others of what happens: each message at least once, in order for each target, across restarts. */
export interface Webhooks {
  /** @throws Failure `usage`, `forbidden` for a private address, `conflict` where the name is in use */
  create(input: NewWebhook): Promise<CreatedWebhook>;
  /** Of one project, of none (null), or all. */
  list(project?: string | null): Promise<WebhookRecord[]>;
  find(id: string): Promise<WebhookRecord | undefined>;
  switch(webhook: WebhookRecord, enabled: boolean, actor: string): Promise<void>;
  delete(webhook: WebhookRecord, actor: string): Promise<void>;
  /** Sends a made-up event to each target at once and gives what came of it. */
  test(webhook: WebhookRecord, actor: string): Promise<DeliveryRecord[]>;
  /** Newest first. */
  deliveries(
    webhook: WebhookRecord,
    filter: { readonly state?: DeliveryRecord["state"] | undefined; readonly limit: number },
  ): Promise<DeliveryRecord[]>;
  /** Sends a message again at once, whatever became of it, and gives what came of it; undefined where there is none. */
  redeliver(webhook: WebhookRecord, deliveryId: string): Promise<DeliveryRecord | undefined>;
  /** Forgets messages that ended more than 30 days ago. */
  prune(): Promise<number>;
  counts(): Promise<WebhookCounts>;
  close(): Promise<void>;
}

/** What webhooks are opened with. */
export interface WebhooksOptions {
  readonly store: Store;
  readonly log: Log;
  readonly box: SecretBox;
  readonly allow: WebhooksConfig;
  /** A URI that names this registry in messages. */
  readonly source: string;
  /** Whether events are followed and messages sent; a command's process leaves that to the server. */
  readonly isStanding: boolean;
  readonly pace?: DispatchPace;
}

/** Opens the webhooks of a store; what was not delivered goes on. */
export async function openWebhooks(options: WebhooksOptions): Promise<Webhooks> {
  const { store, log, box, allow, source, isStanding, pace = defaultPace } = options;
  const send = openSender({ box, allow, timeoutMs: pace.timeoutMs });
  const ended = { delivered: 0, failed: 0, dead: 0 };
  const onEnd = (outcome: keyof typeof ended): void => void (ended[outcome] += 1);
  const running = isStanding ? await run({ store, log, source, send, pace, onEnd }) : undefined;

  /** Sends outside of the order, once. */
  async function sendNow(target: WebhookTargetRecord, delivery: NewDelivery): Promise<DeliveryRecord> {
    await insertDelivery(store.db, delivery);
    const end = await send(target, { ...delivery, attempt: 0 });
    const state = isSuccess(end) ? "delivered" : "dead";
    onEnd(state);
    await recordAttempt(store.db, delivery.id, { ...end, state });
    const { status, answer, durationMs } = end;
    const now = nowMs();
    return { ...delivery, state, attempt: 1, createdAt: now, triedAt: now, durationMs, status, answer };
  }

  return {
    create: async (input) => await create({ store, box, allow }, input),
    list: async (project) => await listWebhooks(store.db, project === undefined ? {} : { project }),
    find: async (id) => await findWebhook(store.db, id),
    async switch(webhook, enabled, actor) {
      await store.transaction(async (db) => {
        await switchWebhook(db, webhook.id, enabled);
        await addAuditEvent(db, changeOf(webhook, enabled ? "enabled" : "disabled", actor));
      });
      running?.dispatcher.wake();
    },
    async delete(webhook, actor) {
      await store.transaction(async (db) => {
        await deleteWebhook(db, webhook.id);
        await addAuditEvent(db, changeOf(webhook, "deleted", actor));
      });
    },
    async test(webhook, actor) {
      const event = testEvent(webhook, actor);
      const tests = webhook.targets.map((target) =>
        sendNow(target, newDelivery(target, event, { source, cause: "test" })),
      );
      return await Promise.all(tests);
    },
    deliveries: async ({ id }, filter) => await listDeliveries(store.db, { webhookId: id, ...filter }),
    async redeliver(webhook, deliveryId) {
      const delivery = await findDelivery(store.db, webhook.id, deliveryId);
      const target = webhook.targets.find(({ id }) => id === delivery?.targetId);
      if (delivery === undefined || target === undefined) return undefined;
      return await sendNow(target, { ...delivery, id: newId(), cause: "again" });
    },
    prune: async () => await prune(store),
    counts: async () => ({ ...ended, waiting: await countWaitingDeliveries(store.db) }),
    async close() {
      await running?.follower.close();
      await running?.dispatcher.close();
    },
  };
}

type Running = { readonly follower: EventFollower; readonly dispatcher: Dispatcher };

async function run({
  source,
  ...options
}: Parameters<typeof openDispatcher>[0] & { source: string }): Promise<Running> {
  const { store, log } = options;
  const dispatcher = openDispatcher(options);
  const follower = await followEvents({
    store,
    log,
    name: "webhooks",
    async handle(events) {
      const webhooks = await listWebhooks(store.db, { enabledOnly: true });
      const deliveries = webhooks.flatMap((webhook) => {
        const matching = events.filter(matcherOf(webhook));
        return webhook.targets.flatMap((target) =>
          matching.map((event) => newDelivery(target, event, { source, cause: "event" })),
        );
      });
      if (deliveries.length === 0) return;
      await store.transaction(async (db) => {
        for (const delivery of deliveries) await insertDelivery(db, delivery);
      });
      dispatcher.wake();
    },
  });
  return { follower, dispatcher };
}

interface Shape {
  readonly source: string;
  readonly cause: DeliveryRecord["cause"];
}

function newDelivery(target: WebhookTargetRecord, event: AuditRecord, { source, cause }: Shape): NewDelivery {
  const { sequence, action, subject } = event;
  const body = messageBody(target.format, event, source);
  return { id: newId(), targetId: target.id, cause, sequence, eventId: event.id, action, subject, body };
}

function testEvent({ name, project }: WebhookRecord, actor: string): AuditRecord {
  const details = { message: "A test of the webhook: nothing has happened" };
  const subject = name;
  return {
    sequence: 0,
    id: newId(),
    at: nowMs(),
    actor,
    address: undefined,
    action: "webhook.tested",
    project,
    subject,
    details,
    hash: "",
  };
}

type Making = Pick<WebhooksOptions, "store" | "box" | "allow">;

async function create({ store, box, allow }: Making, input: NewWebhook): Promise<CreatedWebhook> {
  const { name, project, repositories, tags, enabled, actor } = input;
  const refuse = (state: string): Failure => new Failure("usage", `Cannot make the webhook "${name}": ${state}`);
  if (!/^[\w][\w .-]{0,99}$/.test(name)) throw refuse("its name must be letters, digits, spaces, dots and dashes");
  const read = readEventNames(input.events);
  if ("unknown" in read) throw refuse(`"${read.unknown.slice(0, 100)}" is no event`);
  if (read.events.length === 0) throw refuse("it names no event");
  for (const pattern of [...repositories, ...tags]) {
    const glob = readGlob(pattern);
    if ("invalid" in glob) throw refuse(`the pattern "${pattern.slice(0, 100)}" cannot be read: ${glob.invalid}`);
  }
  if (input.targets.length === 0 || input.targets.length > 10) throw refuse("it needs one to ten targets");
  const secrets = input.targets.map(() => `whsec_${newSecret(32)}`);
  const targets = input.targets.map((target, index) => {
    const id = newId();
    const context = sealContext(id);
    const { authorization } = target;
    if (authorization !== undefined && !/^[\x20-\x7e]{1,4096}$/.test(authorization))
      throw refuse("its authorization is no header value");
    return {
      id,
      url: box.seal(checkTargetUrl(target.url, allow), context),
      label: shownUrl(target.url),
      format: target.format,
      authorization: authorization === undefined ? undefined : box.seal(authorization, context),
      secret: box.seal(secrets[index]!, context),
      failureCount: 0,
      dueAt: 0,
    };
  });
  const { events } = read;
  const webhook: WebhookRecord = {
    id: newId(),
    name,
    project,
    events,
    repositories,
    tags,
    enabled,
    createdAt: nowMs(),
    createdBy: actor,
    targets,
  };
  await store.transaction(async (db) => {
    if (!(await insertWebhook(db, webhook)))
      throw new Failure("conflict", `Cannot make the webhook "${name}": there is one of that name`);
    await addAuditEvent(db, changeOf(webhook, "created", actor));
  });
  return { webhook, secrets };
}

function changeOf(webhook: WebhookRecord, change: string, actor: string): Parameters<typeof addAuditEvent>[1] {
  const { name, project, events, targets } = webhook;
  const details = { change, events, targets: targets.map(({ label, format }) => ({ label, format })) };
  return { actor, action: "webhook.changed", subject: name, project, details };
}

/** Messages that ended are kept so long. */
const keptMs = 30 * 24 * 60 * 60_000;

const pruneCount = 1000;

async function prune(store: Store): Promise<number> {
  let forgotten = 0;
  for (;;) {
    const count = await forgetDeliveries(store.db, { before: nowMs() - keptMs, limit: pruneCount });
    forgotten += count;
    if (count < pruneCount) return forgotten;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
