import { z } from "zod";
import { severities } from "../../model/finding.ts";
import { severityBounds } from "../../model/pull-gate.ts";
import { scanSchema } from "../schemas.ts";

const digest = z.templateLiteral([z.enum(["sha256", "sha512"]), ":", z.string()]);
const instant = z.string().describe("ISO 8601 in UTC");
const count = z.int().nonnegative();
const severity = z.enum(severities);

/** The scan of one image as it stands. */
const imageScanSchema = z
  .object({
    digest,
    repository: z.string(),
    platform: z.string().optional().describe("linux/amd64, where it was reached through an index"),
    state: z
      .enum(["queued", "running", "done", "failed", "unscannable"])
      .describe("unscannable: it never gets a verdict; the reason says why"),
    attempts: count,
    queuedAt: instant,
    startedAt: instant.optional(),
    endedAt: instant.optional(),
    durationMs: z.number().optional(),
    reason: z.string().optional(),
    distribution: z.object({ id: z.string(), version: z.string(), codename: z.string() }).optional(),
    packageCount: count.optional(),
    databases: z.array(z.string()).readonly().describe("Package databases that were read"),
    omitted: z.array(z.string()).readonly().describe("What was not looked at: nothing found there means nothing"),
    summary: z
      .object({
        severities: z.record(severity, count),
        total: count,
        fixable: count,
        coverage: z.enum(["complete", "no-data"]),
      })
      .optional(),
  })
  .meta({ id: "ImageScan" });

/** A page of scans; `next` leads on. */
export const scanPageSchema = z
  .object({ scans: z.array(imageScanSchema).readonly(), next: z.string().optional() })
  .meta({ id: "ScanPage" });

/** The images whose scan was asked for. */
export const newScanSchema = z
  .strictObject({ image: z.string().min(1).max(600).describe("repository:tag or repository@digest") })
  .meta({ id: "NewScan" });
/** The scans that were queued: one of an image, one for each platform of an index. */
export const queuedScansSchema = z.object({ scans: z.array(imageScanSchema).readonly() }).meta({ id: "QueuedScans" });

/** The scans of one reference with their reports. */
export const imageReportsSchema = z
  .object({
    images: z.array(
      z.object({
        scan: imageScanSchema,
        report: scanSchema.optional().describe("Absent until the scan is done; by the advisories of now"),
      }),
    ),
  })
  .meta({ id: "ImageReports" });

/** What a scan told while it ran. */
export const scanLogSchema = z
  .object({ lines: z.array(z.object({ at: instant, line: z.string() })).readonly() })
  .meta({ id: "ScanLog" });

const gateFields = {
  requireVerdict: z.boolean().default(false).describe("The severities of gate.block must not be found"),
  maxSeverity: z.enum(severityBounds).optional().describe("The worst severity that passes; none lets no finding pass"),
  allowUnfixed: z.boolean().default(false).describe("Whether findings without a fixed version pass"),
  requireSignature: z.boolean().default(false).describe("A signature by a trusted key must be there"),
  trustedKeys: z
    .array(z.string().max(4096))
    .max(20)
    .default([])
    .describe("Public keys in PEM; where empty, the release key of this server"),
};

/** What a project is to ask of an image before it gives it out. */
export const newPullGateSchema = z.strictObject(gateFields).meta({ id: "NewPullGate" });

const pullGateSchema = z.object({
  requireVerdict: z.boolean(),
  maxSeverity: z.enum(severityBounds).optional(),
  allowUnfixed: z.boolean(),
  requireSignature: z.boolean(),
  trustedKeys: z.array(z.string()).readonly(),
});

/** The gate of a project; without `gate` it gives out everything. */
export const projectGateSchema = z
  .object({ project: z.string(), gate: pullGateSchema.optional() })
  .meta({ id: "ProjectGate" });

/** Whether a reference is given out now, and why not. */
export const pullVerdictSchema = z
  .object({
    repository: z.string(),
    digest,
    project: z.string(),
    result: z.enum(["open", "pass", "fail"]).describe("open: the project has no gate"),
    gate: pullGateSchema.optional(),
    message: z.string().optional().describe("What a client prints"),
    retryAfterSeconds: z.number().optional(),
    images: z
      .array(
        z.object({
          digest,
          platform: z.string().optional(),
          scan: z.string().optional(),
          signedBy: z.string().optional().describe("The id of the key"),
          findings: z
            .array(
              z.object({
                id: z.string(),
                severity,
                package: z.string(),
                version: z.string(),
                fixedVersion: z.string().optional(),
              }),
            )
            .readonly(),
          missing: z.array(z.string()).readonly(),
          allowed: z.array(z.string()).readonly(),
        }),
      )
      .readonly(),
  })
  .meta({ id: "PullVerdict" });
