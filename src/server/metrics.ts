import type { FastifyInstance } from "fastify";
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from "prom-client";
import { countRobotsEndingSoon } from "../auth/auth.ts";
import { sleep, tickMs } from "../base/clock.ts";
import type { Factory } from "../pipeline/factory.ts";
import { listRuns } from "../store/run-records.ts";
import { openDiskMetrics } from "./disk-metrics.ts";
import { openEventMetrics } from "./event-metrics.ts";
import { metricTable, type MetricRow } from "./metric-table.ts";
import { openMovementMetrics } from "./movement-metrics.ts";

/** The metrics of one server. */
export interface Metrics {
  readonly streams: Gauge;
  readonly buildRequests: Counter;
  readonly residentAtStart: Gauge;
  readonly refusedRequests: Counter<"by">;
  /** The text of a scrape. Source: Prometheus exposition formats, "Text-based format". */
  scrape(): Promise<{ readonly contentType: string; readonly text: string }>;
}

const runStates = ["queued", "running", "succeeded", "failed", "cancelled"] as const;
/** A store whose size nobody ever wrote down is walked once; a scrape does not wait for the end of that. */
const sizeWaitMs = 1000;
/** A scrape reads no more rows than this. */
const runCountMax = 1000;

/** Makes the metrics of one server and counts each request of `app`. */
export function openMetrics(app: FastifyInstance, factory: Factory, version: string): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const gauge = (row: MetricRow): Gauge =>
    new Gauge({ name: row.name, help: row.about, labelNames: [...row.labels], registers: [registry] });
  const images = gauge(metricTable.images);
  const builds = gauge(metricTable.builds);
  const storeBytes = gauge(metricTable.storeBytes);
  const robotsEnding = gauge(metricTable.robotsEnding);
  const sinceCollection = gauge(metricTable.sinceCollection);
  const showAdmission = admissionMetrics(registry);
  const showEvents = openEventMetrics(registry, factory);
  const showDisk = openDiskMetrics(registry, factory.store.dataDir);
  const showMovement = openMovementMetrics(registry, factory);
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
    refusedRequests: new Counter({
      name: metricTable.refusedRequests.name,
      help: metricTable.refusedRequests.about,
      labelNames: [...metricTable.refusedRequests.labels],
      registers: [registry],
    }),
    async scrape() {
      const all = await factory.images();
      for (const verdict of ["pass", "fail"] as const)
        images.set({ verdict }, all.filter((image) => image.verdict === verdict).length);
      const runs = await listRuns(factory.store.db, { limit: runCountMax });
      for (const state of runStates) builds.set({ state }, runs.filter((run) => run.state === state).length);
      const bytes = await within(factory.store.blobs.usedBytes(), sizeWaitMs);
      if (bytes !== undefined) storeBytes.set(bytes);
      robotsEnding.set(await countRobotsEndingSoon(factory.store));
      sinceCollection.set(await factory.collection.secondsSinceSuccess());
      showAdmission(await factory.admission.counts());
      await showDisk();
      await showEvents();
      await showMovement();
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  };
}

/** What a promise gives, or undefined where it takes longer. */
async function within<T>(work: Promise<T>, waitMs: number): Promise<T | undefined> {
  const over = new AbortController();
  try {
    return await Promise.race([work, sleep(waitMs, over.signal).then(() => undefined)]);
  } finally {
    over.abort();
  }
}

type AdmissionCounts = Awaited<ReturnType<Factory["admission"]["counts"]>>;

/** Admission counts by itself; a scrape shows its numbers. */
function admissionMetrics(registry: Registry): (counts: AdmissionCounts) => void {
  const options = ({ name, about, labels }: MetricRow) => ({
    name,
    help: about,
    labelNames: [...labels],
    registers: [registry],
  });
  const scans = new Counter(options(metricTable.scans));
  const refused = new Counter(options(metricTable.pullsRefused));
  const waiting = new Gauge(options(metricTable.scansWaiting));
  return (counts) => {
    scans.reset();
    for (const [outcome, count] of Object.entries(counts.scans)) scans.inc({ outcome }, count);
    refused.reset();
    for (const [reason, count] of Object.entries(counts.refusals)) refused.inc({ reason }, count);
    waiting.set(counts.waiting);
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
