import { z } from "zod";

const instant = z.iso.datetime({ offset: true }).describe("ISO 8601");
const sequence = z.int().nonnegative();
const hash = z.string().describe("SHA-256, 64 hex digits");

/** One event of the audit log. */
export const auditEventSchema = z
  .object({
    sequence: sequence.describe("1, 2, 3 … without gaps"),
    id: z.string(),
    at: z.string().describe("ISO 8601 in UTC, to the millisecond"),
    actor: z.string(),
    address: z.string().optional().describe("Network address of the request; absent for background work"),
    action: z.string().describe("image.pushed, sign-in.failed …"),
    project: z.string().optional(),
    subject: z.string(),
    details: z.record(z.string(), z.unknown()),
    hash,
  })
  .meta({ id: "AuditEvent" });

/** A page of events; `next` leads on, absent at the end. A page may be empty and have a next one. */
export const auditPageSchema = z
  .object({ events: z.array(auditEventSchema), next: sequence.optional() })
  .meta({ id: "AuditPage" });

/** What events are looked for. */
export const auditSearchSchema = z.object({
  actor: z.string().max(256).optional(),
  action: z.string().max(64).optional().describe("image.pushed, or image.* for all of a kind"),
  project: z.string().max(256).optional().describe("Needed unless the caller is the administrator"),
  since: instant.optional(),
  until: instant.optional(),
  text: z.string().min(1).max(256).optional().describe("In subject, actor, address or details"),
});

/** What events are looked for, and which part of them. */
export const auditQuerySchema = auditSearchSchema.extend({
  order: z.enum(["newest", "oldest"]).default("newest"),
  beyond: z.coerce
    .number()
    .int()
    .nonnegative()
    .optional()
    .describe("Go on beyond this sequence number: the next of a page"),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});

const place = z.object({ sequence, hash, at: z.string().describe("ISO 8601 in UTC") });

/** What a walk along the hash chain found. */
export const auditVerificationSchema = z
  .object({
    isIntact: z.boolean(),
    checkedCount: z.int().nonnegative(),
    sealCount: z.int().nonnegative().describe("Signed heads among them, with right signatures"),
    anchor: place.describe("The last event that was purged; sequence 0 where none was"),
    head: place.describe("Keep sequence and hash outside: a later verification can be held against them"),
    fault: z
      .object({
        sequence,
        kind: z.enum(["changed", "missing", "reordered", "added", "anchor", "seal"]),
        about: z.string(),
      })
      .optional(),
  })
  .meta({ id: "AuditVerification" });

/** Against what the chain is held beside itself. */
export const auditVerificationQuerySchema = z.object({
  kept: z
    .string()
    .regex(/^\d{1,15}:[0-9a-f]{64}$/)
    .optional()
    .describe("SEQUENCE:HASH of a head that was kept outside"),
});
