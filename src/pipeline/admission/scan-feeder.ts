import { nowMs } from "../../base/clock.ts";
import { messageOf } from "../../base/errors.ts";
import type { RunContext } from "../../jobs/jobs.ts";
import type { Digest } from "../../model/digest.ts";
import type { Manifest } from "../../model/oci.ts";
import { endScan, listWaitingScans } from "../../store/admission-records.ts";
import { findManifest, readManifestBytes } from "../../store/manifest-records.ts";
import { getRun } from "../../store/run-records.ts";
import type { AdmissionGround } from "./admission.ts";
import { scanImageJob, type ScanEnd } from "./catalogue-job.ts";
import { isRunnable } from "./manifests.ts";
import type { Reports } from "./reports.ts";

const jobName = "scan";
/** Scans at the same time, of the queue's four places. */
const laneCount = 2;
const tickMs = 1000;
const deadlineMs = 30 * 60_000;
/** Rows of one look; most of them are signatures, which take no time. */
const pageCount = 20;
/** Summaries that are counted anew in one tick after an import of advisories. */
const refreshedPerTick = 5;

interface Lane {
  /** Undefined while it is being queued. */
  readonly runId: string | undefined;
  readonly lane: number;
}

/** Hands the waiting scans to the queue, a few at a time: builds must not stand behind ten thousand images. */
export class ScanFeeder {
  readonly #ground: AdmissionGround;
  readonly #reports: Reports;
  readonly #lanes = new Map<Digest, Lane>();
  readonly #ends = { done: 0, failed: 0, unscannable: 0 };
  readonly #timer: NodeJS.Timeout | undefined;
  #generation = 0;
  #isClosing = false;
  #isDue = false;
  #feeding: Promise<void> | undefined;
  #ticking: Promise<void> | undefined;
  #ended = Promise.withResolvers<void>();

  /** Defines the job; in a process that stands, it begins at once and looks every second. */
  constructor(ground: AdmissionGround, reports: Reports) {
    this.#ground = ground;
    this.#reports = reports;
    ground.queue.define(jobName, 1, (job) => this.#run(job), { deadlineMs, attemptsMax: 1 });
    if (!ground.isStanding) return;
    this.#timer = setInterval(() => {
      this.#ticking ??= this.#tick()
        .catch((error: unknown) => ground.log.error({ err: error }, "cannot look after scans"))
        .finally(() => (this.#ticking = undefined));
    }, tickMs).unref();
    this.wake();
  }

  /** Changes whenever a scan ends. */
  get generation(): number {
    return this.#generation;
  }

  /** How scans have ended since the start. */
  get ends(): Readonly<Record<"done" | "failed" | "unscannable", number>> {
    return { ...this.#ends };
  }

  /** Resolves when the next scan ends. */
  get nextEnd(): Promise<void> {
    return this.#ended.promise;
  }

  /** Looks for waiting scans now. */
  wake(): void {
    this.#isDue = true;
    if (this.#isClosing || this.#feeding !== undefined) return;
    this.#feeding = this.#feed()
      .catch((error: unknown) => this.#ground.log.error({ err: error }, "cannot look for images to scan"))
      .finally(() => {
        this.#feeding = undefined;
        if (this.#isDue && !this.#isClosing && this.#lanes.size < laneCount) this.wake();
      });
  }

  /** Waits until no scan is queued or running. */
  async settled(): Promise<void> {
    for (;;) {
      const next = this.#ended.promise;
      this.wake();
      await this.#feeding;
      const waiting = await listWaitingScans(this.#ground.store.db, { now: nowMs(), limit: 1 });
      if (this.#lanes.size === 0 && waiting.length === 0) return;
      await next;
    }
  }

  /** Takes up no more; what runs is the queue's to stop. */
  async close(): Promise<void> {
    this.#isClosing = true;
    clearInterval(this.#timer);
    await this.#ticking;
    await this.#feeding;
  }

  async #run(job: RunContext): Promise<{ readonly end: ScanEnd }> {
    const { digest } = job.input as { readonly digest: Digest };
    let end: ScanEnd = "later";
    try {
      end = await scanImageJob(this.#ground.store, job, () => this.#isClosing);
      return { end };
    } finally {
      this.#tellEnd(digest, end);
    }
  }

  #tellEnd(digest: Digest, end: ScanEnd | "none"): void {
    this.#lanes.delete(digest);
    if (end === "done" || end === "failed" || end === "unscannable") this.#ends[end]++;
    this.#generation++;
    const told = this.#ended;
    this.#ended = Promise.withResolvers<void>();
    told.resolve();
    this.wake();
  }

  async #feed(): Promise<void> {
    while (this.#isDue && !this.#isClosing && this.#lanes.size < laneCount) {
      this.#isDue = false;
      const waiting = await listWaitingScans(this.#ground.store.db, { now: nowMs(), limit: pageCount });
      for (const image of waiting) {
        if (this.#isClosing || this.#lanes.size >= laneCount) return;
        if (this.#lanes.has(image.digest)) continue;
        if (await this.#passOver(image)) this.#isDue = true;
        else await this.#enqueue(image.digest);
      }
    }
  }

  /** Ends what is no image without a job. */
  async #passOver({ digest, repository }: { digest: Digest; repository: string }): Promise<boolean> {
    const { store, log } = this.#ground;
    const bytes = await readManifestBytes(store.db, digest);
    const stored = await findManifest(store.db, repository, digest);
    if (bytes === undefined) return false;
    try {
      const manifest = JSON.parse(bytes.toString("utf8")) as Manifest;
      const mediaType = manifest.mediaType ?? stored?.mediaType ?? "";
      if (await isRunnable(store.blobs, manifest, mediaType)) return false;
    } catch (error) {
      // A disk that fails for a moment is met again by the job, which is tried again.
      log.warn({ digest, reason: messageOf(error) }, "cannot tell what was pushed");
      return false;
    }
    await endScan(store.db, { digest, state: "none", reason: undefined, now: nowMs() });
    this.#tellEnd(digest, "none");
    return true;
  }

  async #enqueue(digest: Digest): Promise<void> {
    const taken = new Set([...this.#lanes.values()].map(({ lane }) => lane));
    const lane = Array.from({ length: laneCount }, (_, at) => at).find((at) => !taken.has(at))!;
    // Taken before it is queued: a small image may be through before the queue has answered.
    this.#lanes.set(digest, { runId: undefined, lane });
    const runId = await this.#ground.queue.enqueue({
      name: jobName,
      input: { digest },
      concurrencyKey: `${jobName}-${lane}`,
      dedupeKey: `${jobName}:${digest}`,
    });
    if (this.#lanes.has(digest)) this.#lanes.set(digest, { runId, lane });
  }

  async #tick(): Promise<void> {
    await this.#dropDeadLanes();
    this.wake();
    if (this.#lanes.size === 0) await this.#reports.refresh(refreshedPerTick);
  }

  /** A job may end without its handler: stopped before it began, or given up because it ended the process too often. */
  async #dropDeadLanes(): Promise<void> {
    const { db } = this.#ground.store;
    for (const [digest, { runId }] of this.#lanes) {
      if (runId === undefined) continue;
      const run = await getRun(db, runId);
      if (run?.state === "queued" || run?.state === "running" || !this.#lanes.has(digest)) continue;
      const reason = run?.failure?.message ?? "its job was stopped";
      const hasFailed = run?.state !== "succeeded";
      if (hasFailed) await endScan(db, { digest, state: "failed", reason, now: nowMs() });
      this.#tellEnd(digest, hasFailed ? "failed" : "later");
    }
  }
}
