/** Bounds on what clients may cost the server; times in milliseconds, sizes in bytes. */
export const bounds = {
  /** The request line and headers must have come by then. */
  headersMs: 20_000,
  /** The JSON body of an API request must have come by then; blobs have no such bound. */
  bodyMs: 30_000,
  /** A connection on which no byte moves for this long is closed, be the reader slow or gone. */
  idleMs: 120_000,
  /** An idle kept-alive connection. */
  keepAliveMs: 65_000,
  /** A quiet build log sends a sign of life this often; well under `idleMs` and what proxies allow. */
  heartbeatMs: 15_000,
  connections: 2048,
  /** Build logs that are followed at one time. */
  streams: 128,
  /** A path parameter: a repository name, a colon and a digest fit. */
  parameterChars: 1024,
} as const;
