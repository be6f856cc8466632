import { join } from "node:path";
import type { FastifyInstance } from "fastify";
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from "prom-client";
import { tickMs } from "../base/clock.ts";
import type { Factory } from "../pipeline/factory.ts";
import { listRuns } from "../store/run-records.ts";
import { bounds } from "./bounds.ts";
import { metricTable, type MetricRow } from "./metric-table.ts";
import { openSizeGauge } from "./store-size.ts";

/** The metrics of one server. */
export interface Metrics {
  readonly streams: Gauge;
  readonly buildRequests: Counter;
  readonly residentAtStart: Gauge;
  /** The text of a scrape. Source: Prometheus exposition formats, "Text-based format". */
  scrape(): Promise<{ readonly contentType: string; readonly text: string }>;
}

const runStates = ["queued", "running", "succeeded", "failed", "cancelled"] as const;
/** A scrape reads no more rows than this. */
const runCountMax = 1000;

/** Makes the metrics of one server and counts each request of `app`. */
export function openMetrics(app: FastifyInstance, factory: Factory, version: string): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const gauge = (row: MetricRow): Gauge =>
    new Gauge({ name: row.name, help: row.about, labelNames: [...row.labels], registers: [registry] });
  const storeSize = openSizeGauge(join(factory.store.dataDir, "blobs"), bounds.storeSizeAgeMs);
  const images = gauge(metricTable.images);
  const builds = gauge(metricTable.builds);
  const storeBytes = gauge(metricTable.storeBytes);
  gauge(metricTable.built).set({ version }, 1);
  countRequests(app, registry);
  return {
    streams: gauge(metricTable.streams),
    buildRequests: new Counter({
      name: metricTable.buildRequests.name,
      help: metricTable.buildRequests.about,
      registers: [registry],
    }),
    residentAtStart: gauge(metricTable.residentAtStart),
    async scrape() {
      const all = await factory.images();
      for (const verdict of ["pass", "fail"] as const)
        images.set({ verdict }, all.filter((image) => image.verdict === verdict).length);
      const runs = await listRuns(factory.store.db, { limit: runCountMax });
      for (const state of runStates) builds.set({ state }, runs.filter((run) => run.state === state).length);
      storeBytes.set(await storeSize());
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  };
}

function countRequests(app: FastifyInstance, registry: Registry): void {
  const row = metricTable.requests;
  const durations = new Histogram({
    name: row.name,
    help: row.about,
    labelNames: [...row.labels],
    buckets: [...row.buckets],
    registers: [registry],
  });
  const inFlight = new Gauge({
    name: metricTable.inFlight.name,
    help: metricTable.inFlight.about,
    registers: [registry],
  });
  const starts = new WeakMap<object, number>();
  app.addHook("onRequest", async (request, reply) => {
    starts.set(request.raw, tickMs());
    inFlight.inc();
    // "close" comes once for each answer, also where the client went away in the middle.
    reply.raw.once("close", () => {
      inFlight.dec();
      const seconds = (tickMs() - starts.get(request.raw)!) / 1000;
      durations.observe(
        {
          method: methodOf(request.method),
          route: request.routeOptions.url ?? "none",
          code: String(reply.raw.statusCode),
        },
        seconds,
      );
    });
  });
}

/** Clients may invent methods; labels may not grow by that. */
function methodOf(method: string): string {
  return ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"].includes(method) ? method : "other";
}
