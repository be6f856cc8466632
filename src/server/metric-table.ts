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
  scans: {
    name: "mintmark_scans_total",
    type: "counter",
    about: "Scans of pushed images since the start, by how they ended",
    labels: ["outcome"],
  },
  scansWaiting: {
    name: "mintmark_scans_waiting",
    type: "gauge",
    about: "Images that wait for their scan, or are being scanned",
    labels: [],
  },
  pullsRefused: {
    name: "mintmark_pulls_refused_total",
    type: "counter",
    about: "Pulls that the gate of a project refused since the start, by what stood in the way first",
    labels: ["reason"],
  },
  auditEvents: {
    name: "mintmark_audit_events_total",
    type: "counter",
    about: "Events of the audit log since its beginning, purged ones too",
    labels: [],
  },
  followersBehind: {
    name: "mintmark_event_followers_behind",
    type: "gauge",
    about:
      "Events that a follower (webhooks, audit.syslog …) has not handled for certain; a quiet one may show up to a minute's worth",
    labels: ["follower"],
  },
  webhookAttempts: {
    name: "mintmark_webhook_attempts_total",
    type: "counter",
    about:
      "Webhook messages that were sent since the start, by outcome: delivered, failed (tried again), dead (given up)",
    labels: ["outcome"],
  },
  webhooksWaiting: {
    name: "mintmark_webhook_messages_waiting",
    type: "gauge",
    about: "Webhook messages that wait for their receiver",
    labels: [],
  },
  replicationTasks: {
    name: "mintmark_replication_tasks",
    type: "gauge",
    about:
      "Images that replication moves or moved, of the executions on record, by state; failed ones are dead until retried",
    labels: ["state"],
  },
  replicationBytes: {
    name: "mintmark_replication_bytes_total",
    type: "counter",
    about: "Bytes of blobs that replication moved since the start, by direction",
    labels: ["direction"],
  },
  proxyRequests: {
    name: "mintmark_proxy_requests_total",
    type: "counter",
    about:
      "Requests to proxy caches since the start: fresh (no fetch), fetched, stale (the upstream failed), missing, failed",
    labels: ["outcome"],
  },
  proxyBytes: {
    name: "mintmark_proxy_fetched_bytes_total",
    type: "counter",
    about: "Bytes of blobs that proxy caches fetched from upstreams since the start",
    labels: [],
  },
  robotsEnding: {
    name: "mintmark_robots_ending_soon",
    type: "gauge",
    about: "Robots whose access ends within seven days; the audit log names them as robot.expiring",
    labels: [],
  },
  storeBytes: {
    name: "mintmark_store_bytes",
    type: "gauge",
    about: "Bytes of all blobs on disk, counted along and measured anew by each collection",
    labels: [],
  },
  diskUsed: {
    name: "mintmark_data_filesystem_used_bytes",
    type: "gauge",
    about: "Bytes in use of the file system that holds the data folder, whoever uses them",
    labels: [],
  },
  diskSize: {
    name: "mintmark_data_filesystem_size_bytes",
    type: "gauge",
    about: "Bytes of the file system that holds the data folder, without what is kept back for root",
    labels: [],
  },
  sinceCollection: {
    name: "mintmark_gc_seconds_since_success",
    type: "gauge",
    about: "Seconds since a garbage collection last succeeded; before the first, since one could have",
    labels: [],
  },
  residentAtStart: {
    name: "mintmark_idle_resident_memory_bytes",
    type: "gauge",
    about: "Resident memory right after the server had started, before its first request",
    labels: [],
  },
  refusedRequests: {
    name: "mintmark_rate_limited_requests_total",
    type: "counter",
    about: "Requests that were refused because too many came, from one address or by one account",
    labels: ["by"],
  },
  built: {
    name: "mintmark_build_info",
    type: "gauge",
    about: "Always 1; the version is in the label",
    labels: ["version"],
  },
} as const satisfies Record<string, MetricRow>;
