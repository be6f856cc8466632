import type { Log } from "../base/log.ts";
import type { ImageDifference } from "../build/build.ts";
import type { Config } from "../config/config.ts";
import type { EventFollower, EventFollowing, Queue, Schedules } from "../jobs/jobs.ts";
import type { Digest } from "../model/digest.ts";
import type { ScanReport, Severity } from "../model/finding.ts";
import type { ProgressEvent, ProgressListener, StepName } from "../model/progress.ts";
import type { Verdict } from "../model/verdict.ts";
import type { Registry } from "../registry/registry.ts";
import type { SigningKey, VerificationReport } from "../sign/sign.ts";
import type { Store } from "../store/store.ts";
import type { Features } from "./features.ts";

/** What a build is asked to do. */
export interface BuildRequest {
  /** A folder that holds an image.yaml, or the name of a shipped recipe. */
  readonly recipe: string;
  /** `auto` uses a fresh lock, else resolves; `locked` uses exactly the lock; `update` resolves anew. */
  readonly mode: "auto" | "locked" | "update";
  /** `debian:12`; by default the first of the recipe that the sources offer. */
  readonly distribution?: string;
  readonly architecture?: string;
  /** Whether a clean rebuild shall prove the image even where the build was a clean one. */
  readonly prove?: boolean;
  /** The account that asked. */
  readonly actor: string;
}

/** One minted image with what is known about it. */
export interface ImageSummary {
  readonly digest: Digest;
  readonly repository: string;
  readonly tags: readonly string[];
  readonly recipe: string;
  readonly distribution: string;
  readonly architecture: string;
  /** ISO 8601. */
  readonly builtAt: string;
  /** Bytes that a pull transfers. */
  readonly sizeBytes: number;
  readonly unpackedBytes: number;
  readonly layerCount: number;
  readonly packageCount: number;
  readonly severities: Readonly<Record<Severity, number>>;
  readonly verdict: "pass" | "fail";
  readonly signed: boolean;
  readonly evidence: readonly { readonly kind: string; readonly digest: Digest }[];
  readonly lockDigest: Digest;
  /** Milliseconds of each step. */
  readonly durations: Readonly<Record<StepName, number>>;
  readonly reproduced: "yes" | "no" | "pending" | "untested";
  /** Why not: what a clean rebuild gave, and the files that differ. */
  readonly difference?: string;
  /** The index that the image is part of, where its recipe is built for several architectures. */
  readonly index?: ImageIndex;
}

/** An index of the images of one recipe, one for each architecture. */
export interface ImageIndex {
  readonly digest: Digest;
  readonly tags: readonly string[];
  /** In the order of the recipe. */
  readonly images: readonly { readonly architecture: string; readonly digest: Digest }[];
}

/** One build as it stands. */
export interface BuildRun {
  readonly id: string;
  readonly state: "queued" | "running" | "succeeded" | "failed";
  readonly request: BuildRequest;
  readonly image?: Digest;
  readonly failure?: { readonly code: string; readonly message: string; readonly hint?: string };
}

/** One event of a build with its place in the order. */
export interface RunEvent {
  /** Counts from 1 without gaps. */
  readonly sequence: number;
  /** ISO 8601. */
  readonly at: string;
  readonly event: ProgressEvent;
}

/** Everything that server and command line ask of the pipeline; pipeline.ts opens it. */
export interface Factory extends Features {
  readonly store: Store;
  readonly registry: Registry;
  readonly config: Config;
  readonly log: Log;
  /** Queues a durable build and returns its id at once. */
  startBuild(request: BuildRequest): Promise<string>;
  /** Stored events of a run after a sequence number, then live ones until it ends. */
  watch(runId: string, after?: number, signal?: AbortSignal): AsyncIterable<RunEvent>;
  /** The state of a run; undefined where there is none of that id. */
  run(runId: string): Promise<BuildRun | undefined>;
  /** False where there is nothing to stop. */
  cancelBuild(runId: string): Promise<boolean>;
  images(): Promise<ImageSummary[]>;
  /** By digest, or by `repository[:tag]`. */
  image(idOrReference: string): Promise<ImageSummary | undefined>;
  lock(request: BuildRequest, listener: ProgressListener): Promise<{ path: string; changes: string[] }>;
  sbom(reference: string, format: "cyclonedx" | "spdx"): Promise<string>;
  scan(reference: string): Promise<ScanReport>;
  gate(reference: string): Promise<Verdict>;
  verify(reference: string): Promise<VerificationReport>;
  /** What differs between two minted images, down to the file. */
  difference(before: string, after: string): Promise<ImageDifference>;
  /** Why the image is as it is: recipe, lock, build, verdict. */
  why(reference: string): Promise<unknown>;
  /** Reads advisories from a folder, an archive or an address into the index. */
  importAdvisories(source: string, listener: ProgressListener): Promise<AdvisoryImport[]>;
  /** Durable work of every kind. */
  readonly queue: Queue;
  /** What is queued again and again. */
  readonly schedules: Schedules;
  /** Follows the events of the data folder from a durable place; the follower is the caller's to close. */
  followEvents(following: Omit<EventFollowing, "store" | "log">): Promise<EventFollower>;
  /** The keys whose public halves clients trust. */
  readonly keys: { readonly release: SigningKey; readonly evidence: SigningKey };
  /** Tells under which address clients reach the registry: signatures of later builds carry its host. */
  announce(url: string): void;
  /** Waits until no build or proof is queued or running. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

/** What an import of advisories brought. */
export interface AdvisoryImport {
  readonly feed: string;
  readonly recordCount: number;
  /** Records that could not be read, with the reason; never silently dropped. */
  readonly refused: readonly { readonly name: string; readonly reason: string }[];
}
