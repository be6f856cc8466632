import type { Log } from "../../base/log.ts";
import type { Config } from "../../config/config.ts";
import type { Queue } from "../../jobs/jobs.ts";
import type { Digest } from "../../model/digest.ts";
import type { ScanReport } from "../../model/finding.ts";
import type { PullGate } from "../../model/pull-gate.ts";
import type { PullCheck, Registry } from "../../registry/registry.ts";
import type { ScanPage } from "../../store/admission-records.ts";
import type { Store } from "../../store/store.ts";
import { openGates } from "./gates.ts";
import { openJudge, type PullVerdict } from "./judge.ts";
import { openReports } from "./reports.ts";
import { Scans, type ImageScan } from "./scans.ts";

/** What admission stands on. */
export interface AdmissionGround {
  readonly store: Store;
  readonly registry: Registry;
  readonly queue: Queue;
  readonly config: Config;
  readonly log: Log;
  /** The public half of the release key in PEM: trusted where a project names no key of its own. */
  readonly releasePem: string;
  /** Whether scans are taken up by themselves; a command's process does only what is asked of it. */
  readonly isStanding: boolean;
}

/** One image of a reference: the image itself, or one platform of an index. */
export interface JudgedScan {
  /** Where the scan is. */
  readonly scan: ImageScan;
  /** Undefined until the scan is done. */
  readonly report: ScanReport | undefined;
}

/** How much admission has done since the process started, and what waits. */
export interface AdmissionCounts {
  /** Scans by how they ended. */
  readonly scans: Readonly<Record<"done" | "failed" | "unscannable", number>>;
  /** Pulls that were refused, by what was missing first. */
  readonly refusals: Readonly<Record<"findings" | "no-verdict" | "signature", number>>;
  /** Images that wait for their scan, or are being scanned. */
  readonly waiting: number;
}

/**
 * Scan on push, and the gate that pulls go through.
 *
 * Every image that is pushed has a row in `image_scans` from the push's own transaction on, so that none is forgotten,
 * whenever the process dies. What is in an image is read once; what is known against it is looked up anew whenever
 * somebody asks. A project without a gate costs a pull one look into a map.
 */
export interface Admission {
  /** Says whether a manifest may go out; for the registry. */
  readonly check: PullCheck;
  /**
   * Waits until the images of a manifest are scanned, at most `waitMs` (default: `gate.holdSeconds`); at once where the
   * project asks for no scan. For the first pull of what a proxy has just stored: ask {@link check} afterwards.
   */
  hold(repository: string, digest: Digest, options?: HoldOptions): Promise<void>;
  /** Whether a reference would be given out now, and why not; undefined where the repository does not have it. */
  explain(repository: string, reference: string): Promise<PullVerdict | undefined>;
  /** The gate of a project; undefined where it gives out everything. */
  gate(project: string): PullGate | undefined;
  /**
   * Sets the gate of a project, or takes it away.
   *
   * @throws Failure `usage` for a trusted key that cannot be used
   */
  setGate(project: string, gate: PullGate | undefined, actor: string): Promise<void>;
  /** Forgets the gate of a project that was removed, with all that stood in the database. */
  forgetProject(project: string): void;
  /** The scans of a reference: one of an image, one for each platform of an index; undefined where it is not there. */
  scans(repository: string, reference: string): Promise<readonly JudgedScan[] | undefined>;
  /** The bill of materials of an image that was scanned; undefined where it was not. */
  sbom(repository: string, digest: Digest, format: "cyclonedx" | "spdx"): Promise<string | undefined>;
  /** Scans the images of a reference again; undefined where it is not there. */
  rescan(repository: string, reference: string): Promise<readonly ImageScan[] | undefined>;
  /** A page of the scans in repositories that somebody sees, all by default; `next` goes on behind it. */
  list(
    page: ScanPage,
    sees?: (repository: string) => boolean,
  ): Promise<{ readonly scans: readonly ImageScan[]; readonly next: string | undefined }>;
  /** What the newest scan of an image told while it ran, oldest first. */
  log(digest: Digest): Promise<readonly { readonly at: string; readonly line: string }[]>;
  counts(): Promise<AdmissionCounts>;
  /** Waits until nothing is queued or running. */
  settled(): Promise<void>;
  /** Stops taking up scans; to be called before the queue closes. */
  close(): Promise<void>;
}

interface HoldOptions {
  readonly waitMs?: number;
  readonly signal?: AbortSignal;
}

/** Opens admission; what was pushed and not scanned yet is taken up at once. */
export async function openAdmission(ground: AdmissionGround): Promise<Admission> {
  const reports = openReports(ground);
  const gates = await openGates(ground);
  const scans = new Scans(ground, reports);
  const judge = openJudge({ ...ground, reports, gates, scans });
  return {
    check: judge.check,
    async hold(repository, digest, options = {}) {
      if (!gates.needsScan(repository)) return;
      const waitMs = options.waitMs ?? ground.config.gate.holdSeconds * 1000;
      await scans.wait(repository, digest, { waitMs, signal: options.signal });
    },
    explain: judge.explain,
    gate: gates.of,
    setGate: gates.set,
    forgetProject: gates.forget,
    scans: (repository, reference) => scans.of(repository, reference),
    sbom: reports.sbom,
    rescan: (repository, reference) => scans.again(repository, reference),
    list: (page, sees) => scans.list(page, sees),
    log: (digest) => scans.log(digest),
    counts: async () => ({ ...(await scans.counts()), refusals: judge.refusals() }),
    settled: () => scans.settled(),
    close: () => scans.close(),
  };
}
