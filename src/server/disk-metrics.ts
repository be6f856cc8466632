import { statfs } from "node:fs/promises";
import { Gauge, type Registry } from "prom-client";
import { tickMs } from "../base/clock.ts";
import { metricTable } from "./metric-table.ts";

/** Scrapes in this time see the same: a network file system may take its time to answer. */
const cachedMs = 10_000;

/** Makes the metrics of the file system that holds a data folder; each scrape calls the function that comes back. */
export function openDiskMetrics(registry: Registry, dataDir: string): () => Promise<void> {
  const used = new Gauge(optionsOf(metricTable.diskUsed, registry));
  const size = new Gauge(optionsOf(metricTable.diskSize, registry));
  let readAt = -Infinity;
  return async () => {
    if (tickMs() - readAt < cachedMs) return;
    const { bsize, blocks, bfree, bavail } = await statfs(dataDir);
    readAt = tickMs();
    const usedBytes = (blocks - bfree) * bsize;
    used.set(usedBytes);
    // What is kept back for root is not there for us; `df` counts so too.
    size.set(usedBytes + bavail * bsize);
  };
}

function optionsOf(row: { readonly name: string; readonly about: string }, registry: Registry) {
  return { name: row.name, help: row.about, registers: [registry] };
}
