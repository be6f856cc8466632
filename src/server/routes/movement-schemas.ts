import { isAbsolute } from "node:path";
import { z } from "zod";
import { peerKinds } from "../../registry/registry.ts";

const instant = z.string().describe("ISO 8601 in UTC");
const count = z.int().nonnegative();
const name = z.string().min(1).max(63);
const pattern = z.string().min(1).max(255);
const pem = z
  .string()
  .min(1)
  .max(64 * 1024);

const peerFacts = {
  kind: z.enum(peerKinds).describe("docker-hub keeps images without a namespace under library/"),
  url: z.string().describe("http(s)://host[:port]"),
  insecure: z.boolean().describe("Takes any certificate"),
  trustedHosts: z
    .array(z.string().max(255))
    .max(20)
    .describe("Hosts beside its own that may be at private addresses: its token service, its blob store"),
};

/** A peer as it is shown; never its secret. */
export const peerSchema = z
  .object({
    name,
    ...peerFacts,
    username: z.string().optional(),
    hasSecret: z.boolean(),
    caPem: z.string().optional(),
    createdAt: instant,
    checkedAt: instant.optional(),
    problem: z.string().optional().describe("What was wrong at the last look"),
  })
  .meta({ id: "Peer" });

/** Every registry that images go to or come from. */
export const peerListSchema = z.object({ peers: z.array(peerSchema) }).meta({ id: "PeerList" });

const credentials = {
  username: z.string().min(1).max(255),
  secret: z
    .string()
    .min(1)
    .max(16 * 1024)
    .describe("A password or a token; it is never shown again"),
  caPem: pem.describe("Certificate authorities that count instead of the machine's"),
};

/** A peer to add. */
export const newPeerSchema = z
  .strictObject({
    name,
    url: peerFacts.url,
    kind: peerFacts.kind.optional(),
    insecure: peerFacts.insecure.optional(),
    trustedHosts: peerFacts.trustedHosts.optional(),
    username: credentials.username.optional(),
    secret: credentials.secret.optional(),
    caPem: credentials.caPem.optional(),
  })
  .meta({ id: "NewPeer" });

/** What of a peer changes; null takes a thing away. Another address without a new secret drops the secret. */
export const peerChangeSchema = z
  .strictObject({
    url: peerFacts.url.optional(),
    kind: peerFacts.kind.optional(),
    insecure: peerFacts.insecure.optional(),
    trustedHosts: peerFacts.trustedHosts.optional(),
    username: credentials.username.nullable().optional(),
    secret: credentials.secret.nullable().optional(),
    caPem: credentials.caPem.nullable().optional(),
  })
  .meta({ id: "PeerChange" });

/** How a look at a peer went. */
export const peerCheckSchema = z
  .object({ ok: z.boolean(), problem: z.string().optional(), durationMs: count })
  .meta({ id: "PeerCheck" });

const trigger = z.union([
  z.object({ kind: z.literal("manual") }),
  z.object({ kind: z.literal("schedule"), cron: z.string().min(1).max(100).describe("Five fields, in UTC") }),
  z.object({ kind: z.literal("event") }),
]);

/** A replication rule. */
export const replicationRuleSchema = z
  .object({
    name,
    peer: name,
    direction: z.enum(["push", "pull"]),
    isEnabled: z.boolean().default(true),
    repositories: z.array(pattern).min(1).max(100).describe("Patterns over the names at the source"),
    tags: z.array(pattern).max(100).default([]).describe("Patterns over tags; empty for all"),
    labels: z
      .array(z.string().min(1).max(255))
      .max(20)
      .default([])
      .describe("An image must carry all of them; push only"),
    signed: z
      .enum(["any", "present", "key"])
      .default("any")
      .describe("present: only images that have a signature; key: only those that one of the keys signed"),
    keys: z.array(pem).max(20).default([]).describe("Public keys in PEM"),
    namespace: z.string().min(1).max(200).optional().describe("What stands before the name at the destination"),
    replaceCount: count.max(20).default(1).describe("How many leading parts of the name the namespace replaces"),
    trigger: trigger.default({ kind: "manual" }),
    deletion: z.boolean().default(false).describe("Whether tags that are gone at the source go at the destination"),
    override: z.boolean().default(true).describe("Whether a tag moves at the destination where it points elsewhere"),
    bytesPerSecond: z.int().min(1024).optional().describe("All transfers of the rule together"),
  })
  .meta({ id: "ReplicationRule" });

/** A rule to add, or to change by its name. */
export const newReplicationRuleSchema = z.object(replicationRuleSchema.shape).meta({ id: "NewReplicationRule" });

/** All replication rules. */
export const replicationRuleListSchema = z
  .object({ rules: z.array(replicationRuleSchema) })
  .meta({ id: "ReplicationRuleList" });

/** The answer to a start. */
export const startedReplicationSchema = z.object({ execution: z.string() }).meta({ id: "StartedReplication" });

/** One start of a rule with its tasks in numbers. */
export const replicationExecutionSchema = z
  .object({
    id: z.string(),
    rule: z.string(),
    trigger: z.enum(["manual", "schedule", "event"]),
    actor: z.string(),
    state: z.enum(["running", "succeeded", "failed", "stopped"]),
    startedAt: instant,
    problem: z.string().optional().describe("Why the list of tasks could not be made"),
    total: count,
    counts: z.object({ queued: count, running: count, succeeded: count, failed: count, cancelled: count }),
  })
  .meta({ id: "ReplicationExecution" });

/** Executions, newest first. */
export const replicationExecutionListSchema = z
  .object({ executions: z.array(replicationExecutionSchema) })
  .meta({ id: "ReplicationExecutionList" });

/** One image that an execution moves. */
const replicationTaskSchema = z
  .object({
    id: z.string(),
    job: z.string().describe("Its log is at /jobs/ID/log"),
    operation: z.enum(["copy", "delete"]),
    source: z.string(),
    destination: z.string(),
    tag: z.string(),
    state: z.enum(["queued", "running", "succeeded", "failed", "cancelled"]).describe("failed is dead until retried"),
    outcome: z.string().optional().describe("copied, unchanged, skipped, deleted, absent"),
    note: z.string().optional(),
    sentBytes: count,
    sentCount: count,
    failureCount: count,
    failure: z.object({ code: z.string(), message: z.string() }).optional(),
    createdAt: instant,
    endedAt: instant.optional(),
  })
  .meta({ id: "ReplicationTask" });

/** A page of tasks. */
export const replicationTaskPageSchema = z
  .object({ tasks: z.array(replicationTaskSchema), next: z.string().optional().describe("Ask with it as `after`") })
  .meta({ id: "ReplicationTaskPage" });

/** How many jobs were told to stop. */
export const stoppedReplicationSchema = z.object({ stopped: count }).meta({ id: "StoppedReplication" });

/** A project whose content comes from a peer. */
export const projectProxySchema = z
  .object({
    project: z.string(),
    peer: name,
    namespace: z.string().max(200).default("").describe("What stands before the repository's name at the peer"),
    allowed: z.array(pattern).max(100).default([]).describe("Patterns over the name at the peer; empty for all"),
    freshSeconds: count
      .max(7 * 86_400)
      .default(60)
      .describe("How long a tag is believed before the peer is asked again"),
    missingSeconds: count.max(86_400).default(60).describe("How long a no of the peer is believed"),
    mirroredHost: z.string().max(255).optional().describe("The host whose images clients ask for with ?ns="),
  })
  .meta({ id: "ProjectProxy" });

/** All proxy caches. */
export const projectProxyListSchema = z
  .object({ proxies: z.array(projectProxySchema) })
  .meta({ id: "ProjectProxyList" });

/** How a project becomes a proxy cache. */
export const newProjectProxySchema = projectProxySchema.omit({ project: true }).meta({ id: "NewProjectProxy" });

const file = z
  .string()
  .min(1)
  .refine(isAbsolute, "must be an absolute path")
  .describe("A file of the server's machine");

/** What is exported, and where to. */
export const newExportSchema = z
  .strictObject({
    images: z.array(z.string().min(1).max(600)).min(1).max(10_000).describe("repository[:tag] or repository@digest"),
    file,
    isCompressed: z.boolean().default(false).describe("With zstd"),
    withAdvisories: z.boolean().default(false),
    isReplacing: z.boolean().default(false).describe("Whether a file that is there is replaced"),
  })
  .meta({ id: "NewExport" });

/** What is imported, and how it is trusted. */
export const newImportSchema = z
  .strictObject({
    file,
    into: z.string().min(1).max(600).optional().describe("repository[:tag], instead of the name in the archive"),
    keys: z.array(pem).max(20).default([]).describe("Every image must be signed by one of these"),
    withAdvisories: z.boolean().default(true),
  })
  .meta({ id: "NewImport" });
