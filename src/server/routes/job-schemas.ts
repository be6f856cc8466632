import { z } from "zod";

const instant = z.string().describe("ISO 8601 in UTC");

/** A piece of durable work as it is shown. */
export const jobSchema = z
  .object({
    id: z.string(),
    kind: z.string().describe("What it does, such as build, proof, collection or backup"),
    state: z.enum(["queued", "running", "succeeded", "failed", "cancelled"]),
    attempt: z.int().describe("How often it was begun"),
    project: z.string().optional(),
    createdAt: instant,
    startedAt: instant.optional(),
    endedAt: instant.optional(),
    output: z.unknown().optional(),
    failure: z.object({ code: z.string(), message: z.string(), hint: z.string().optional() }).optional(),
  })
  .meta({ id: "Job" });

/** Jobs, newest first. */
export const jobListSchema = z.object({ jobs: z.array(jobSchema) }).meta({ id: "JobList" });

/** The answer to work that was queued: follow it under `/jobs/ID/log`. */
export const acceptedJobSchema = z.object({ id: z.string() }).meta({ id: "AcceptedJob" });

/** Whether there was a failed or cancelled job to begin again. */
export const jobRevivalSchema = z.object({ revived: z.boolean() }).meta({ id: "JobRevival" });

const workEventSchema = z.union([
  z.object({
    kind: z.literal("progress"),
    phase: z.string(),
    done: z.number(),
    total: z.number().describe("0 where it is not known yet"),
    unit: z.string(),
    note: z.string().optional(),
  }),
  z.object({ kind: z.literal("line"), line: z.string() }),
  z.looseObject({ kind: z.string() }).describe("An event of a build; see RunEvent"),
]);

/** One numbered event of a job. */
export const jobEventSchema = z
  .object({ sequence: z.int().positive(), at: instant, event: workEventSchema })
  .meta({ id: "JobEvent" });
