import { z } from "zod";

const digest = z.string().regex(/^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/, "must be a sha256 or sha512 digest");
const repository = z.string().min(1).max(255);
const instant = z.string().describe("ISO 8601 in UTC");
const seconds = z.number().min(0).max(1e10).optional();

/** How a collection is asked for; what is left out is as configured. */
export const newCollectionSchema = z
  .object({
    dryRun: z.boolean().optional().describe("Finds out what would be taken, and takes nothing"),
    graceSeconds: seconds.describe("How long blobs that no manifest names stay untouched"),
    deleteUntagged: z.boolean().optional().describe("Whether manifests go that nothing reaches"),
    untaggedSeconds: seconds.describe("How long they stay untouched"),
    trashSeconds: seconds.describe("How long the trash keeps what was taken; 0 empties it"),
    uploadSeconds: seconds.describe("How long uploads stay that nobody goes on with"),
  })
  .meta({ id: "NewCollection" });

/** How a scrub is asked for. */
export const newScrubSchema = z
  .object({
    from: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe("A registry that has the same repositories, to repair from"),
    megabytesPerSecond: z.number().min(0.1).max(100_000).optional(),
  })
  .meta({ id: "NewScrub" });

/** Collections and scrubs, newest first. */
export const collectionRunListSchema = z
  .object({
    runs: z.array(
      z.object({
        id: z.string().describe("The id of its job"),
        kind: z.enum(["collect", "scrub"]),
        actor: z.string(),
        phase: z.string(),
        report: z.record(z.string(), z.unknown()),
        startedAt: instant,
        endedAt: instant.optional(),
        outcome: z.enum(["succeeded", "failed"]).optional(),
      }),
    ),
  })
  .meta({ id: "CollectionRunList" });

/** What the last dry run would have taken. */
export const collectionPlanSchema = z
  .object({
    items: z.array(
      z.object({
        kind: z
          .enum(["manifest", "link", "purge", "blob"])
          .describe("Into the trash, out of a repository, out of the trash, off the disk"),
        repository: z.string().optional(),
        digest: z.string(),
        sizeBytes: z.int(),
        reason: z.string(),
      }),
    ),
  })
  .meta({ id: "CollectionPlan" });

const origin = z.enum(["collected", "deleted", "quarantined"]);

/** What can come back, newest first. */
export const trashSchema = z
  .object({
    manifests: z.array(
      z.object({
        repository: z.string(),
        digest: z.string(),
        sizeBytes: z.int(),
        tags: z.array(z.string()),
        unit: z.string().describe("The digest with which it comes back"),
        origin,
        reason: z.string(),
        trashedAt: instant,
      }),
    ),
    blobs: z.array(
      z.object({
        repository: z.string(),
        digest: z.string(),
        sizeBytes: z.int(),
        origin,
        reason: z.string(),
        trashedAt: instant,
      }),
    ),
    manifestCount: z.int(),
    blobCount: z.int(),
  })
  .meta({ id: "Trash" });

/** What is to come back. */
export const restoreWishSchema = z
  .object({ digest, repository: repository.optional().describe("Needed where the trash has it of several") })
  .meta({ id: "RestoreWish" });

/** What came back. */
export const restoredSchema = z
  .object({
    repository: z.string(),
    digests: z.array(z.string()),
    tags: z.array(z.string()),
    takenTags: z.array(z.string()).describe("Tags that point elsewhere by now and were let be"),
  })
  .meta({ id: "Restored" });

/** The digest that a question is about. */
export const explainParamsSchema = z.object({ digest });

/** Why something stays, or that it does not. */
export const explanationSchema = z
  .object({
    digest: z.string(),
    sizeBytes: z.int().optional(),
    places: z.array(
      z.object({
        repository: z.string().describe("Empty where no repository is what keeps it"),
        kind: z.enum(["manifest", "blob", "held"]),
        stays: z.boolean(),
        path: z.array(z.string()).describe("From what keeps it to the digest, a line each"),
      }),
    ),
    trash: z.array(z.object({ repository: z.string(), reason: z.string(), trashedAt: instant })),
  })
  .meta({ id: "Explanation" });
