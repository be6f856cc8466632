import { Counter, Gauge, type Registry } from "prom-client";
import { nowMs } from "../base/clock.ts";
import type { Factory } from "../pipeline/factory.ts";
import { listEventCursors } from "../store/event-cursor-records.ts";
import { auditHead } from "../store/event-records.ts";
import { metricTable, type MetricRow } from "./metric-table.ts";

/** Makes the metrics of events; each scrape calls the function that comes back. */
export function openEventMetrics(registry: Registry, { store, webhooks }: Factory): () => Promise<void> {
  const options = ({ name, about, labels }: MetricRow) => ({
    name,
    help: about,
    labelNames: [...labels],
    registers: [registry],
  });
  const events = new Counter(options(metricTable.auditEvents));
  const behind = new Gauge(options(metricTable.followersBehind));
  const attempts = new Counter(options(metricTable.webhookAttempts));
  const waiting = new Gauge(options(metricTable.webhooksWaiting));
  return async () => {
    const { sequence } = await auditHead(store.db);
    events.reset();
    events.inc(sequence);
    behind.reset();
    for (const cursor of await listEventCursors(store.db))
      if (nowMs() - cursor.seenAt < goneMs) behind.set({ follower: cursor.name }, sequence - cursor.sequence);
    const { waiting: waitingCount, ...ended } = await webhooks.counts();
    attempts.reset();
    for (const [outcome, count] of Object.entries(ended)) attempts.inc({ outcome }, count);
    waiting.set(waitingCount);
  };
}

/** A follower that was not alive for this long is of the past. */
const goneMs = 24 * 60 * 60_000;
