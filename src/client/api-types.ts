// Made from the server's schemas by src/server/client-types.test.ts: change those, not this file.

/** The schema "About" of the API. */
export interface About {
  readonly name: "mintmark";
  readonly version: string;
  readonly caller: string;
  readonly role: "anonymous" | "robot" | "person" | "administrator";
}

/** The schema "AcceptedBuild" of the API. */
export interface AcceptedBuild {
  readonly id: string;
  readonly build: string;
  readonly log: string;
}

/** The schema "AcceptedJob" of the API. */
export interface AcceptedJob {
  readonly id: string;
}

/** The schema "Account" of the API. */
export interface Account {
  readonly name: string;
  readonly id: number;
  readonly email?: string;
  readonly isSystemAdmin: boolean;
  /** Where its password is kept */
  readonly origin: "local" | "ldap" | "oidc";
  readonly disabled: boolean;
  /** ISO 8601 in UTC */
  readonly createdAt: string;
  readonly createdBy: string;
  /** ISO 8601 in UTC */
  readonly lastUsedAt?: string;
}

/** The schema "AccountChange" of the API. */
export interface AccountChange {
  /** Empty for none */
  readonly email?: string;
  readonly isSystemAdmin?: boolean;
  readonly disabled?: boolean;
}

/** The schema "AccountList" of the API. */
export interface AccountList {
  readonly accounts: readonly Account[];
}

/** The schema "AddedRule" of the API. */
export interface AddedRule {
  readonly id: string;
}

/** The schema "AdvisoryImport" of the API. */
export interface AdvisoryImport {
  readonly feeds: readonly {
    readonly feed: string;
    readonly recordCount: number;
    readonly refused: readonly {
      readonly name: string;
      readonly reason: string;
    }[];
  }[];
}

/** The schema "AuditEvent" of the API. */
export interface AuditEvent {
  /** 1, 2, 3 … without gaps */
  readonly sequence: number;
  readonly id: string;
  /** ISO 8601 in UTC, to the millisecond */
  readonly at: string;
  readonly actor: string;
  /** Network address of the request; absent for background work */
  readonly address?: string;
  /** image.pushed, sign-in.failed … */
  readonly action: string;
  readonly project?: string;
  readonly subject: string;
  readonly details: Readonly<Record<string, unknown>>;
  /** SHA-256, 64 hex digits */
  readonly hash: string;
}

/** The schema "AuditPage" of the API. */
export interface AuditPage {
  readonly events: readonly AuditEvent[];
  readonly next?: number;
}

/** The schema "AuditVerification" of the API. */
export interface AuditVerification {
  readonly isIntact: boolean;
  readonly checkedCount: number;
  /** Signed heads among them, with right signatures */
  readonly sealCount: number;
  /** The last event that was purged; sequence 0 where none was */
  readonly anchor: {
    readonly sequence: number;
    /** SHA-256, 64 hex digits */
    readonly hash: string;
    /** ISO 8601 in UTC */
    readonly at: string;
  };
  /** Keep sequence and hash outside: a later verification can be held against them */
  readonly head: {
    readonly sequence: number;
    /** SHA-256, 64 hex digits */
    readonly hash: string;
    /** ISO 8601 in UTC */
    readonly at: string;
  };
  readonly fault?: {
    readonly sequence: number;
    readonly kind: "changed" | "missing" | "reordered" | "added" | "anchor" | "seal";
    readonly about: string;
  };
}

/** The schema "BackupList" of the API. */
export interface BackupList {
  readonly backups: readonly {
    readonly id: string;
    readonly madeAt: string;
    readonly blobs: {
      readonly count: number;
      readonly sizeBytes: number;
      readonly addedCount: number;
      readonly addedBytes: number;
    };
    readonly damaged: readonly string[];
  }[];
}

/** The schema "BackupPlace" of the API. */
export interface BackupPlace {
  /** A folder of the server's machine */
  readonly folder: string;
  /** The newest one by default */
  readonly id?: string;
}

/** The schema "Bootstrap" of the API. */
export interface Bootstrap {
  readonly robots: readonly {
    readonly name: string;
    readonly role: string;
    /** Told once */
    readonly secret?: string;
  }[];
}

/** The schema "Build" of the API. */
export interface Build {
  readonly id: string;
  readonly state: "queued" | "running" | "succeeded" | "failed";
  readonly request: {
    readonly recipe: string;
    readonly mode: "auto" | "locked" | "update";
    readonly distribution?: string;
    readonly architecture?: string;
    readonly actor: string;
  };
  readonly image?: `sha256:${string}` | `sha512:${string}`;
  readonly failure?: {
    readonly code: string;
    readonly message: string;
    readonly hint?: string;
  };
}

/** The schema "Cancellation" of the API. */
export interface Cancellation {
  /** False where the build had ended already */
  readonly stopped: boolean;
}

/** The schema "CollectionPlan" of the API. */
export interface CollectionPlan {
  readonly items: readonly {
    /** Into the trash, out of a repository, out of the trash, off the disk */
    readonly kind: "manifest" | "link" | "purge" | "blob";
    readonly repository?: string;
    readonly digest: string;
    readonly sizeBytes: number;
    readonly reason: string;
  }[];
}

/** The schema "CollectionRunList" of the API. */
export interface CollectionRunList {
  readonly runs: readonly {
    /** The id of its job */
    readonly id: string;
    readonly kind: "collect" | "scrub";
    readonly actor: string;
    readonly phase: string;
    readonly report: Readonly<Record<string, unknown>>;
    /** ISO 8601 in UTC */
    readonly startedAt: string;
    /** ISO 8601 in UTC */
    readonly endedAt?: string;
    readonly outcome?: "succeeded" | "failed";
  }[];
}

/** The schema "CreatedAccount" of the API. */
export interface CreatedAccount {
  readonly name: string;
  /** Told once */
  readonly password?: string;
}

/** The schema "CreatedPersonalToken" of the API. */
export interface CreatedPersonalToken {
  readonly id: string;
  /** Told once */
  readonly secret: string;
}

/** The schema "CreatedRobot" of the API. */
export interface CreatedRobot {
  readonly name: string;
  /** Told once */
  readonly secret: string;
}

/** The schema "CreatedWebhook" of the API. */
export interface CreatedWebhook {
  readonly webhook: Webhook;
  /** Told here and nowhere else */
  readonly secrets: readonly string[];
}

/** The schema "Detection" of the API. */
export interface Detection {
  readonly sources: readonly {
    readonly client: string;
    readonly format: string;
    readonly name: string;
    /** Missing where nothing that can be asked says it */
    readonly url?: string;
    readonly from: string;
    readonly credentials: "none" | "present";
    readonly product?: string;
    readonly note?: string;
  }[];
  readonly servers: readonly {
    readonly product: "nexus" | "artifactory";
    readonly address: string;
    readonly repositories?: readonly {
      readonly name: string;
      readonly format?: string;
      readonly kind: "proxy" | "hosted" | "group";
      readonly url: string;
    }[];
    readonly problem?: string;
  }[];
  readonly proposals: readonly {
    readonly name: string;
    readonly format: "apt" | "npm" | "pypi" | "maven" | "go" | "cargo" | "nuget" | "raw";
    readonly url?: string;
    readonly clients: readonly string[];
    readonly credentials: "none" | "present";
    readonly note?: string;
  }[];
  readonly problems: readonly {
    readonly client: string;
    readonly problem: string;
  }[];
  readonly applied: readonly {
    readonly name: string;
    readonly state: "created" | "there" | "failed";
    readonly reason?: string;
  }[];
}

/** The schema "DetectionWish" of the API. */
export interface DetectionWish {
  /** A project whose files count before the user's */
  readonly folder?: string;
  /** Whether the repositories of a Nexus or Artifactory are taken over too */
  readonly takesOver?: boolean;
  /** The root of a Nexus or Artifactory; may hold user:password@ or :token@; it is never shown again */
  readonly server?: string;
  readonly isApplied?: boolean;
  /** Applies only where there is no repository and never was */
  readonly isFirstStart?: boolean;
}

/** The schema "Exception" of the API. */
export interface Exception {
  readonly id: string;
  readonly vulnerability: string;
  readonly package?: string;
  readonly repository?: string;
  readonly reason: string;
  readonly author: string;
  /** ISO 8601 in UTC */
  readonly createdAt: string;
  /** ISO 8601 in UTC */
  readonly expiresAt: string;
}

/** The schema "ExceptionList" of the API. */
export interface ExceptionList {
  readonly exceptions: readonly Exception[];
}

/** The schema "Explanation" of the API. */
export interface Explanation {
  readonly digest: string;
  readonly sizeBytes?: number;
  readonly places: readonly {
    /** Empty where no repository is what keeps it */
    readonly repository: string;
    readonly kind: "manifest" | "blob" | "held";
    readonly stays: boolean;
    /** From what keeps it to the digest, a line each */
    readonly path: readonly string[];
  }[];
  readonly trash: readonly {
    readonly repository: string;
    readonly reason: string;
    /** ISO 8601 in UTC */
    readonly trashedAt: string;
  }[];
}

/** The schema "FeedList" of the API. */
export interface FeedList {
  readonly feeds: readonly {
    readonly feed: string;
    readonly source?: string;
    /** ISO 8601 in UTC */
    readonly dataAt?: string;
    readonly recordCount: number;
  }[];
}

/** The schema "Finding" of the API. */
interface Finding {
  readonly id: string;
  readonly aliases: readonly string[];
  readonly package: {
    readonly type: string;
    readonly name: string;
    readonly version: string;
    readonly architecture: string;
    readonly source: string;
    readonly sourceVersion: string;
  };
  readonly severity: "critical" | "high" | "medium" | "low" | "negligible" | "unknown";
  readonly severitySource: string;
  readonly fixedVersion?: string;
  readonly title: string;
  readonly reason: string;
  readonly feed: string;
  readonly links: readonly string[];
}

/** The schema "Group" of the API. */
interface Group {
  readonly name: string;
  readonly id: number;
  /** The members of an external group come with each sign-in */
  readonly kind: "local" | "external";
  readonly members: readonly string[];
  /** ISO 8601 in UTC */
  readonly createdAt: string;
  readonly createdBy: string;
}

/** The schema "GroupList" of the API. */
export interface GroupList {
  readonly groups: readonly Group[];
}

/** The schema "GroupMember" of the API. */
export interface GroupMember {
  readonly account: string;
}

/** The schema "Hold" of the API. */
export interface Hold {
  readonly id: string;
  readonly repository: string;
  readonly digest: `sha256:${string}` | `sha512:${string}`;
  /** ISO 8601 in UTC */
  readonly until: string;
  readonly author: string;
  readonly reason: string;
  /** ISO 8601 in UTC */
  readonly createdAt: string;
  readonly release?: {
    /** ISO 8601 in UTC */
    readonly at: string;
    readonly by: string;
    readonly reason: string;
  };
}

/** The schema "HoldPage" of the API. */
export interface HoldPage {
  readonly holds: readonly Hold[];
  readonly next?: string;
}

/** The schema "Image" of the API. */
export interface Image {
  readonly digest: `sha256:${string}` | `sha512:${string}`;
  readonly repository: string;
  readonly tags: readonly string[];
  readonly recipe: string;
  readonly distribution: string;
  readonly architecture: string;
  /** ISO 8601 in UTC */
  readonly builtAt: string;
  /** What a pull transfers */
  readonly sizeBytes: number;
  readonly unpackedBytes: number;
  readonly layerCount: number;
  readonly packageCount: number;
  /** Findings by severity */
  readonly severities: Readonly<Record<"critical" | "high" | "medium" | "low" | "negligible" | "unknown", number>>;
  readonly verdict: "pass" | "fail";
  readonly signed: boolean;
  readonly evidence: readonly {
    readonly kind: string;
    readonly digest: `sha256:${string}` | `sha512:${string}`;
  }[];
  readonly lockDigest: `sha256:${string}` | `sha512:${string}`;
  /** Milliseconds of each step */
  readonly durations: Readonly<
    Record<
      | "resolve"
      | "lock"
      | "fetch"
      | "layers"
      | "configure"
      | "sbom"
      | "scan"
      | "gate"
      | "publish"
      | "sign"
      | "attest"
      | "verify",
      number
    >
  >;
  readonly reproduced: "yes" | "no" | "pending" | "untested";
  /** Where it was not reproduced: what a clean rebuild gave, and the files that differ */
  readonly difference?: string;
  /** The index that the image is part of, where its recipe is built for several architectures */
  readonly index?: {
    readonly digest: `sha256:${string}` | `sha512:${string}`;
    readonly tags: readonly string[];
    readonly images: readonly {
      readonly architecture: string;
      readonly digest: `sha256:${string}` | `sha512:${string}`;
    }[];
  };
}

/** The schema "ImageDifference" of the API. */
export interface ImageDifference {
  /** Differences of the configuration, a line each */
  readonly config: readonly string[];
  readonly files: readonly {
    readonly path: string;
    readonly kind: "added" | "removed" | "changed";
    /** What of a changed file: content, mode, owner, time */
    readonly what: readonly string[];
  }[];
  /** Layers that both begin with */
  readonly sharedLayers: number;
}

/** The schema "ImageList" of the API. */
export interface ImageList {
  readonly total: number;
  readonly images: readonly Image[];
}

/** The schema "ImageReports" of the API. */
export interface ImageReports {
  readonly images: readonly {
    readonly scan: ImageScan;
    /** Absent until the scan is done; by the advisories of now */
    readonly report?: ScanReport;
  }[];
}

/** The schema "ImageScan" of the API. */
interface ImageScan {
  readonly digest: `sha256:${string}` | `sha512:${string}`;
  readonly repository: string;
  /** linux/amd64, where it was reached through an index */
  readonly platform?: string;
  /** unscannable: it never gets a verdict; the reason says why */
  readonly state: "queued" | "running" | "done" | "failed" | "unscannable";
  readonly attempts: number;
  /** ISO 8601 in UTC */
  readonly queuedAt: string;
  /** ISO 8601 in UTC */
  readonly startedAt?: string;
  /** ISO 8601 in UTC */
  readonly endedAt?: string;
  readonly durationMs?: number;
  readonly reason?: string;
  readonly distribution?: {
    readonly id: string;
    readonly version: string;
    readonly codename: string;
  };
  readonly packageCount?: number;
  /** Package databases that were read */
  readonly databases: readonly string[];
  /** What was not looked at: nothing found there means nothing */
  readonly omitted: readonly string[];
  readonly summary?: {
    readonly severities: Readonly<Record<"critical" | "high" | "medium" | "low" | "negligible" | "unknown", number>>;
    readonly total: number;
    readonly fixable: number;
    readonly coverage: "complete" | "no-data";
  };
}

/** The schema "Job" of the API. */
export interface Job {
  readonly id: string;
  /** What it does, such as build, proof, collection or backup */
  readonly kind: string;
  readonly state: "queued" | "running" | "succeeded" | "failed" | "cancelled";
  /** How often it was begun */
  readonly attempt: number;
  readonly project?: string;
  /** ISO 8601 in UTC */
  readonly createdAt: string;
  /** ISO 8601 in UTC */
  readonly startedAt?: string;
  /** ISO 8601 in UTC */
  readonly endedAt?: string;
  readonly output?: unknown;
  readonly failure?: {
    readonly code: string;
    readonly message: string;
    readonly hint?: string;
  };
}

/** The schema "JobEvent" of the API. */
export interface JobEvent {
  readonly sequence: number;
  /** ISO 8601 in UTC */
  readonly at: string;
  readonly event:
    | {
        readonly kind: "progress";
        readonly phase: string;
        readonly done: number;
        /** 0 where it is not known yet */
        readonly total: number;
        readonly unit: string;
        readonly note?: string;
      }
    | {
        readonly kind: "line";
        readonly line: string;
      }
    | {
        readonly kind: string;
      };
}

/** The schema "JobList" of the API. */
export interface JobList {
  readonly jobs: readonly Job[];
}

/** The schema "JobRevival" of the API. */
export interface JobRevival {
  readonly revived: boolean;
}

/** The schema "LifetimeRules" of the API. */
export interface LifetimeRules {
  readonly immutability: readonly {
    readonly id: string;
    /** Such as v*, {stable,lts-*} or **; * stops at slashes */
    readonly tagPattern: string;
    /** Every tag but those */
    readonly excludesTags?: boolean;
    /** Whole names, or names without the project; all where absent */
    readonly repositoryPattern?: string;
    /** Every repository but those */
    readonly excludesRepositories?: boolean;
    readonly author: string;
    /** ISO 8601 in UTC */
    readonly createdAt: string;
  }[];
  readonly holds: readonly {
    readonly id: string;
    /** Such as v*, {stable,lts-*} or **; * stops at slashes */
    readonly tagPattern: string;
    /** Every tag but those */
    readonly excludesTags?: boolean;
    /** Whole names, or names without the project; all where absent */
    readonly repositoryPattern?: string;
    /** Every repository but those */
    readonly excludesRepositories?: boolean;
    readonly author: string;
    /** ISO 8601 in UTC */
    readonly createdAt: string;
    readonly days: number;
    readonly reason: string;
  }[];
}

/** The schema "LockChange" of the API. */
export interface LockChange {
  readonly path: string;
  readonly changes: readonly string[];
}

/** The schema "Member" of the API. */
export interface Member {
  readonly id: number;
  readonly kind: "account" | "group";
  /** The name of the account or group */
  readonly name: string;
  /** A built-in or custom role */
  readonly role: string;
  /** ISO 8601 in UTC */
  readonly createdAt: string;
  readonly createdBy: string;
}

/** The schema "MemberList" of the API. */
export interface MemberList {
  readonly members: readonly Member[];
}

/** The schema "Mirror" of the API. */
export interface Mirror {
  readonly name: string;
  readonly format: "apt" | "npm" | "pypi" | "maven" | "go" | "cargo" | "nuget" | "raw";
  readonly kind: "proxy" | "hosted" | "group";
  /** What clients use */
  readonly url: string;
  /** May hold user:password@ or :token@; it is never shown again */
  readonly upstream?: string;
  /** Of a group, in order */
  readonly members?: readonly string[];
  readonly isOffline: boolean;
  readonly metadataSeconds: number;
  readonly missingSeconds: number;
  readonly staleSeconds: number;
  readonly quotaBytes?: number;
  /** What a raw proxy may fetch */
  readonly allowed?: readonly {
    readonly host: string;
    /** A pattern over the path */
    readonly path: string;
    readonly sha256?: string;
  }[];
  readonly isPublic: boolean;
  readonly allowPrivate: boolean;
  /** Patterns over names that are never asked of an upstream */
  readonly reserved?: readonly string[];
  /** Names of hosted neighbours that upstreams are asked for all the same */
  readonly shared?: readonly string[];
  /** Go: the name of the checksum database behind the upstream, where its address does not tell it */
  readonly checksumDatabase?: string;
  readonly usage: {
    readonly fileCount: number;
    readonly documentCount: number;
    readonly sizeBytes: number;
    /** What was made of documents: renderings and indexes */
    readonly madeBytes: number;
    readonly useCount: number;
    /** ISO 8601 in UTC */
    readonly usedAt?: string;
    /** ISO 8601 in UTC */
    readonly fetchedAt?: string;
  };
  /** Only where one repository is shown */
  readonly health?: {
    readonly state: "well" | "offline" | "unreachable";
    readonly reason: string;
  };
  /** The rules that it follows; only where one repository is shown */
  readonly rules?: unknown;
}

/** The schema "MirrorChange" of the API. */
export interface MirrorChange {
  /** May hold user:password@ or :token@; it is never shown again */
  readonly upstream?: string;
  /** Of a group, in order */
  readonly members?: readonly string[];
  /** Whether no upstream is asked */
  readonly isOffline?: boolean;
  readonly metadataSeconds?: number;
  readonly missingSeconds?: number;
  readonly staleSeconds?: number;
  readonly quotaBytes?: number | null;
  /** What a raw proxy may fetch */
  readonly allowed?: readonly {
    readonly host: string;
    /** A pattern over the path */
    readonly path: string;
    readonly sha256?: string;
  }[];
  /** Whether everybody may read */
  readonly isPublic?: boolean;
  /** Whether the upstream may send us to private addresses */
  readonly allowPrivate?: boolean;
  readonly reserved?: readonly string[] | null;
  readonly shared?: readonly string[] | null;
  readonly checksumDatabase?: string | null;
}

/** The schema "MirrorCheck" of the API. */
export interface MirrorCheck {
  readonly answers: readonly {
    readonly purl: string;
    readonly checks: readonly {
      readonly repository: string;
      readonly name: string;
      readonly mode: "off" | "audit" | "enforce";
      readonly withheld: readonly {
        /** `*` for all */
        readonly version: string;
        readonly rule: "age" | "blocked" | "malicious" | "vulnerable";
        readonly reason: string;
        /** ISO 8601 in UTC */
        readonly until?: string;
        /** What lets it through all the same */
        readonly exception?: string;
      }[];
      readonly excepted: readonly {
        /** `*` for all */
        readonly version: string;
        readonly rule: "age" | "blocked" | "malicious" | "vulnerable";
        readonly reason: string;
        /** ISO 8601 in UTC */
        readonly until?: string;
        /** What lets it through all the same */
        readonly exception?: string;
      }[];
    }[];
  }[];
}

/** The schema "MirrorCheckWish" of the API. */
export interface MirrorCheckWish {
  readonly purls: readonly string[];
  readonly repository?: string;
}

/** The schema "MirrorClients" of the API. */
export interface MirrorClients {
  readonly repository: string;
  readonly url: string;
  readonly clients: readonly {
    readonly client: string;
    readonly files: readonly {
      readonly path: string;
      readonly content: string;
    }[];
    readonly environment: Readonly<Record<string, string>>;
  }[];
}

/** The schema "MirrorException" of the API. */
export interface MirrorException {
  readonly id: string;
  readonly pattern: string;
  readonly repository?: string;
  readonly reason: string;
  readonly author: string;
  /** ISO 8601 in UTC */
  readonly createdAt: string;
  /** ISO 8601 in UTC */
  readonly expiresAt: string;
}

/** The schema "MirrorExceptionList" of the API. */
export interface MirrorExceptionList {
  readonly exceptions: readonly MirrorException[];
}

/** The schema "MirrorFindingList" of the API. */
export interface MirrorFindingList {
  readonly findings: readonly {
    readonly repository: string;
    readonly name: string;
    readonly version: string;
    readonly rule: string;
    /** audit where it was given out all the same */
    readonly mode: string;
    readonly reason: string;
    readonly count: number;
    /** ISO 8601 in UTC */
    readonly firstAt: string;
    /** ISO 8601 in UTC */
    readonly lastAt: string;
  }[];
}

/** The schema "MirrorList" of the API. */
export interface MirrorList {
  readonly mirrors: readonly Mirror[];
}

/** The schema "MirrorPolicy" of the API. */
export interface MirrorPolicy {
  /** What a repository without rules of its own follows */
  readonly defaults: {
    /** audit counts what enforce would keep back, and gives it out */
    readonly mode: "off" | "audit" | "enforce";
    /** Versions younger than this are kept back; 0 is no rule */
    readonly minimumAgeDays: number;
    /** Patterns over names whose versions may be young */
    readonly ageExempt: readonly string[];
    /** What happens to versions whose age nobody says */
    readonly unknownAge: "allow" | "withhold";
    readonly blocked: readonly {
      /** A pattern over the name as its ecosystem writes it: @scope/*, group:artifact, a module path */
      readonly name: string;
      /** Such as `>=1.2 <1.4 || =2.0.0`; all where it is left out */
      readonly versions?: string;
      /** What clients are told */
      readonly reason: string;
    }[];
    /** Whether versions that an advisory calls malicious are kept back */
    readonly malicious: boolean;
    /** The worst known vulnerability that a version may have; none where it may have any */
    readonly maximumSeverity: "none" | "critical" | "high" | "medium" | "low" | "negligible" | "unknown";
    /** What happens to versions with a vulnerability that nobody rated, where there is a worst one */
    readonly unknownSeverity: "allow" | "withhold";
  };
  readonly chosen: readonly {
    readonly scope: string;
    readonly rules: unknown;
    /** ISO 8601 in UTC */
    readonly changedAt: string;
    readonly changedBy: string;
  }[];
}

/** The schema "MirrorRules" of the API. */
export interface MirrorRules {
  readonly scope: string;
  readonly rules: {
    /** audit counts what enforce would keep back, and gives it out */
    readonly mode: "off" | "audit" | "enforce";
    /** Versions younger than this are kept back; 0 is no rule */
    readonly minimumAgeDays: number;
    /** Patterns over names whose versions may be young */
    readonly ageExempt: readonly string[];
    /** What happens to versions whose age nobody says */
    readonly unknownAge: "allow" | "withhold";
    readonly blocked: readonly {
      /** A pattern over the name as its ecosystem writes it: @scope/*, group:artifact, a module path */
      readonly name: string;
      /** Such as `>=1.2 <1.4 || =2.0.0`; all where it is left out */
      readonly versions?: string;
      /** What clients are told */
      readonly reason: string;
    }[];
    /** Whether versions that an advisory calls malicious are kept back */
    readonly malicious: boolean;
    /** The worst known vulnerability that a version may have; none where it may have any */
    readonly maximumSeverity: "none" | "critical" | "high" | "medium" | "low" | "negligible" | "unknown";
    /** What happens to versions with a vulnerability that nobody rated, where there is a worst one */
    readonly unknownSeverity: "allow" | "withhold";
  };
}

/** The schema "MirrorRulesChange" of the API. */
export interface MirrorRulesChange {
  readonly mode?: "off" | "audit" | "enforce" | null;
  readonly minimumAgeDays?: number | null;
  readonly ageExempt?: readonly string[] | null;
  readonly unknownAge?: "allow" | "withhold" | null;
  readonly blocked?:
    | readonly {
        /** A pattern over the name as its ecosystem writes it: @scope/*, group:artifact, a module path */
        readonly name: string;
        /** Such as `>=1.2 <1.4 || =2.0.0`; all where it is left out */
        readonly versions?: string;
        /** What clients are told */
        readonly reason: string;
      }[]
    | null;
  readonly malicious?: boolean | null;
  readonly maximumSeverity?: "none" | "critical" | "high" | "medium" | "low" | "negligible" | "unknown" | null;
  readonly unknownSeverity?: "allow" | "withhold" | null;
}

/** The schema "MovedTag" of the API. */
export interface MovedTag {
  readonly from?: `sha256:${string}` | `sha512:${string}`;
  readonly to?: `sha256:${string}` | `sha512:${string}`;
  /** Whether its image was taken from the trash */
  readonly isFromTrash: boolean;
}

/** The schema "NewAccount" of the API. */
export interface NewAccount {
  readonly name: string;
  readonly email?: string;
  readonly password?: string;
  readonly isSystemAdmin?: boolean;
}

/** The schema "NewBackup" of the API. */
export interface NewBackup {
  /** A folder of the server's machine */
  readonly folder: string;
  /** Older backups go when the new one is complete */
  readonly keepCount?: number;
  /** Whether keys and the administrator's password file are in it */
  readonly withKeys?: boolean;
}

/** The schema "NewBuild" of the API. */
export interface NewBuild {
  /** The name of a shipped recipe; the administrator may also name a folder of the server's machine */
  readonly recipe: string;
  /** auto: a fresh lock, else resolve; locked: exactly the lock, offline; update: resolve anew */
  readonly mode?: "auto" | "locked" | "update";
  /** Such as debian:12 */
  readonly distribution?: string;
  /** One alone, where the recipe is built for several */
  readonly architecture?: "amd64" | "arm64";
  /** Builds it once more from the lock alone afterwards, in a job of its own */
  readonly prove?: boolean;
}

/** The schema "NewCollection" of the API. */
export interface NewCollection {
  /** Finds out what would be taken, and takes nothing */
  readonly dryRun?: boolean;
  /** How long blobs that no manifest names stay untouched */
  readonly graceSeconds?: number;
  /** Whether manifests go that nothing reaches */
  readonly deleteUntagged?: boolean;
  /** How long they stay untouched */
  readonly untaggedSeconds?: number;
  /** How long the trash keeps what was taken; 0 empties it */
  readonly trashSeconds?: number;
  /** How long uploads stay that nobody goes on with */
  readonly uploadSeconds?: number;
}

/** The schema "NewException" of the API. */
export interface NewException {
  /** The finding's id or an alias */
  readonly vulnerability: string;
  /** Every package where absent */
  readonly package?: string;
  /** Every repository where absent */
  readonly repository?: string;
  readonly reason: string;
  readonly expiresAt: string;
}

/** The schema "NewExport" of the API. */
export interface NewExport {
  /** repository[:tag] or repository@digest */
  readonly images: readonly string[];
  /** A file of the server's machine */
  readonly file: string;
  /** With zstd */
  readonly isCompressed?: boolean;
  readonly withAdvisories?: boolean;
  /** Whether a file that is there is replaced */
  readonly isReplacing?: boolean;
}

/** The schema "NewGroup" of the API. */
export interface NewGroup {
  readonly name: string;
  readonly kind?: "local" | "external";
}

/** The schema "NewHold" of the API. */
export interface NewHold {
  readonly repository: string;
  /** A tag or a digest; what a tag points to now is held */
  readonly reference: string;
  readonly until: string;
  /** Why; it goes into the audit log */
  readonly reason: string;
}

/** The schema "NewHoldRule" of the API. */
export interface NewHoldRule {
  /** Such as v*, {stable,lts-*} or **; * stops at slashes */
  readonly tagPattern: string;
  /** Every tag but those */
  readonly excludesTags?: boolean;
  /** Whole names, or names without the project; all where absent */
  readonly repositoryPattern?: string;
  /** Every repository but those */
  readonly excludesRepositories?: boolean;
  readonly days: number;
  /** Why; it goes into the audit log */
  readonly reason: string;
}

/** The schema "NewImmutableRule" of the API. */
export interface NewImmutableRule {
  /** Such as v*, {stable,lts-*} or **; * stops at slashes */
  readonly tagPattern: string;
  /** Every tag but those */
  readonly excludesTags?: boolean;
  /** Whole names, or names without the project; all where absent */
  readonly repositoryPattern?: string;
  /** Every repository but those */
  readonly excludesRepositories?: boolean;
}

/** The schema "NewImport" of the API. */
export interface NewImport {
  /** A file of the server's machine */
  readonly file: string;
  /** repository[:tag], instead of the name in the archive */
  readonly into?: string;
  /** Every image must be signed by one of these */
  readonly keys?: readonly string[];
  readonly withAdvisories?: boolean;
}

/** The schema "NewMember" of the API. */
export interface NewMember {
  readonly kind: "account" | "group";
  /** The name of the account or group */
  readonly name: string;
  /** A built-in or custom role */
  readonly role: string;
}

/** The schema "NewMirrorCleaning" of the API. */
export interface NewMirrorCleaning {
  readonly repository?: string;
  readonly unusedDays: number;
  readonly isDryRun?: boolean;
}

/** The schema "NewMirrorException" of the API. */
export interface NewMirrorException {
  /** A pattern over package URLs, such as pkg:npm/left-pad@1.3.0 */
  readonly pattern: string;
  readonly repository?: string;
  readonly reason: string;
  /** ISO 8601 */
  readonly expiresAt: string;
}

/** The schema "NewMirrorExport" of the API. */
export interface NewMirrorExport {
  /** Empty for all */
  readonly repositories?: readonly string[];
  /** A file of the server's machine */
  readonly file: string;
  readonly isCompressed?: boolean;
  readonly isReplacing?: boolean;
}

/** The schema "NewMirrorImport" of the API. */
export interface NewMirrorImport {
  /** A file of the server's machine */
  readonly file: string;
  /** Whether new repositories ask their upstreams */
  readonly isOnline?: boolean;
}

/** The schema "NewMirror" of the API. */
export interface NewMirror {
  readonly name: string;
  readonly format: "apt" | "npm" | "pypi" | "maven" | "go" | "cargo" | "nuget" | "raw";
  readonly kind: "proxy" | "hosted" | "group";
  /** May hold user:password@ or :token@; it is never shown again */
  readonly upstream?: string;
  /** Of a group, in order */
  readonly members?: readonly string[];
  /** Whether no upstream is asked */
  readonly isOffline?: boolean;
  readonly metadataSeconds?: number;
  readonly missingSeconds?: number;
  readonly staleSeconds?: number;
  readonly quotaBytes?: number;
  /** What a raw proxy may fetch */
  readonly allowed?: readonly {
    readonly host: string;
    /** A pattern over the path */
    readonly path: string;
    readonly sha256?: string;
  }[];
  /** Whether everybody may read */
  readonly isPublic?: boolean;
  /** Whether the upstream may send us to private addresses */
  readonly allowPrivate?: boolean;
  /** Patterns over names that are never asked of an upstream */
  readonly reserved?: readonly string[];
  /** Names of hosted neighbours that upstreams are asked for all the same */
  readonly shared?: readonly string[];
  /** Go: the name of the checksum database behind the upstream, where its address does not tell it */
  readonly checksumDatabase?: string;
}

/** The schema "NewMirrorPrefetch" of the API. */
export interface NewMirrorPrefetch {
  /** A file of the server's machine */
  readonly file: string;
}

/** The schema "NewPeer" of the API. */
export interface NewPeer {
  readonly name: string;
  /** http(s)://host[:port] */
  readonly url: string;
  /** docker-hub keeps images without a namespace under library/ */
  readonly kind?: "registry" | "mintmark" | "harbor" | "docker-hub";
  /** Takes any certificate */
  readonly insecure?: boolean;
  /** Hosts beside its own that may be at private addresses: its token service, its blob store */
  readonly trustedHosts?: readonly string[];
  readonly username?: string;
  /** A password or a token; it is never shown again */
  readonly secret?: string;
  /** Certificate authorities that count instead of the machine's */
  readonly caPem?: string;
}

/** The schema "NewPersonalToken" of the API. */
export interface NewPersonalToken {
  /** The administrator may make tokens for others */
  readonly account?: string;
  readonly label: string;
  readonly projects?: readonly string[];
  readonly actions?: readonly (
    | "list"
    | "pull"
    | "push"
    | "delete"
    | "scan"
    | "build"
    | "label"
    | "lifetime"
    | "exceptions"
    | "webhooks"
    | "replication"
    | "robots"
    | "members"
    | "settings"
    | "audit"
  )[];
  readonly administrates?: boolean;
  readonly expiresAt: string;
}

/** The schema "NewProject" of the API. */
export interface NewProject {
  readonly name: string;
  readonly isPublic?: boolean;
}

/** The schema "NewProjectProxy" of the API. */
export interface NewProjectProxy {
  readonly peer: string;
  /** What stands before the repository's name at the peer */
  readonly namespace?: string;
  /** Patterns over the name at the peer; empty for all */
  readonly allowed?: readonly string[];
  /** How long a tag is believed before the peer is asked again */
  readonly freshSeconds?: number;
  /** How long a no of the peer is believed */
  readonly missingSeconds?: number;
  /** The host whose images clients ask for with ?ns= */
  readonly mirroredHost?: string;
}

/** The schema "NewPullGate" of the API. */
export interface NewPullGate {
  /** The severities of gate.block must not be found */
  readonly requireVerdict?: boolean;
  /** The worst severity that passes; none lets no finding pass */
  readonly maxSeverity?: "critical" | "high" | "medium" | "low" | "negligible" | "none";
  /** Whether findings without a fixed version pass */
  readonly allowUnfixed?: boolean;
  /** A signature by a trusted key must be there */
  readonly requireSignature?: boolean;
  /** Public keys in PEM; where empty, the release key of this server */
  readonly trustedKeys?: readonly string[];
}

/** The schema "NewReplicationRule" of the API. */
export interface NewReplicationRule {
  readonly name: string;
  readonly peer: string;
  readonly direction: "push" | "pull";
  readonly isEnabled?: boolean;
  /** Patterns over the names at the source */
  readonly repositories: readonly string[];
  /** Patterns over tags; empty for all */
  readonly tags?: readonly string[];
  /** An image must carry all of them; push only */
  readonly labels?: readonly string[];
  /** present: only images that have a signature; key: only those that one of the keys signed */
  readonly signed?: "any" | "present" | "key";
  /** Public keys in PEM */
  readonly keys?: readonly string[];
  /** What stands before the name at the destination */
  readonly namespace?: string;
  /** How many leading parts of the name the namespace replaces */
  readonly replaceCount?: number;
  readonly trigger?:
    | {
        readonly kind: "manual";
      }
    | {
        readonly kind: "schedule";
        /** Five fields, in UTC */
        readonly cron: string;
      }
    | {
        readonly kind: "event";
      };
  /** Whether tags that are gone at the source go at the destination */
  readonly deletion?: boolean;
  /** Whether a tag moves at the destination where it points elsewhere */
  readonly override?: boolean;
  /** All transfers of the rule together */
  readonly bytesPerSecond?: number;
}

/** The schema "NewRobot" of the API. */
export interface NewRobot {
  readonly name: string;
  /** Makes a robot of that project, whose permissions lie in it */
  readonly project?: string;
  readonly description?: string;
  readonly permissions?: readonly {
    /** A repository, team/* for all below team, team/** for the whole project, or * for every one */
    readonly repository: string;
    readonly actions: readonly (
      | "list"
      | "pull"
      | "push"
      | "delete"
      | "scan"
      | "build"
      | "label"
      | "lifetime"
      | "exceptions"
      | "webhooks"
      | "replication"
      | "robots"
      | "members"
      | "settings"
      | "audit"
    )[];
  }[];
  /** Short for the action build in every repository */
  readonly mayBuild?: boolean;
  /** Null for never, which is the administrator's to say */
  readonly expiresAt: string | null;
}

/** The schema "NewRole" of the API. */
export interface NewRole {
  readonly name: string;
  readonly actions: readonly (
    | "list"
    | "pull"
    | "push"
    | "delete"
    | "scan"
    | "build"
    | "label"
    | "lifetime"
    | "exceptions"
    | "webhooks"
    | "replication"
    | "robots"
    | "members"
    | "settings"
    | "audit"
  )[];
  readonly description?: string;
}

/** The schema "NewScrub" of the API. */
export interface NewScrub {
  /** A registry that has the same repositories, to repair from */
  readonly from?: string;
  readonly megabytesPerSecond?: number;
}

/** The schema "NewWebhook" of the API. */
export interface NewWebhook {
  readonly name: string;
  /** Absent for all projects; that is the administrator's */
  readonly project?: string;
  /** Actions such as image.pushed, or Harbor's names */
  readonly events: readonly string[];
  readonly repositories?: readonly string[];
  readonly tags?: readonly string[];
  readonly enabled?: boolean;
  readonly targets: readonly {
    readonly url: string;
    readonly format?: "cloudevents" | "slack";
    /** The value of the Authorization header */
    readonly authorization?: string;
  }[];
}

/** The schema "Peer" of the API. */
export interface Peer {
  readonly name: string;
  /** docker-hub keeps images without a namespace under library/ */
  readonly kind: "registry" | "mintmark" | "harbor" | "docker-hub";
  /** http(s)://host[:port] */
  readonly url: string;
  /** Takes any certificate */
  readonly insecure: boolean;
  /** Hosts beside its own that may be at private addresses: its token service, its blob store */
  readonly trustedHosts: readonly string[];
  readonly username?: string;
  readonly hasSecret: boolean;
  readonly caPem?: string;
  /** ISO 8601 in UTC */
  readonly createdAt: string;
  /** ISO 8601 in UTC */
  readonly checkedAt?: string;
  /** What was wrong at the last look */
  readonly problem?: string;
}

/** The schema "PeerChange" of the API. */
export interface PeerChange {
  /** http(s)://host[:port] */
  readonly url?: string;
  /** docker-hub keeps images without a namespace under library/ */
  readonly kind?: "registry" | "mintmark" | "harbor" | "docker-hub";
  /** Takes any certificate */
  readonly insecure?: boolean;
  /** Hosts beside its own that may be at private addresses: its token service, its blob store */
  readonly trustedHosts?: readonly string[];
  readonly username?: string | null;
  readonly secret?: string | null;
  readonly caPem?: string | null;
}

/** The schema "PeerCheck" of the API. */
export interface PeerCheck {
  readonly ok: boolean;
  readonly problem?: string;
  readonly durationMs: number;
}

/** The schema "PeerList" of the API. */
export interface PeerList {
  readonly peers: readonly Peer[];
}

/** The schema "PersonalToken" of the API. */
interface PersonalToken {
  readonly id: string;
  readonly account: string;
  readonly label: string;
  readonly projects: readonly string[];
  readonly actions: readonly (
    | "list"
    | "pull"
    | "push"
    | "delete"
    | "scan"
    | "build"
    | "label"
    | "lifetime"
    | "exceptions"
    | "webhooks"
    | "replication"
    | "robots"
    | "members"
    | "settings"
    | "audit"
  )[];
  /** Whether it carries the right to administrate the whole system */
  readonly administrates: boolean;
  /** ISO 8601 in UTC */
  readonly createdAt: string;
  /** ISO 8601 in UTC */
  readonly expiresAt: string;
  /** ISO 8601 in UTC */
  readonly lastUsedAt?: string;
}

/** The schema "PersonalTokenList" of the API. */
export interface PersonalTokenList {
  readonly tokens: readonly PersonalToken[];
}

/** The schema "Problem" of the API. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** A name of the error table, such as not_found */
  readonly code: string;
  /** What to do next */
  readonly hint?: string;
}

/** The schema "ProgressEvent" of the API. */
type ProgressEvent =
  | {
      readonly kind: "step-started";
      readonly step:
        | "resolve"
        | "lock"
        | "fetch"
        | "layers"
        | "configure"
        | "sbom"
        | "scan"
        | "gate"
        | "publish"
        | "sign"
        | "attest"
        | "verify";
    }
  | {
      readonly kind: "step-progress";
      readonly step:
        | "resolve"
        | "lock"
        | "fetch"
        | "layers"
        | "configure"
        | "sbom"
        | "scan"
        | "gate"
        | "publish"
        | "sign"
        | "attest"
        | "verify";
      readonly done: number;
      readonly total: number;
      readonly unit: string;
      readonly note?: string;
    }
  | {
      readonly kind: "step-finished";
      readonly step:
        | "resolve"
        | "lock"
        | "fetch"
        | "layers"
        | "configure"
        | "sbom"
        | "scan"
        | "gate"
        | "publish"
        | "sign"
        | "attest"
        | "verify";
      readonly durationMs: number;
      readonly reused: boolean;
      readonly summary: string;
    }
  | {
      readonly kind: "log";
      readonly step:
        | "resolve"
        | "lock"
        | "fetch"
        | "layers"
        | "configure"
        | "sbom"
        | "scan"
        | "gate"
        | "publish"
        | "sign"
        | "attest"
        | "verify";
      readonly line: string;
    }
  | {
      readonly kind: "failed";
      readonly step?:
        | "resolve"
        | "lock"
        | "fetch"
        | "layers"
        | "configure"
        | "sbom"
        | "scan"
        | "gate"
        | "publish"
        | "sign"
        | "attest"
        | "verify";
      readonly code: string;
      readonly message: string;
      readonly hint?: string;
    }
  | {
      readonly kind: "finished";
      readonly image: string;
    };

/** The schema "Project" of the API. */
export interface Project {
  readonly id: number;
  readonly name: string;
  /** Whether everybody may list and pull */
  readonly isPublic: boolean;
  /** ISO 8601 in UTC */
  readonly createdAt: string;
  readonly createdBy: string;
  /** What the caller may do in the whole project */
  readonly may: readonly (
    | "list"
    | "pull"
    | "push"
    | "delete"
    | "scan"
    | "build"
    | "label"
    | "lifetime"
    | "exceptions"
    | "webhooks"
    | "replication"
    | "robots"
    | "members"
    | "settings"
    | "audit"
  )[];
}

/** The schema "ProjectGate" of the API. */
export interface ProjectGate {
  readonly project: string;
  readonly gate?: {
    readonly requireVerdict: boolean;
    readonly maxSeverity?: "critical" | "high" | "medium" | "low" | "negligible" | "none";
    readonly allowUnfixed: boolean;
    readonly requireSignature: boolean;
    readonly trustedKeys: readonly string[];
  };
}

/** The schema "ProjectList" of the API. */
export interface ProjectList {
  readonly projects: readonly Project[];
}

/** The schema "ProjectProxy" of the API. */
export interface ProjectProxy {
  readonly project: string;
  readonly peer: string;
  /** What stands before the repository's name at the peer */
  readonly namespace: string;
  /** Patterns over the name at the peer; empty for all */
  readonly allowed: readonly string[];
  /** How long a tag is believed before the peer is asked again */
  readonly freshSeconds: number;
  /** How long a no of the peer is believed */
  readonly missingSeconds: number;
  /** The host whose images clients ask for with ?ns= */
  readonly mirroredHost?: string;
}

/** The schema "ProjectProxyList" of the API. */
export interface ProjectProxyList {
  readonly proxies: readonly ProjectProxy[];
}

/** The schema "PullVerdict" of the API. */
export interface PullVerdict {
  readonly repository: string;
  readonly digest: `sha256:${string}` | `sha512:${string}`;
  readonly project: string;
  /** open: the project has no gate */
  readonly result: "open" | "pass" | "fail";
  readonly gate?: {
    readonly requireVerdict: boolean;
    readonly maxSeverity?: "critical" | "high" | "medium" | "low" | "negligible" | "none";
    readonly allowUnfixed: boolean;
    readonly requireSignature: boolean;
    readonly trustedKeys: readonly string[];
  };
  /** What a client prints */
  readonly message?: string;
  readonly retryAfterSeconds?: number;
  readonly images: readonly {
    readonly digest: `sha256:${string}` | `sha512:${string}`;
    readonly platform?: string;
    readonly scan?: string;
    /** The id of the key */
    readonly signedBy?: string;
    readonly findings: readonly {
      readonly id: string;
      readonly severity: "critical" | "high" | "medium" | "low" | "negligible" | "unknown";
      readonly package: string;
      readonly version: string;
      readonly fixedVersion?: string;
    }[];
    readonly missing: readonly string[];
    readonly allowed: readonly string[];
  }[];
}

/** The schema "QueuedScans" of the API. */
export interface QueuedScans {
  readonly scans: readonly ImageScan[];
}

/** The schema "Quota" of the API. */
export interface Quota {
  readonly project: string;
  /** Distinct blobs and manifests of its repositories */
  readonly usedBytes: number;
  /** No limit where absent */
  readonly quotaBytes?: number;
}

/** The schema "QuotaPage" of the API. */
export interface QuotaPage {
  readonly quotas: readonly Quota[];
  readonly next?: string;
}

/** The schema "Removal" of the API. */
export interface Removal {
  readonly removed: boolean;
}

/** The schema "ReplicationExecution" of the API. */
export interface ReplicationExecution {
  readonly id: string;
  readonly rule: string;
  readonly trigger: "manual" | "schedule" | "event";
  readonly actor: string;
  readonly state: "running" | "succeeded" | "failed" | "stopped";
  /** ISO 8601 in UTC */
  readonly startedAt: string;
  /** Why the list of tasks could not be made */
  readonly problem?: string;
  readonly total: number;
  readonly counts: {
    readonly queued: number;
    readonly running: number;
    readonly succeeded: number;
    readonly failed: number;
    readonly cancelled: number;
  };
}

/** The schema "ReplicationExecutionList" of the API. */
export interface ReplicationExecutionList {
  readonly executions: readonly ReplicationExecution[];
}

/** The schema "ReplicationRule" of the API. */
export interface ReplicationRule {
  readonly name: string;
  readonly peer: string;
  readonly direction: "push" | "pull";
  readonly isEnabled: boolean;
  /** Patterns over the names at the source */
  readonly repositories: readonly string[];
  /** Patterns over tags; empty for all */
  readonly tags: readonly string[];
  /** An image must carry all of them; push only */
  readonly labels: readonly string[];
  /** present: only images that have a signature; key: only those that one of the keys signed */
  readonly signed: "any" | "present" | "key";
  /** Public keys in PEM */
  readonly keys: readonly string[];
  /** What stands before the name at the destination */
  readonly namespace?: string;
  /** How many leading parts of the name the namespace replaces */
  readonly replaceCount: number;
  readonly trigger:
    | {
        readonly kind: "manual";
      }
    | {
        readonly kind: "schedule";
        /** Five fields, in UTC */
        readonly cron: string;
      }
    | {
        readonly kind: "event";
      };
  /** Whether tags that are gone at the source go at the destination */
  readonly deletion: boolean;
  /** Whether a tag moves at the destination where it points elsewhere */
  readonly override: boolean;
  /** All transfers of the rule together */
  readonly bytesPerSecond?: number;
}

/** The schema "ReplicationRuleList" of the API. */
export interface ReplicationRuleList {
  readonly rules: readonly ReplicationRule[];
}

/** The schema "ReplicationTask" of the API. */
interface ReplicationTask {
  readonly id: string;
  /** Its log is at /jobs/ID/log */
  readonly job: string;
  readonly operation: "copy" | "delete";
  readonly source: string;
  readonly destination: string;
  readonly tag: string;
  /** failed is dead until retried */
  readonly state: "queued" | "running" | "succeeded" | "failed" | "cancelled";
  /** copied, unchanged, skipped, deleted, absent */
  readonly outcome?: string;
  readonly note?: string;
  readonly sentBytes: number;
  readonly sentCount: number;
  readonly failureCount: number;
  readonly failure?: {
    readonly code: string;
    readonly message: string;
  };
  /** ISO 8601 in UTC */
  readonly createdAt: string;
  /** ISO 8601 in UTC */
  readonly endedAt?: string;
}

/** The schema "ReplicationTaskPage" of the API. */
export interface ReplicationTaskPage {
  readonly tasks: readonly ReplicationTask[];
  /** Ask with it as `after` */
  readonly next?: string;
}

/** The schema "RestoreWish" of the API. */
export interface RestoreWish {
  readonly digest: string;
  /** Needed where the trash has it of several */
  readonly repository?: string;
}

/** The schema "Restored" of the API. */
export interface Restored {
  readonly repository: string;
  readonly digests: readonly string[];
  readonly tags: readonly string[];
  /** Tags that point elsewhere by now and were let be */
  readonly takenTags: readonly string[];
}

/** The schema "Retention" of the API. */
export interface Retention {
  readonly project: string;
  readonly policy?: {
    readonly text: string;
    readonly setBy: string;
    /** ISO 8601 in UTC */
    readonly setAt: string;
    /** Cron in UTC */
    readonly schedule?: string;
    readonly ruleCount: number;
  };
}

/** The schema "RetentionOutcomePage" of the API. */
export interface RetentionOutcomePage {
  readonly outcomes: readonly {
    readonly position: number;
    readonly repository: string;
    /** Absent for an image without one */
    readonly tag?: string;
    readonly digest: `sha256:${string}` | `sha512:${string}`;
    readonly decision: "kept" | "dropped";
    readonly reason: string;
    /** What goes with it; what several share is counted at the first */
    readonly freedBytes: number;
  }[];
  readonly next?: number;
}

/** The schema "RetentionRun" of the API. */
export interface RetentionRun {
  readonly id: string;
  readonly project: string;
  readonly actor: string;
  readonly dryRun: boolean;
  readonly state: "queued" | "running" | "succeeded" | "failed";
  /** ISO 8601 in UTC */
  readonly createdAt: string;
  /** ISO 8601 in UTC */
  readonly startedAt?: string;
  /** ISO 8601 in UTC */
  readonly endedAt?: string;
  readonly keptCount: number;
  readonly droppedCount: number;
  /** Free once the collection after has emptied its trash */
  readonly freedBytes: number;
  readonly failure?: string;
  /** Old runs keep their sums alone */
  readonly hasOutcomes: boolean;
}

/** The schema "RetentionRunPage" of the API. */
export interface RetentionRunPage {
  readonly runs: readonly RetentionRun[];
  readonly next?: string;
}

/** The schema "Robot" of the API. */
export interface Robot {
  readonly name: string;
  readonly id: number;
  /** The project that it belongs to; absent for robots of the whole system */
  readonly project?: string;
  readonly description: string;
  readonly permissions: readonly {
    /** A repository, team/* for all below team, team/** for the whole project, or * for every one */
    readonly repository: string;
    readonly actions: readonly (
      | "list"
      | "pull"
      | "push"
      | "delete"
      | "scan"
      | "build"
      | "label"
      | "lifetime"
      | "exceptions"
      | "webhooks"
      | "replication"
      | "robots"
      | "members"
      | "settings"
      | "audit"
    )[];
  }[];
  /** ISO 8601 in UTC */
  readonly createdAt: string;
  readonly createdBy: string;
  /** Absent for a robot without an end */
  readonly expiresAt?: string;
  /** ISO 8601 in UTC */
  readonly lastUsedAt?: string;
  /** Until when the secret before the last rotation is good */
  readonly oldSecretUntil?: string;
  readonly state: "active" | "disabled" | "expired";
}

/** The schema "RobotChange" of the API. */
export interface RobotChange {
  readonly description?: string;
  readonly permissions?: readonly {
    /** A repository, team/* for all below team, team/** for the whole project, or * for every one */
    readonly repository: string;
    readonly actions: readonly (
      | "list"
      | "pull"
      | "push"
      | "delete"
      | "scan"
      | "build"
      | "label"
      | "lifetime"
      | "exceptions"
      | "webhooks"
      | "replication"
      | "robots"
      | "members"
      | "settings"
      | "audit"
    )[];
  }[];
  /** Null for never, which is the administrator's to say */
  readonly expiresAt?: string | null;
  readonly disabled?: boolean;
}

/** The schema "RobotList" of the API. */
export interface RobotList {
  readonly robots: readonly Robot[];
}

/** The schema "Role" of the API. */
export interface Role {
  readonly name: string;
  readonly actions: readonly (
    | "list"
    | "pull"
    | "push"
    | "delete"
    | "scan"
    | "build"
    | "label"
    | "lifetime"
    | "exceptions"
    | "webhooks"
    | "replication"
    | "robots"
    | "members"
    | "settings"
    | "audit"
  )[];
  readonly description: string;
  readonly isBuiltIn: boolean;
}

/** The schema "RoleList" of the API. */
export interface RoleList {
  readonly roles: readonly Role[];
}

/** The schema "Rotation" of the API. */
export interface Rotation {
  /** Told once */
  readonly secret: string;
  /** ISO 8601 in UTC */
  readonly oldSecretUntil?: string;
}

/** The schema "RunEvent" of the API. */
export interface RunEvent {
  readonly sequence: number;
  /** ISO 8601 in UTC */
  readonly at: string;
  readonly event: ProgressEvent;
}

/** The schema "ScanLog" of the API. */
export interface ScanLog {
  readonly lines: readonly {
    /** ISO 8601 in UTC */
    readonly at: string;
    readonly line: string;
  }[];
}

/** The schema "ScanPage" of the API. */
export interface ScanPage {
  readonly scans: readonly ImageScan[];
  readonly next?: string;
}

/** The schema "ScanReport" of the API. */
export interface ScanReport {
  readonly schemaVersion: 1;
  /** ISO 8601 in UTC */
  readonly scannedAt: string;
  readonly packageCount: number;
  readonly findings: readonly Finding[];
  readonly feeds: readonly {
    readonly feed: string;
    /** ISO 8601 in UTC */
    readonly dataAt?: string;
    readonly covers: boolean;
    readonly recordCount: number;
  }[];
  /** no-data is not clean: no feed covers the image */
  readonly coverage: "complete" | "no-data";
}

/** The schema "StartedReplication" of the API. */
export interface StartedReplication {
  readonly execution: string;
}

/** The schema "StoppedReplication" of the API. */
export interface StoppedReplication {
  readonly stopped: number;
}

/** The schema "TagHistory" of the API. */
export interface TagHistory {
  readonly moves: readonly {
    readonly id: string;
    /** Absent where the tag was new */
    readonly from?: `sha256:${string}` | `sha512:${string}`;
    /** Absent where the tag was removed */
    readonly to?: `sha256:${string}` | `sha512:${string}`;
    readonly actor: string;
    /** ISO 8601 in UTC */
    readonly at: string;
    /** push, delete, undo, restore, retention, replication */
    readonly cause?: string;
    readonly reason?: string;
  }[];
  readonly next?: string;
}

/** The schema "TagPage" of the API. */
export interface TagPage {
  readonly tags: readonly {
    readonly name: string;
    readonly digest: `sha256:${string}` | `sha512:${string}`;
    readonly mediaType: string;
    /** When it was last moved, or pushed again as it stands */
    readonly pushedAt: string;
    /** When its image was last pulled, by this tag or otherwise */
    readonly pulledAt?: string;
    /** Pulls of its image, by this tag or otherwise */
    readonly pullCount: number;
    /** The rule by which it cannot move */
    readonly pinnedBy?: string;
    /** Until when its image cannot be deleted */
    readonly hold?: {
      /** ISO 8601 in UTC */
      readonly until: string;
      readonly author: string;
      readonly reason: string;
    };
  }[];
  readonly next?: string;
}

/** The schema "TagRestore" of the API. */
export interface TagRestore {
  readonly repository: string;
  readonly tag: string;
  /** Why; it goes into the audit log */
  readonly reason: string;
  /** Where absent, what a removed tag stood for last */
  readonly to?: `sha256:${string}` | `sha512:${string}`;
}

/** The schema "TagUndo" of the API. */
export interface TagUndo {
  readonly repository: string;
  readonly tag: string;
  /** Why; it goes into the audit log */
  readonly reason: string;
}

/** The schema "Trash" of the API. */
export interface Trash {
  readonly manifests: readonly {
    readonly repository: string;
    readonly digest: string;
    readonly sizeBytes: number;
    readonly tags: readonly string[];
    /** The digest with which it comes back */
    readonly unit: string;
    readonly origin: "collected" | "deleted" | "quarantined";
    readonly reason: string;
    /** ISO 8601 in UTC */
    readonly trashedAt: string;
  }[];
  readonly blobs: readonly {
    readonly repository: string;
    readonly digest: string;
    readonly sizeBytes: number;
    readonly origin: "collected" | "deleted" | "quarantined";
    readonly reason: string;
    /** ISO 8601 in UTC */
    readonly trashedAt: string;
  }[];
  readonly manifestCount: number;
  readonly blobCount: number;
}

/** The schema "Verdict" of the API. */
export interface Verdict {
  readonly schemaVersion: 1;
  readonly result: "pass" | "fail";
  /** ISO 8601 in UTC */
  readonly judgedAt: string;
  readonly policy: {
    readonly name: string;
    readonly sha256: string;
  };
  readonly reasons: readonly {
    readonly rule: string;
    readonly outcome: "deny" | "warn" | "allow";
    readonly message: string;
    readonly finding?: {
      readonly id: string;
      readonly package: string;
      readonly severity: "critical" | "high" | "medium" | "low" | "negligible" | "unknown";
    };
    readonly exception?: string;
  }[];
}

/** The schema "Verification" of the API. */
export interface Verification {
  readonly schemaVersion: 1;
  readonly result: "pass" | "fail";
  readonly repository: string;
  readonly reference: string;
  readonly digest?: `sha256:${string}` | `sha512:${string}`;
  readonly checks: readonly {
    readonly name: string;
    readonly ok: boolean;
    readonly message: string;
  }[];
  readonly signatures: readonly {
    readonly image: string;
    readonly format: string;
    readonly keyId: string;
    readonly identity?: string;
  }[];
  readonly evidence: readonly {
    readonly predicateType: string;
    readonly keyId: string;
    readonly format: string;
    readonly statementSha256: string;
  }[];
}

/** The schema "Webhook" of the API. */
export interface Webhook {
  readonly id: string;
  readonly name: string;
  /** Absent where it hears of all projects */
  readonly project?: string;
  readonly events: readonly string[];
  /** Patterns; none for all */
  readonly repositories: readonly string[];
  /** Patterns; none for all */
  readonly tags: readonly string[];
  readonly enabled: boolean;
  /** ISO 8601 in UTC */
  readonly createdAt: string;
  readonly createdBy: string;
  readonly targets: readonly {
    readonly id: string;
    /** Scheme and host: the rest may be secret */
    readonly address: string;
    readonly format: "cloudevents" | "slack";
    readonly hasAuthorization: boolean;
    /** Failures in a row */
    readonly failureCount: number;
  }[];
}

/** The schema "WebhookDelivery" of the API. */
interface WebhookDelivery {
  readonly id: string;
  readonly targetId: string;
  readonly cause: "event" | "test" | "again";
  readonly action: string;
  readonly subject: string;
  /** dead: given up */
  readonly state: "pending" | "delivered" | "dead";
  readonly attempt: number;
  /** ISO 8601 in UTC */
  readonly createdAt: string;
  /** ISO 8601 in UTC */
  readonly triedAt?: string;
  readonly durationMs?: number;
  /** HTTP status of the last attempt; absent where no answer came */
  readonly status?: number;
  /** The beginning of the last answer, or why there was none */
  readonly answer?: string;
  /** As it was sent */
  readonly body: string;
}

/** The schema "WebhookDeliveryList" of the API. */
export interface WebhookDeliveryList {
  readonly deliveries: readonly WebhookDelivery[];
}

/** The schema "WebhookList" of the API. */
export interface WebhookList {
  readonly webhooks: readonly Webhook[];
}

/** The schema "Whoami" of the API. */
export interface Whoami {
  readonly name: string;
  readonly role: "anonymous" | "robot" | "person" | "administrator";
  readonly groups: readonly string[];
  /** Whether a token stands for the account */
  readonly isToken: boolean;
  /** ISO 8601 in UTC */
  readonly endsAt?: string;
  readonly projects: readonly {
    readonly name: string;
    readonly isPublic: boolean;
    readonly may: readonly (
      | "list"
      | "pull"
      | "push"
      | "delete"
      | "scan"
      | "build"
      | "label"
      | "lifetime"
      | "exceptions"
      | "webhooks"
      | "replication"
      | "robots"
      | "members"
      | "settings"
      | "audit"
    )[];
  }[];
}
