import { Counter, Gauge, type Registry } from "prom-client";
import type { Factory } from "../pipeline/factory.ts";
import { metricTable, type MetricRow } from "./metric-table.ts";

/** Makes the metrics of replication and proxy caches; each scrape calls the function that comes back. */
export function openMovementMetrics(registry: Registry, factory: Factory): () => Promise<void> {
  const options = ({ name, about, labels }: MetricRow) => ({
    name,
    help: about,
    labelNames: [...labels],
    registers: [registry],
  });
  const tasks = new Gauge(options(metricTable.replicationTasks));
  const bytes = new Counter(options(metricTable.replicationBytes));
  const requests = new Counter(options(metricTable.proxyRequests));
  const fetched = new Counter(options(metricTable.proxyBytes));
  return async () => {
    const { replication, proxies } = factory.movement;
    const counts = await replication.counts();
    for (const [state, count] of Object.entries(counts.tasks)) tasks.set({ state }, count);
    bytes.reset();
    for (const [direction, count] of Object.entries(counts.bytes)) bytes.inc({ direction }, count);
    const proxied = proxies.counts();
    requests.reset();
    for (const [outcome, count] of Object.entries(proxied.requests)) requests.inc({ outcome }, count);
    fetched.reset();
    fetched.inc(proxied.fetchedBytes);
  };
}
