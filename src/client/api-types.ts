// Made from the server's schemas by src/server/client-types.test.ts: change those, not this file.

/** The schema "About" of the API. */
export interface About {
  readonly name: "mintmark";
  readonly version: string;
  readonly caller: string;
  readonly role: "anonymous" | "robot" | "administrator";
}

/** The schema "AcceptedBuild" of the API. */
export interface AcceptedBuild {
  readonly id: string;
  readonly build: string;
  readonly log: string;
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

/** The schema "CreatedRobot" of the API. */
export interface CreatedRobot {
  readonly name: string;
  /** Told once */
  readonly secret: string;
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
}

/** The schema "ImageList" of the API. */
export interface ImageList {
  readonly total: number;
  readonly images: readonly Image[];
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

/** The schema "LockChange" of the API. */
export interface LockChange {
  readonly path: string;
  readonly changes: readonly string[];
}

/** The schema "NewBuild" of the API. */
export interface NewBuild {
  /** The name of a shipped recipe; the administrator may also name a folder of the server's machine */
  readonly recipe: string;
  /** auto: a fresh lock, else resolve; locked: exactly the lock, offline; update: resolve anew */
  readonly mode?: "auto" | "locked" | "update";
  /** Such as debian:12 */
  readonly distribution?: string;
  readonly architecture?: "amd64" | "arm64";
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

/** The schema "NewRobot" of the API. */
export interface NewRobot {
  readonly name: string;
  readonly permissions?: readonly {
    /** A repository, team/* for all below team, or * for every one */
    readonly repository: string;
    readonly actions: readonly ("pull" | "push" | "delete")[];
  }[];
  readonly mayBuild?: boolean;
  readonly expiresAt: string;
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

/** The schema "Revocation" of the API. */
export interface Revocation {
  readonly revoked: boolean;
}

/** The schema "Robot" of the API. */
interface Robot {
  readonly name: string;
  readonly permissions: readonly {
    /** A repository, team/* for all below team, or * for every one */
    readonly repository: string;
    readonly actions: readonly ("pull" | "push" | "delete")[];
  }[];
  /** Whether it may start and stop builds of shipped recipes */
  readonly mayBuild: boolean;
  /** ISO 8601 in UTC */
  readonly createdAt: string;
  readonly createdBy: string;
  /** ISO 8601 in UTC */
  readonly expiresAt: string;
  readonly state: "active" | "disabled" | "expired";
}

/** The schema "RobotList" of the API. */
export interface RobotList {
  readonly robots: readonly Robot[];
}

/** The schema "RunEvent" of the API. */
export interface RunEvent {
  readonly sequence: number;
  /** ISO 8601 in UTC */
  readonly at: string;
  readonly event: ProgressEvent;
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
