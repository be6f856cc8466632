import { isoSeconds, nowMs, sleep } from "../../base/clock.ts";
import type { Digest } from "../../model/digest.ts";
import type { Distribution } from "../../model/package.ts";
import type { ScanSummary } from "../../model/pull-gate.ts";
import {
  countScans,
  findScan,
  hurryScan,
  listScans,
  queueScan,
  requeueScan,
  type ScanPage,
  type ScanRecord,
  type ScanState,
} from "../../store/admission-records.ts";
import { listEvents } from "../../store/run-event-records.ts";
import type { AdmissionCounts, AdmissionGround, JudgedScan } from "./admission.ts";
import { runnableImages, type RunnableImage } from "./manifests.ts";
import type { Reports } from "./reports.ts";
import { ScanFeeder } from "./scan-feeder.ts";

/** The scan of one image as it is shown. Instants are ISO 8601. */
export interface ImageScan {
  readonly digest: Digest;
  readonly repository: string;
  /** `linux/amd64`, where it was reached through an index that says so. */
  readonly platform: string | undefined;
  readonly state: Exclude<ScanState, "none">;
  readonly attempts: number;
  readonly queuedAt: string;
  readonly startedAt: string | undefined;
  readonly endedAt: string | undefined;
  readonly durationMs: number | undefined;
  /** Why it failed, or why the image has no verdict. */
  readonly reason: string | undefined;
  readonly distribution: Distribution | undefined;
  readonly packageCount: number | undefined;
  /** Package databases that were read. */
  readonly databases: readonly string[];
  /** What was not looked at. */
  readonly omitted: readonly string[];
  readonly summary: ScanSummary | undefined;
}

/** The scans of a store, and who does them. */
export class Scans {
  readonly #ground: AdmissionGround;
  readonly #reports: Reports;
  readonly #feeder: ScanFeeder;

  constructor(ground: AdmissionGround, reports: Reports) {
    this.#ground = ground;
    this.#reports = reports;
    this.#feeder = new ScanFeeder(ground, reports);
  }

  /** Changes whenever a scan ends. */
  get generation(): number {
    return this.#feeder.generation;
  }

  /** The scan of an image; one that has none yet is queued. */
  async recordOf(repository: string, digest: Digest): Promise<ScanRecord> {
    const { db } = this.#ground.store;
    const known = await findScan(db, digest);
    if (known !== undefined) return known;
    await queueScan(db, { digest, repository, now: nowMs() });
    this.#feeder.wake();
    return (await findScan(db, digest))!;
  }

  /** The scans of a reference with their reports; undefined where it is not there. */
  async of(repository: string, reference: string): Promise<JudgedScan[] | undefined> {
    const images = await this.#imagesOf(repository, reference);
    if (images === undefined) return undefined;
    const scans: JudgedScan[] = [];
    for (const { digest, platform } of images) {
      const report = await this.#reports.of(digest);
      scans.push({ scan: shown(await this.recordOf(repository, digest), repository, platform), report });
    }
    return scans;
  }

  /** Queues the scans of a reference again, before all others. */
  async again(repository: string, reference: string): Promise<ImageScan[] | undefined> {
    const { db } = this.#ground.store;
    const images = await this.#imagesOf(repository, reference);
    if (images === undefined) return undefined;
    const scans: ImageScan[] = [];
    for (const { digest, platform } of images) {
      if (!(await requeueScan(db, { digest, repository, now: nowMs() }))) await this.recordOf(repository, digest);
      await hurryScan(db, digest);
      scans.push(shown((await findScan(db, digest))!, repository, platform));
    }
    this.#feeder.wake();
    return scans;
  }

  /** Waits until the images of a manifest are scanned, but no longer than it may. */
  async wait(
    repository: string,
    digest: Digest,
    { waitMs, signal }: { readonly waitMs: number; readonly signal: AbortSignal | undefined },
  ): Promise<void> {
    const until = nowMs() + waitMs;
    for (;;) {
      const ended = this.#feeder.nextEnd;
      const isWaiting = await this.#hurry(repository, digest);
      const leftMs = until - nowMs();
      if (!isWaiting || leftMs <= 0 || signal?.aborted === true) return;
      this.#feeder.wake();
      const enough = new AbortController();
      const stop = signal === undefined ? enough.signal : AbortSignal.any([enough.signal, signal]);
      await Promise.race([ended, sleep(Math.min(leftMs, pollMs), stop)]);
      enough.abort();
    }
  }

  /** A page of the scans that somebody sees; where it goes on names the last of them, and so nothing hidden. */
  async list(
    page: ScanPage,
    sees: (repository: string) => boolean = () => true,
  ): Promise<{ scans: ImageScan[]; next: string | undefined }> {
    const found: Awaited<ReturnType<typeof listScans>> = [];
    let after: string | undefined = page.after;
    while (after !== undefined && found.length <= page.limit) {
      const rows = await listScans(this.#ground.store.db, { ...page, after, limit: scannedRows });
      found.push(...rows.filter((row) => sees(row.in)));
      after = rows.length < scannedRows ? undefined : cursorOf(rows.at(-1)!);
    }
    const rows = found.slice(0, page.limit);
    return {
      scans: rows.map((row) => shown(row, row.in, undefined)),
      next: found.length > page.limit ? cursorOf(rows.at(-1)!) : undefined,
    };
  }

  /** What the newest scan of an image told while it ran. */
  async log(digest: Digest): Promise<{ at: string; line: string }[]> {
    const { db } = this.#ground.store;
    const scan = await findScan(db, digest);
    if (scan?.runId === undefined) return [];
    const events = await listEvents(db, scan.runId, { after: 0, limit: lineMax });
    return events.map(({ at, event }) => ({ at: isoSeconds(at), line: (event as { line?: string }).line ?? "" }));
  }

  /** How many were scanned since the start, and how many wait. */
  async counts(): Promise<Pick<AdmissionCounts, "scans" | "waiting">> {
    const { queued = 0, running = 0 } = await countScans(this.#ground.store.db);
    return { scans: this.#feeder.ends, waiting: queued + running };
  }

  /** Waits until no scan is queued or running. */
  async settled(): Promise<void> {
    await this.#feeder.settled();
  }

  /** Takes up no more scans. */
  async close(): Promise<void> {
    await this.#feeder.close();
  }

  /** Puts the scans of a manifest before all others; false where none is on its way. */
  async #hurry(repository: string, digest: Digest): Promise<boolean> {
    let isWaiting = false;
    for (const image of (await this.#imagesOf(repository, digest)) ?? []) {
      const { state } = await this.recordOf(repository, image.digest);
      if (state !== "queued" && state !== "running") continue;
      isWaiting = true;
      await hurryScan(this.#ground.store.db, image.digest);
    }
    return isWaiting;
  }

  async #imagesOf(repository: string, reference: string): Promise<readonly RunnableImage[] | undefined> {
    const { registry, store } = this.#ground;
    const manifest = await registry.getManifest(repository, reference);
    if (manifest === undefined) return undefined;
    const found = await runnableImages(store, { repository, ...manifest });
    return found === "too many" ? [] : found;
  }
}

/** Rows that are read at once for a page. */
const scannedRows = 1000;

function cursorOf(row: { readonly digest: Digest; readonly in: string }): string {
  return `${row.digest} ${row.in}`;
}

/** Lines of a log that are shown. */
const lineMax = 1000;
/** A waiter looks for itself now and then: the end of a scan may have been told before it listened. */
const pollMs = 2000;

function shown(scan: ScanRecord, repository: string, platform: string | undefined): ImageScan {
  const { startedAt, endedAt, catalogue } = scan;
  return {
    digest: scan.digest,
    repository,
    platform,
    // What cannot be told from an image by its manifest is one for its readers until it was looked at.
    state: scan.state === "none" ? "unscannable" : scan.state,
    attempts: scan.attempts,
    queuedAt: isoSeconds(scan.queuedAt),
    startedAt: startedAt === undefined ? undefined : isoSeconds(startedAt),
    endedAt: endedAt === undefined ? undefined : isoSeconds(endedAt),
    durationMs: startedAt === undefined || endedAt === undefined ? undefined : endedAt - startedAt,
    reason: scan.reason,
    distribution: catalogue?.distribution,
    packageCount: catalogue?.packageCount,
    databases: catalogue?.databases ?? [],
    omitted: catalogue?.omitted ?? [],
    summary: scan.summary,
  };
}
