import { z } from "zod";
import { isRepository } from "../model/reference.ts";
import { severities } from "../model/finding.ts";
import { stepNames } from "../model/progress.ts";

/** Names of the schemas in the OpenAPI document and in the generated client. */
export const schemaNames = z.registry<{ id: string }>();

function named<Schema extends z.ZodType>(id: string, schema: Schema): Schema {
  schemaNames.add(schema, { id });
  return schema;
}

const digest = z.templateLiteral([z.enum(["sha256", "sha512"]), ":", z.string()]);
const instant = z.string().describe("ISO 8601 in UTC");
const bytes = z.int().nonnegative();
const count = z.int().nonnegative();
const severity = z.enum(severities);

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
  }),
);

export const imageListSchema = named("ImageList", z.object({ total: count, images: z.array(imageSchema) }));

export const buildRequestSchema = named(
  "NewBuild",
  z.strictObject({
    recipe: z.string().min(1).max(4096).describe("The name of a shipped recipe; the administrator may also name a folder of the server's machine"),
    mode: z.enum(["auto", "locked", "update"]).default("auto").describe("auto: a fresh lock, else resolve; locked: exactly the lock, offline; update: resolve anew"),
    distribution: z.string().max(64).optional().describe("Such as debian:12"),
    architecture: z.enum(["amd64", "arm64"]).optional(),
  }),
);

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

export const acceptedBuildSchema = named("AcceptedBuild", z.object({ id: z.string(), build: z.string(), log: z.string() }));
export const cancelSchema = named("Cancellation", z.object({ stopped: z.boolean().describe("False where the build had ended already") }));

const step = z.enum(stepNames);

/** Source: model/progress.ts; the server only describes what it streams. */
const progressSchema = named(
  "ProgressEvent",
  z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("step-started"), step }),
    z.object({ kind: z.literal("step-progress"), step, done: z.number(), total: z.number(), unit: z.string(), note: z.string().optional() }),
    z.object({ kind: z.literal("step-finished"), step, durationMs: z.number(), reused: z.boolean(), summary: z.string() }),
    z.object({ kind: z.literal("log"), step, line: z.string() }),
    z.object({ kind: z.literal("failed"), step: step.optional(), code: z.string(), message: z.string(), hint: z.string().optional() }),
    z.object({ kind: z.literal("finished"), image: z.string() }),
  ]),
);

export const runEventSchema = named("RunEvent", z.object({ sequence: z.int().positive(), at: instant, event: progressSchema }));

const findingSchema = named(
  "Finding",
  z.object({
    id: z.string(),
    aliases: z.array(z.string()).readonly(),
    package: z.object({ type: z.string(), name: z.string(), version: z.string(), architecture: z.string(), source: z.string(), sourceVersion: z.string() }),
    severity,
    severitySource: z.string(),
    fixedVersion: z.string().optional(),
    title: z.string(),
    reason: z.string(),
    feed: z.string(),
    links: z.array(z.string()).readonly(),
  }),
);

export const scanSchema = named(
  "ScanReport",
  z.object({
    schemaVersion: z.literal(1),
    scannedAt: instant,
    packageCount: count,
    findings: z.array(findingSchema).readonly(),
    feeds: z.array(z.object({ feed: z.string(), dataAt: instant.optional(), covers: z.boolean(), recordCount: count })).readonly(),
    coverage: z.enum(["complete", "no-data"]).describe("no-data is not clean: no feed covers the image"),
  }),
);

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

export const verificationSchema = named(
  "Verification",
  z.object({
    schemaVersion: z.literal(1),
    result: z.enum(["pass", "fail"]),
    repository: z.string(),
    reference: z.string(),
    digest: digest.optional(),
    checks: z.array(z.object({ name: z.string(), ok: z.boolean(), message: z.string() })).readonly(),
    signatures: z.array(z.object({ image: z.string(), format: z.string(), keyId: z.string(), identity: z.string().optional() })).readonly(),
    evidence: z.array(z.object({ predicateType: z.string(), keyId: z.string(), format: z.string(), statementSha256: z.string() })).readonly(),
  }),
);
export const whySchema = named("Why", z.unknown().describe("Where the image comes from: recipe, lock, build, verdict"));
export const sbomSchema = named("Sbom", z.looseObject({}).describe("A CycloneDX or SPDX document, byte for byte as it is attached to the image"));

export const healthSchema = named("Health", z.object({ status: z.literal("ok") }));
export const readySchema = named(
  "Readiness",
  z.object({ status: z.enum(["ready", "not-ready"]), checks: z.array(z.object({ name: z.string(), ok: z.boolean(), about: z.string() })) }),
);
export const aboutSchema = named(
  "About",
  z.object({ name: z.literal("mintmark"), version: z.string(), caller: z.string(), role: z.enum(["anonymous", "robot", "administrator"]) }),
);

export const newExceptionSchema = named(
  "NewException",
  z.strictObject({
    vulnerability: z.string().min(1).max(200).describe("The finding's id or an alias"),
    package: z.string().min(1).max(200).optional().describe("Every package where absent"),
    repository: z.string().max(255).refine(isRepository, "must be a repository name").optional().describe("Every repository where absent"),
    reason: z.string().trim().min(1).max(2000),
    expiresAt: z.iso.datetime({ offset: true }),
  }),
);
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
export const exceptionListSchema = named("ExceptionList", z.object({ exceptions: z.array(exceptionSchema) }));
export const reasonSchema = named("Reason", z.strictObject({ reason: z.string().trim().min(1).max(2000) }));

export const feedListSchema = named(
  "FeedList",
  z.object({ feeds: z.array(z.object({ feed: z.string(), source: z.string().optional(), dataAt: instant.optional(), recordCount: count })) }),
);
export const importRequestSchema = named("AdvisorySource", z.strictObject({ source: z.string().min(1).max(4096).describe("A folder or archive of the server's machine, or an address") }));
export const importSchema = named(
  "AdvisoryImport",
  z.object({
    feeds: z.array(z.object({ feed: z.string(), recordCount: count, refused: z.array(z.object({ name: z.string(), reason: z.string() })).readonly() })),
  }),
);

export const lockSchema = named("LockChange", z.object({ path: z.string(), changes: z.array(z.string()) }));

const robotFields = {
  name: z.string(),
  createdAt: instant,
  expiresAt: instant,
  repositories: z.array(z.string()).readonly(),
  actions: z.array(z.string()).readonly(),
  state: z.string(),
};

export const newRobotSchema = named(
  "NewRobot",
  z.strictObject({
    name: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, "must be lower-case letters, digits, dots, dashes"),
    repositories: z.array(z.string().min(1).max(255)).min(1).describe("Repository names or patterns such as team/*"),
    actions: z.array(z.enum(["pull", "push", "delete", "build"])).min(1),
    expiresAt: z.iso.datetime({ offset: true }),
  }),
);
export const robotSchema = named("Robot", z.object(robotFields));
export const robotListSchema = named("RobotList", z.object({ robots: z.array(robotSchema) }));
export const createdRobotSchema = named("CreatedRobot", z.object({ ...robotFields, secret: z.string().describe("Told once") }));
export const revokedSchema = named("Revocation", z.object({ revoked: z.boolean() }));
