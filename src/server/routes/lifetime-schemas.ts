import { z } from "zod";
import { globChars } from "../../model/glob.ts";
import { isRepository, isTag } from "../../model/reference.ts";

const digest = z.templateLiteral([z.enum(["sha256", "sha512"]), ":", z.string()]);
const instant = z.string().describe("ISO 8601 in UTC");
const count = z.int().nonnegative();
const bytes = z.int().nonnegative();
const reason = z.string().trim().min(1).max(2000).describe("Why; it goes into the audit log");
const repository = z.string().max(255).refine(isRepository, "must be a repository name");
const tag = z.string().refine(isTag, "must be a tag");
const pattern = z.string().min(1).max(globChars);

const scopeFields = {
  tagPattern: pattern.describe("Such as v*, {stable,lts-*} or **; * stops at slashes"),
  excludesTags: z.boolean().optional().describe("Every tag but those"),
  repositoryPattern: pattern.optional().describe("Whole names, or names without the project; all where absent"),
  excludesRepositories: z.boolean().optional().describe("Every repository but those"),
};

const holdState = z.object({ until: instant, author: z.string(), reason: z.string() });

/** A page of a repository's tags; `next` leads on. */
export const tagPageSchema = z
  .object({
    tags: z.array(
      z.object({
        name: z.string(),
        digest,
        mediaType: z.string(),
        pushedAt: instant.describe("When it was last moved, or pushed again as it stands"),
        pulledAt: instant.optional().describe("When its image was last pulled, by this tag or otherwise"),
        pullCount: count.describe("Pulls of its image, by this tag or otherwise"),
        pinnedBy: z.string().optional().describe("The rule by which it cannot move"),
        hold: holdState.optional().describe("Until when its image cannot be deleted"),
      }),
    ),
    next: z.string().optional(),
  })
  .meta({ id: "TagPage" });

/** A page of the moves of a tag, the last first; `next` leads on. */
export const tagHistorySchema = z
  .object({
    moves: z.array(
      z.object({
        id: z.string(),
        from: digest.optional().describe("Absent where the tag was new"),
        to: digest.optional().describe("Absent where the tag was removed"),
        actor: z.string(),
        at: instant,
        cause: z.string().optional().describe("push, delete, undo, restore, retention, replication"),
        reason: z.string().optional(),
      }),
    ),
    next: z.string().optional(),
  })
  .meta({ id: "TagHistory" });

/** A tag whose last move is to be undone. */
export const tagUndoSchema = z.strictObject({ repository, tag, reason }).meta({ id: "TagUndo" });
/** A tag that is to come back, or to point to an image that the repository or the trash has. */
export const tagRestoreSchema = z
  .strictObject({
    repository,
    tag,
    reason,
    to: digest.optional().describe("Where absent, what a removed tag stood for last"),
  })
  .meta({ id: "TagRestore" });
/** Where a tag was and where it is now. */
export const movedTagSchema = z
  .object({
    from: digest.optional(),
    to: digest.optional(),
    isFromTrash: z.boolean().describe("Whether its image was taken from the trash"),
  })
  .meta({ id: "MovedTag" });

const immutableRule = z.object({ id: z.string(), ...scopeFields, author: z.string(), createdAt: instant });
const holdRule = immutableRule.extend({ days: count, reason: z.string() });

/** The rules of a project that pin tags and hold images. */
export const lifetimeRulesSchema = z
  .object({ immutability: z.array(immutableRule), holds: z.array(holdRule) })
  .meta({ id: "LifetimeRules" });
/** A rule that is to pin tags: they cannot move and cannot be removed by hand. */
export const newImmutableRuleSchema = z.strictObject(scopeFields).meta({ id: "NewImmutableRule" });
/** A rule by which images that ever had such a tag cannot be deleted for some days after they were pushed. */
export const newHoldRuleSchema = z
  .strictObject({ ...scopeFields, days: z.int().min(1).max(36_500), reason })
  .meta({ id: "NewHoldRule" });
/** The id of a new rule. */
export const addedRuleSchema = z.object({ id: z.string() }).meta({ id: "AddedRule" });
/** Whether something was taken away. */
export const removedSchema = z.object({ removed: z.boolean() }).meta({ id: "Removal" });

/** A hold that is to be made. */
export const newHoldSchema = z
  .strictObject({
    repository,
    reference: z.string().min(1).max(200).describe("A tag or a digest; what a tag points to now is held"),
    until: z.iso.datetime({ offset: true }),
    reason,
  })
  .meta({ id: "NewHold" });
/** That an image cannot be deleted until an instant. */
export const holdSchema = z
  .object({
    id: z.string(),
    repository: z.string(),
    digest,
    until: instant,
    author: z.string(),
    reason: z.string(),
    createdAt: instant,
    release: z.object({ at: instant, by: z.string(), reason: z.string() }).optional(),
  })
  .meta({ id: "Hold" });
/** A page of a project's holds, newest first, ended ones too; `next` leads on. */
export const holdPageSchema = z
  .object({ holds: z.array(holdSchema), next: z.string().optional() })
  .meta({ id: "HoldPage" });
/** Why a hold ends early. */
export const holdReleaseSchema = z.strictObject({ reason }).meta({ id: "HoldRelease" });

/** A retention policy that is to be set. */
export const newRetentionSchema = z
  .strictObject({ text: z.string().min(1).max(65_536).describe("YAML, or JSON, with the keys schedule and retention") })
  .meta({ id: "NewRetention" });
/** The retention policy of a project; without `policy` it has none. */
export const retentionSchema = z
  .object({
    project: z.string(),
    policy: z
      .object({
        text: z.string(),
        setBy: z.string(),
        setAt: instant,
        schedule: z.string().optional().describe("Cron in UTC"),
        ruleCount: count,
      })
      .optional(),
  })
  .meta({ id: "Retention" });
/** A run that is asked for. */
export const newRetentionRunSchema = z
  .strictObject({ dryRun: z.boolean().default(false).describe("Decide about every tag, change nothing") })
  .meta({ id: "NewRetentionRun" });
/** A run of a retention policy as it stands. */
export const retentionRunSchema = z
  .object({
    id: z.string(),
    project: z.string(),
    actor: z.string(),
    dryRun: z.boolean(),
    state: z.enum(["queued", "running", "succeeded", "failed"]),
    createdAt: instant,
    startedAt: instant.optional(),
    endedAt: instant.optional(),
    keptCount: count,
    droppedCount: count,
    freedBytes: bytes.describe("Free once the collection after has emptied its trash"),
    failure: z.string().optional(),
    hasOutcomes: z.boolean().describe("Old runs keep their sums alone"),
  })
  .meta({ id: "RetentionRun" });
/** A page of a project's runs, newest first; `next` leads on. */
export const retentionRunPageSchema = z
  .object({ runs: z.array(retentionRunSchema), next: z.string().optional() })
  .meta({ id: "RetentionRunPage" });
/** A page of what a run decided, tag by tag; `next` leads on. */
export const retentionOutcomePageSchema = z
  .object({
    outcomes: z.array(
      z.object({
        position: count,
        repository: z.string(),
        tag: z.string().optional().describe("Absent for an image without one"),
        digest,
        decision: z.enum(["kept", "dropped"]),
        reason: z.string(),
        freedBytes: bytes.describe("What goes with it; what several share is counted at the first"),
      }),
    ),
    next: count.optional(),
  })
  .meta({ id: "RetentionOutcomePage" });

/** How much a project stores, and may store. */
export const quotaSchema = z
  .object({
    project: z.string(),
    usedBytes: bytes.describe("Distinct blobs and manifests of its repositories"),
    quotaBytes: bytes.optional().describe("No limit where absent"),
  })
  .meta({ id: "Quota" });
/** A page of quotas by project; `next` leads on. */
export const quotaPageSchema = z
  .object({ quotas: z.array(quotaSchema), next: z.string().optional() })
  .meta({ id: "QuotaPage" });
/** A quota that is to be set. */
export const newQuotaSchema = z
  .strictObject({ quotaBytes: bytes.optional().describe("Lifts the quota where absent") })
  .meta({ id: "NewQuota" });
