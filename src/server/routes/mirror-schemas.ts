import { isAbsolute } from "node:path";
import { z } from "zod";
import { formatNames, mirrorRulesSchema, ownRulesSchema } from "../../mirror/mirror.ts";

const instant = z.string().describe("ISO 8601 in UTC");
const count = z.int().nonnegative();
const seconds = z.int().nonnegative().max(315_360_000);
const name = z.string().min(1).max(64);
const names = z.array(name).max(200);
const patterns = z.array(z.string().min(1).max(255)).max(1000);
const file = z
  .string()
  .min(1)
  .max(4096)
  .refine(isAbsolute, "must be an absolute path")
  .describe("A file of the server's machine");

/** The name of a repository in a path. */
export const mirrorParams = z.object({ name });

const allowed = z
  .array(
    z.strictObject({
      host: z.string().min(1).max(255),
      path: z.string().min(1).max(255).describe("A pattern over the path"),
      sha256: z
        .string()
        .regex(/^[0-9a-f]{64}$/)
        .optional(),
    }),
  )
  .max(1000);

const choices = {
  upstream: z.string().min(1).max(2048).describe("May hold user:password@ or :token@; it is never shown again"),
  members: names.describe("Of a group, in order"),
  isOffline: z.boolean().describe("Whether no upstream is asked"),
  metadataSeconds: seconds,
  missingSeconds: seconds,
  staleSeconds: seconds,
  quotaBytes: count,
  allowed: allowed.describe("What a raw proxy may fetch"),
  isPublic: z.boolean().describe("Whether everybody may read"),
  allowPrivate: z.boolean().describe("Whether the upstream may send us to private addresses"),
  reserved: patterns.describe("Patterns over names that are never asked of an upstream"),
  shared: patterns.describe("Names of hosted neighbours that upstreams are asked for all the same"),
  checksumDatabase: z
    .string()
    .min(1)
    .max(255)
    .describe("Go: the name of the checksum database behind the upstream, where its address does not tell it"),
};

const settings = { name, format: z.enum(formatNames), kind: z.enum(["proxy", "hosted", "group"]) };

const usage = z.object({
  fileCount: count,
  documentCount: count,
  sizeBytes: count,
  madeBytes: count.describe("What was made of documents: renderings and indexes"),
  useCount: count,
  usedAt: instant.optional(),
  fetchedAt: instant.optional(),
});

const health = z.object({ state: z.enum(["well", "offline", "unreachable"]), reason: z.string() });

/** A repository of the mirror as it is shown; never with credentials. */
export const mirrorSchema = z
  .object({
    ...settings,
    url: z.string().describe("What clients use"),
    upstream: choices.upstream.optional(),
    members: choices.members.optional(),
    isOffline: z.boolean(),
    metadataSeconds: seconds,
    missingSeconds: seconds,
    staleSeconds: seconds,
    quotaBytes: choices.quotaBytes.optional(),
    allowed: choices.allowed.optional(),
    isPublic: z.boolean(),
    allowPrivate: z.boolean(),
    reserved: choices.reserved.optional(),
    shared: choices.shared.optional(),
    checksumDatabase: choices.checksumDatabase.optional(),
    usage,
    health: health.optional().describe("Only where one repository is shown"),
    rules: z.unknown().optional().describe("The rules that it follows; only where one repository is shown"),
  })
  .meta({ id: "Mirror" });

/** Every repository of the mirror. */
export const mirrorListSchema = z.object({ mirrors: z.array(mirrorSchema) }).meta({ id: "MirrorList" });

/** A repository to make. */
export const newMirrorSchema = z
  .strictObject({ ...settings, ...z.object(choices).partial().shape })
  .meta({ id: "NewMirror" });

/** What of a repository changes; null takes a thing away that may be missing. */
export const mirrorChangeSchema = z
  .strictObject({
    ...z.object(choices).partial().shape,
    quotaBytes: choices.quotaBytes.nullable().optional(),
    reserved: choices.reserved.nullable().optional(),
    shared: choices.shared.nullable().optional(),
    checksumDatabase: choices.checksumDatabase.nullable().optional(),
  })
  .meta({ id: "MirrorChange" });

/** How clients are pointed at a repository. */
export const mirrorClientsSchema = z
  .object({
    repository: name,
    url: z.string(),
    clients: z.array(
      z.object({
        client: z.string(),
        files: z.array(z.object({ path: z.string(), content: z.string() })),
        environment: z.record(z.string(), z.string()),
      }),
    ),
  })
  .meta({ id: "MirrorClients" });

/** What to look for on the server's machine, and whether to make repositories of it. */
export const detectionWishSchema = z
  .strictObject({
    folder: file.optional().describe("A project whose files count before the user's"),
    takesOver: z
      .boolean()
      .default(false)
      .describe("Whether the repositories of a Nexus or Artifactory are taken over too"),
    server: z
      .string()
      .min(1)
      .max(2048)
      .optional()
      .describe("The root of a Nexus or Artifactory; may hold user:password@ or :token@; it is never shown again"),
    isApplied: z.boolean().default(false),
    isFirstStart: z.boolean().default(false).describe("Applies only where there is no repository and never was"),
  })
  .meta({ id: "DetectionWish" });

const listed = z.object({
  name: z.string(),
  format: z.string().optional(),
  kind: z.enum(["proxy", "hosted", "group"]),
  url: z.string(),
});

/** What this machine's clients use today; credentials are only said to be there. */
export const detectionSchema = z
  .object({
    sources: z.array(
      z.object({
        client: z.string(),
        format: z.string(),
        name: z.string(),
        url: z.string().optional().describe("Missing where nothing that can be asked says it"),
        from: z.string(),
        credentials: z.enum(["none", "present"]),
        product: z.string().optional(),
        note: z.string().optional(),
      }),
    ),
    servers: z.array(
      z.object({
        product: z.enum(["nexus", "artifactory"]),
        address: z.string(),
        repositories: z.array(listed).optional(),
        problem: z.string().optional(),
      }),
    ),
    proposals: z.array(
      z.object({
        name: z.string(),
        format: z.enum(formatNames),
        url: z.string().optional(),
        clients: z.array(z.string()),
        credentials: z.enum(["none", "present"]),
        note: z.string().optional(),
      }),
    ),
    problems: z.array(z.object({ client: z.string(), problem: z.string() })),
    applied: z.array(
      z.object({ name: z.string(), state: z.enum(["created", "there", "failed"]), reason: z.string().optional() }),
    ),
  })
  .meta({ id: "Detection" });

/** What rules are chosen where. */
export const mirrorPolicySchema = z
  .object({
    defaults: mirrorRulesSchema.describe("What a repository without rules of its own follows"),
    chosen: z.array(z.object({ scope: z.string(), rules: z.unknown(), changedAt: instant, changedBy: z.string() })),
  })
  .meta({ id: "MirrorPolicy" });

const nullableRules = Object.fromEntries(
  Object.entries(ownRulesSchema.shape).map(([key, schema]) => [key, (schema as z.ZodType).nullable().optional()]),
);

/** A change of rules; null takes back what was chosen. */
export const mirrorRulesChangeSchema = z.strictObject(nullableRules).meta({ id: "MirrorRulesChange" });

/** The rules of a scope as they are followed. */
export const mirrorRulesAnswerSchema = z
  .object({ scope: z.string(), rules: mirrorRulesSchema })
  .meta({ id: "MirrorRules" });

/** Package URLs to judge without a request. */
export const mirrorCheckWishSchema = z
  .strictObject({ purls: z.array(z.string().min(5).max(1000)).min(1).max(100), repository: name.optional() })
  .meta({ id: "MirrorCheckWish" });

const withheld = z.object({
  version: z.string().describe("`*` for all"),
  rule: z.enum(["age", "blocked", "malicious", "vulnerable"]),
  reason: z.string(),
  until: instant.optional(),
  exception: z.string().optional().describe("What lets it through all the same"),
});

/** What the rules say of package URLs. */
export const mirrorCheckSchema = z
  .object({
    answers: z.array(
      z.object({
        purl: z.string(),
        checks: z.array(
          z.object({
            repository: z.string(),
            name: z.string(),
            mode: z.enum(["off", "audit", "enforce"]),
            withheld: z.array(withheld),
            excepted: z.array(withheld),
          }),
        ),
      }),
    ),
  })
  .meta({ id: "MirrorCheck" });

/** A dated permission to get what rules keep back. */
export const mirrorExceptionSchema = z
  .object({
    id: z.string(),
    pattern: z.string(),
    repository: z.string().optional(),
    reason: z.string(),
    author: z.string(),
    createdAt: instant,
    expiresAt: instant,
  })
  .meta({ id: "MirrorException" });

/** Every permission, ended ones too. */
export const mirrorExceptionListSchema = z
  .object({ exceptions: z.array(mirrorExceptionSchema) })
  .meta({ id: "MirrorExceptionList" });

/** A permission to give. */
export const newMirrorExceptionSchema = z
  .strictObject({
    pattern: z.string().min(1).max(255).describe("A pattern over package URLs, such as pkg:npm/left-pad@1.3.0"),
    repository: name.optional(),
    reason: z.string().trim().min(1).max(2000),
    expiresAt: z.iso.datetime({ offset: true }).describe("ISO 8601"),
  })
  .meta({ id: "NewMirrorException" });

/** What rules were against when it was asked for. */
export const mirrorFindingListSchema = z
  .object({
    findings: z.array(
      z.object({
        repository: z.string(),
        name: z.string(),
        version: z.string(),
        rule: z.string(),
        mode: z.string().describe("audit where it was given out all the same"),
        reason: z.string(),
        count,
        firstAt: instant,
        lastAt: instant,
      }),
    ),
  })
  .meta({ id: "MirrorFindingList" });

/** What is to be cleaned. */
export const newMirrorCleaningSchema = z
  .strictObject({
    repository: name.optional(),
    unusedDays: z.number().min(0).max(36_500),
    isDryRun: z.boolean().default(false),
  })
  .meta({ id: "NewMirrorCleaning" });

/** A lock file to fetch everything of. */
export const newMirrorPrefetchSchema = z.strictObject({ file }).meta({ id: "NewMirrorPrefetch" });

/** Repositories to write into an archive. */
export const newMirrorExportSchema = z
  .strictObject({
    repositories: names.default([]).describe("Empty for all"),
    file,
    isCompressed: z.boolean().default(false),
    isReplacing: z.boolean().default(false),
  })
  .meta({ id: "NewMirrorExport" });

/** An archive of repositories to take in. */
export const newMirrorImportSchema = z
  .strictObject({ file, isOnline: z.boolean().default(false).describe("Whether new repositories ask their upstreams") })
  .meta({ id: "NewMirrorImport" });
