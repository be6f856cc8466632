import { z } from "zod";
import { isRepository } from "../model/reference.ts";
import { severities } from "../model/finding.ts";
import { stepNames } from "../model/progress.ts";

/** Gives a schema its name in the OpenAPI document and in the generated client. */
function named<Schema extends z.ZodType>(id: string, schema: Schema): Schema {
  return schema.meta({ id });
}

const digest = z.templateLiteral([z.enum(["sha256", "sha512"]), ":", z.string()]);
const instant = z.string().describe("ISO 8601 in UTC");
const bytes = z.int().nonnegative();
const count = z.int().nonnegative();
const severity = z.enum(severities);

/** A failure as every operation tells it, with its code and what to do next. Source: RFC 9457 section 3. */
export const problemSchema = named(
  "Problem",
  z.looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string().describe("A name of the error table, such as not_found"),
    hint: z.string().optional().describe("What to do next"),
  }),
);

/** One image with what is known about it. */
export const imageSchema = named(
  "Image",
  z.object({
    digest,
    repository: z.string(),
    tags: z.array(z.string()).readonly(),
    recipe: z.string(),
    distribution: z.string(),
    architecture: z.string(),
    builtAt: instant,
    sizeBytes: bytes.describe("What a pull transfers"),
    unpackedBytes: bytes,
    layerCount: count,
    packageCount: count,
    severities: z.record(severity, count).describe("Findings by severity"),
    verdict: z.enum(["pass", "fail"]),
    signed: z.boolean(),
    evidence: z.array(z.object({ kind: z.string(), digest })).readonly(),
    lockDigest: digest,
    durations: z.record(z.enum(stepNames), z.number()).describe("Milliseconds of each step"),
    reproduced: z.enum(["yes", "no", "pending", "untested"]),
    difference: z
      .string()
      .optional()
      .describe("Where it was not reproduced: what a clean rebuild gave, and the files that differ"),
    index: z
      .object({
        digest,
        tags: z.array(z.string()).readonly(),
        images: z.array(z.object({ architecture: z.string(), digest })).readonly(),
      })
      .optional()
      .describe("The index that the image is part of, where its recipe is built for several architectures"),
  }),
);

/** A page of images; `total` counts those of all pages. */
export const imageListSchema = named("ImageList", z.object({ total: count, images: z.array(imageSchema) }));

/** What a build is asked to do. */
export const buildRequestSchema = named(
  "NewBuild",
  z.strictObject({
    recipe: z
      .string()
      .min(1)
      .max(4096)
      .describe("The name of a shipped recipe; the administrator may also name a folder of the server's machine"),
    mode: z
      .enum(["auto", "locked", "update"])
      .default("auto")
      .describe("auto: a fresh lock, else resolve; locked: exactly the lock, offline; update: resolve anew"),
    distribution: z.string().max(64).optional().describe("Such as debian:12"),
    architecture: z.enum(["amd64", "arm64"]).optional().describe("One alone, where the recipe is built for several"),
    prove: z.boolean().optional().describe("Builds it once more from the lock alone afterwards, in a job of its own"),
  }),
);

/** One build as it stands. */
export const buildSchema = named(
  "Build",
  z.object({
    id: z.string(),
    state: z.enum(["queued", "running", "succeeded", "failed"]),
    request: z.object({
      recipe: z.string(),
      mode: z.enum(["auto", "locked", "update"]),
      distribution: z.string().optional(),
      architecture: z.string().optional(),
      actor: z.string(),
    }),
    image: digest.optional(),
    failure: z.object({ code: z.string(), message: z.string(), hint: z.string().optional() }).optional(),
  }),
);

/** The answer to a queued build: its id, and the paths where it is shown and followed. */
export const acceptedBuildSchema = named(
  "AcceptedBuild",
  z.object({ id: z.string(), build: z.string(), log: z.string() }),
);
/** Whether there was something to stop. */
export const cancelSchema = named(
  "Cancellation",
  z.object({ stopped: z.boolean().describe("False where the build had ended already") }),
);

const step = z.enum(stepNames);

/** Source: model/progress.ts; the server only describes what it streams. */
const progressSchema = named(
  "ProgressEvent",
  z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("step-started"), step }),
    z.object({
      kind: z.literal("step-progress"),
      step,
      done: z.number(),
      total: z.number(),
      unit: z.string(),
      note: z.string().optional(),
    }),
    z.object({
      kind: z.literal("step-finished"),
      step,
      durationMs: z.number(),
      reused: z.boolean(),
      summary: z.string(),
    }),
    z.object({ kind: z.literal("log"), step, line: z.string() }),
    z.object({
      kind: z.literal("failed"),
      step: step.optional(),
      code: z.string(),
      message: z.string(),
      hint: z.string().optional(),
    }),
    z.object({ kind: z.literal("finished"), image: z.string() }),
  ]),
);

/** One event of a build with its place in the order; counts from 1 without gaps. */
export const runEventSchema = named(
  "RunEvent",
  z.object({ sequence: z.int().positive(), at: instant, event: progressSchema }),
);

const findingSchema = named(
  "Finding",
  z.object({
    id: z.string(),
    aliases: z.array(z.string()).readonly(),
    package: z.object({
      type: z.string(),
      name: z.string(),
      version: z.string(),
      architecture: z.string(),
      source: z.string(),
      sourceVersion: z.string(),
    }),
    severity,
    severitySource: z.string(),
    fixedVersion: z.string().optional(),
    title: z.string(),
    reason: z.string(),
    feed: z.string(),
    links: z.array(z.string()).readonly(),
  }),
);

/** The outcome of matching one image against all feeds at one instant. */
export const scanSchema = named(
  "ScanReport",
  z.object({
    schemaVersion: z.literal(1),
    scannedAt: instant,
    packageCount: count,
    findings: z.array(findingSchema).readonly(),
    feeds: z
      .array(z.object({ feed: z.string(), dataAt: instant.optional(), covers: z.boolean(), recordCount: count }))
      .readonly(),
    coverage: z.enum(["complete", "no-data"]).describe("no-data is not clean: no feed covers the image"),
  }),
);

/** The gate's answer on an image, with reasons. */
export const verdictSchema = named(
  "Verdict",
  z.object({
    schemaVersion: z.literal(1),
    result: z.enum(["pass", "fail"]),
    judgedAt: instant,
    policy: z.object({ name: z.string(), sha256: z.string() }),
    reasons: z
      .array(
        z.object({
          rule: z.string(),
          outcome: z.enum(["deny", "warn", "allow"]),
          message: z.string(),
          finding: z.object({ id: z.string(), package: z.string(), severity }).optional(),
          exception: z.string().optional(),
        }),
      )
      .readonly(),
  }),
);

/** What was verified of an image, check by check. */
export const verificationSchema = named(
  "Verification",
  z.object({
    schemaVersion: z.literal(1),
    result: z.enum(["pass", "fail"]),
    repository: z.string(),
    reference: z.string(),
    digest: digest.optional(),
    checks: z.array(z.object({ name: z.string(), ok: z.boolean(), message: z.string() })).readonly(),
    signatures: z
      .array(z.object({ image: z.string(), format: z.string(), keyId: z.string(), identity: z.string().optional() }))
      .readonly(),
    evidence: z
      .array(
        z.object({ predicateType: z.string(), keyId: z.string(), format: z.string(), statementSha256: z.string() }),
      )
      .readonly(),
  }),
);
/** The origin of an image; its shape is the pipeline's. */
export const whySchema = named("Why", z.unknown().describe("Where the image comes from: recipe, lock, build, verdict"));
/** What differs between two images; in a file's path the image's root is `/`. */
export const differenceSchema = named(
  "ImageDifference",
  z.object({
    config: z.array(z.string()).describe("Differences of the configuration, a line each"),
    files: z.array(
      z.object({
        path: z.string(),
        kind: z.enum(["added", "removed", "changed"]),
        what: z.array(z.string()).describe("What of a changed file: content, mode, owner, time"),
      }),
    ),
    sharedLayers: count.describe("Layers that both begin with"),
  }),
);
/** A bill of materials; its bytes are sent as they are stored. */
export const sbomSchema = named(
  "Sbom",
  z.looseObject({}).describe("A CycloneDX or SPDX document, byte for byte as it is attached to the image"),
);

/** The answer of a live server. */
export const healthSchema = named("Health", z.object({ status: z.literal("ok") }));
/** Each thing that the server needs in order to work, and whether it is there. */
export const readySchema = named(
  "Readiness",
  z.object({
    status: z.enum(["ready", "not-ready"]),
    checks: z.array(z.object({ name: z.string(), ok: z.boolean(), about: z.string() })),
  }),
);
/** The server's version, and who the caller is to it. */
export const aboutSchema = named(
  "About",
  z.object({
    name: z.literal("mintmark"),
    version: z.string(),
    caller: z.string(),
    role: z.enum(["anonymous", "robot", "person", "administrator"]),
  }),
);

/** An exception to make; author and creation time are the server's to say. */
export const newExceptionSchema = named(
  "NewException",
  z.strictObject({
    vulnerability: z.string().min(1).max(200).describe("The finding's id or an alias"),
    package: z.string().min(1).max(200).optional().describe("Every package where absent"),
    repository: z
      .string()
      .max(255)
      .refine(isRepository, "must be a repository name")
      .optional()
      .describe("Every repository where absent"),
    reason: z.string().trim().min(1).max(2000),
    expiresAt: z.iso.datetime({ offset: true }),
  }),
);
/** A dated, scoped, reasoned permission to ignore a finding. */
export const exceptionSchema = named(
  "Exception",
  z.object({
    id: z.string(),
    vulnerability: z.string(),
    package: z.string().optional(),
    repository: z.string().optional(),
    reason: z.string(),
    author: z.string(),
    createdAt: instant,
    expiresAt: instant,
  }),
);
/** All exceptions in the order of their creation. */
export const exceptionListSchema = named("ExceptionList", z.object({ exceptions: z.array(exceptionSchema) }));
/** Why something is done; it goes into the audit trail. */
export const reasonSchema = named("Reason", z.strictObject({ reason: z.string().trim().min(1).max(2000) }));

/** The advisory feeds; one without `dataAt` holds nothing. */
export const feedListSchema = named(
  "FeedList",
  z.object({
    feeds: z.array(
      z.object({ feed: z.string(), source: z.string().optional(), dataAt: instant.optional(), recordCount: count }),
    ),
  }),
);
/** Where advisories are read from. */
export const importRequestSchema = named(
  "AdvisorySource",
  z.strictObject({
    source: z.string().min(1).max(4096).describe("A folder or archive of the server's machine, or an address"),
  }),
);
/** What an import brought, feed by feed, and what it refused. */
export const importSchema = named(
  "AdvisoryImport",
  z.object({
    feeds: z.array(
      z.object({
        feed: z.string(),
        recordCount: count,
        refused: z.array(z.object({ name: z.string(), reason: z.string() })).readonly(),
      }),
    ),
  }),
);

/** Where a lock was written and what changed in it, a sentence each. */
export const lockSchema = named("LockChange", z.object({ path: z.string(), changes: z.array(z.string()) }));
