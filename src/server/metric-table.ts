/** One metric: what the scrape, the reference page and the dashboards know of it. */
export interface MetricRow {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly about: string;
  /** Label names; their values are bounded: never a digest, a CVE, a repository or a host name. */
  readonly labels: readonly string[];
  /** Upper bounds of a histogram. */
  readonly buckets?: readonly number[];
}

/** Every metric of Mintmark's own; `process_` and `nodejs_` metrics come from prom-client. */
export const metricTable = {
  requests: {
    name: "mintmark_http_request_duration_seconds",
    type: "histogram",
    about: "Time from the request's headers to the end of the answer, by route template",
    labels: ["method", "route", "code"],
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10, 60],
  },
  inFlight: {
    name: "mintmark_http_in_flight_requests",
    type: "gauge",
    about: "Requests that are being answered",
    labels: [],
  },
  streams: { name: "mintmark_log_streams", type: "gauge", about: "Build logs that are being followed", labels: [] },
  buildRequests: {
    name: "mintmark_build_requests_total",
    type: "counter",
    about: "Builds that were asked for over the API",
    labels: [],
  },
  builds: {
    name: "mintmark_builds",
    type: "gauge",
    about: "The newest thousand builds on record by state",
    labels: ["state"],
  },
  images: {
    name: "mintmark_images",
    type: "gauge",
    about: "Images on record by verdict of the gate",
    labels: ["verdict"],
  },
  storeBytes: {
    name: "mintmark_store_bytes",
    type: "gauge",
    about: "Bytes of all blobs on disk, measured at most every five minutes",
    labels: [],
  },
  residentAtStart: {
    name: "mintmark_idle_resident_memory_bytes",
    type: "gauge",
    about: "Resident memory right after the server had started, before its first request",
    labels: [],
  },
  built: {
    name: "mintmark_build_info",
    type: "gauge",
    about: "Always 1; the version is in the label",
    labels: ["version"],
  },
} as const satisfies Record<string, MetricRow>;
