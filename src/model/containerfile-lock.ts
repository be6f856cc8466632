import { z } from "zod";

const hex256 = z.string().regex(/^[0-9a-f]{64}$/);

const lockedBase = z.strictObject({
  /** As the Containerfile names it, with its arguments filled in. */
  reference: z.string(),
  /** Of the manifest for the lock's architecture. */
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
});

const lockedRequest = z.strictObject({
  method: z.enum(["GET", "HEAD"]),
  /** Repository of the mirror and path below it, with the query; never a host. */
  address: z.string(),
  /** The `Accept` header, only where the same address was answered differently for another one. */
  accept: z.string().optional(),
  status: z.int(),
  /** Of the body; absent where there was none to keep. */
  sha256: hex256.optional(),
  sizeBytes: z.int().nonnegative().optional(),
  mediaType: z.string().optional(),
  purl: z.string().optional(),
});

/** Everything that a Containerfile build took in: its bases by digest and each request with its answer. */
export const containerfileLockSchema = z.strictObject({
  schemaVersion: z.literal(1),
  kind: z.literal("containerfile"),
  recipe: z.strictObject({ name: z.string(), sha256: hex256 }),
  containerfile: z.strictObject({ path: z.string(), sha256: hex256 }),
  /** The files that COPY and ADD can reach. */
  context: z.strictObject({ sha256: hex256, fileCount: z.int().nonnegative() }),
  architecture: z.string(),
  args: z.record(z.string(), z.string()),
  target: z.string().optional(),
  /** Seconds since 1970: later file times are clamped to it, and RUN sees it as SOURCE_DATE_EPOCH. */
  epochSeconds: z.int().nonnegative(),
  bases: z.array(lockedBase),
  /** What apt read where neither a base nor the Containerfile names sources. */
  aptSources: z
    .array(z.strictObject({ repository: z.string(), suite: z.string(), components: z.array(z.string()) }))
    .optional(),
  /**
   * Which repository stood for an upstream that was asked through the proxy. The hash is of the upstream's address; of
   * the whole address where the path below the repository is not what follows, and then tells it.
   */
  upstreams: z.array(z.strictObject({ sha256: hex256, repository: z.string(), path: z.string().optional() })),
  /** Sorted by address. */
  requests: z.array(lockedRequest),
});

/** A lock of a Containerfile build as it is read. */
export type ContainerfileLock = z.infer<typeof containerfileLockSchema>;
/** One request with its answer. */
export type LockedRequest = z.infer<typeof lockedRequest>;
