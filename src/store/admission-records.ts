import type { Digest } from "../model/digest.ts";
import type { Finding, FeedState } from "../model/finding.ts";
import type { Distribution } from "../model/package.ts";
import type { PullGate, ScanScope, ScanSummary } from "../model/pull-gate.ts";
import { type Database } from "./database.ts";

/**
 * Where the scan of an image is.
 *
 * `none` says that the manifest is no image (a signature that looks like one); `unscannable` that it never will have a
 * verdict, and why.
 */
export type ScanState = "queued" | "running" | "done" | "failed" | "unscannable" | "none";

/** What was read of an image, beside its packages. */
export interface ScanCatalogue extends ScanScope {
  readonly distribution: Distribution;
  readonly packageCount: number;
}

/** What an image's own build found by the signed security suites, which no imported feed replaces. */
export interface OwnFindings {
  readonly findings: readonly Finding[];
  readonly feeds: readonly FeedState[];
}

/** The scan of one image as it stands. Instants are milliseconds. */
export interface ScanRecord {
  readonly digest: Digest;
  readonly repository: string;
  readonly state: ScanState;
  readonly attempts: number;
  readonly runId: string | undefined;
  readonly reason: string | undefined;
  readonly queuedAt: number;
  readonly startedAt: number | undefined;
  readonly endedAt: number | undefined;
  readonly catalogue: ScanCatalogue | undefined;
  readonly summary: ScanSummary | undefined;
  /** By which advisories the summary was made. */
  readonly summaryOf: string | undefined;
}

/** The package list of an image in its stored form, and what its own build found. */
export interface ScanContents {
  /** JSON, zstd. */
  readonly packages: Buffer;
  readonly own: OwnFindings | undefined;
}

const columns = [
  "digest",
  "repository",
  "state",
  "attempts",
  "run_id",
  "reason",
  "queued_at",
  "started_at",
  "ended_at",
  "catalogue",
  "summary",
  "summary_of",
] as const;

interface ScanRow {
  readonly digest: Digest;
  readonly repository: string;
  readonly state: string;
  readonly attempts: number;
  readonly run_id: string | null;
  readonly reason: string | null;
  readonly queued_at: number;
  readonly started_at: number | null;
  readonly ended_at: number | null;
  readonly catalogue: string | null;
  readonly summary: string | null;
  readonly summary_of: string | null;
}

function recordOf(row: ScanRow): ScanRecord {
  return {
    digest: row.digest,
    repository: row.repository,
    state: row.state as ScanState,
    attempts: row.attempts,
    runId: row.run_id ?? undefined,
    reason: row.reason ?? undefined,
    queuedAt: row.queued_at,
    startedAt: row.started_at ?? undefined,
    endedAt: row.ended_at ?? undefined,
    catalogue: row.catalogue === null ? undefined : (JSON.parse(row.catalogue) as ScanCatalogue),
    summary: row.summary === null ? undefined : (JSON.parse(row.summary) as ScanSummary),
    summaryOf: row.summary_of ?? undefined,
  };
}

/**
 * Queues the scan of an image that was pushed; one that is under way or done stays, one that ended without a package
 * list is tried again. Call it in the push's own transaction.
 */
export async function queueScan(
  db: Database,
  image: { readonly digest: Digest; readonly repository: string; readonly now: number },
): Promise<void> {
  const { digest, repository, now } = image;
  await db
    .insertInto("image_scans")
    .values({ digest, repository, state: "queued", priority: 0, attempts: 0, queued_at: now, due_at: now })
    .onConflict((conflict) =>
      conflict
        .column("digest")
        .doUpdateSet({ repository, state: "queued", attempts: 0, reason: null, queued_at: now, due_at: now })
        .where("image_scans.state", "in", ["failed", "unscannable"]),
    )
    .execute();
}

/** Queues a scan again, whatever came of the last one; one that is under way stays. False where the image has none. */
export async function requeueScan(
  db: Database,
  image: { readonly digest: Digest; readonly repository: string; readonly now: number },
): Promise<boolean> {
  const { digest, repository, now } = image;
  const row = await db
    .updateTable("image_scans")
    .set({ repository, state: "queued", attempts: 0, reason: null, queued_at: now, due_at: now, priority: 1 })
    .where("digest", "=", digest)
    .where("state", "not in", ["queued", "running"])
    .returning("digest")
    .executeTakeFirst();
  if (row !== undefined) return true;
  return (await findScan(db, digest)) !== undefined;
}

/** Puts a waiting scan before the others: somebody waits for it. */
export async function hurryScan(db: Database, digest: Digest): Promise<void> {
  await db
    .updateTable("image_scans")
    .set({ priority: 1 })
    .where("digest", "=", digest)
    .where("state", "=", "queued")
    .where("priority", "=", 0)
    .execute();
}

/** Scans to be done now: those that somebody waits for first, then the oldest; those under way before a crash too. */
export async function listWaitingScans(
  db: Database,
  page: { readonly now: number; readonly limit: number },
): Promise<{ readonly digest: Digest; readonly repository: string }[]> {
  const rows = await db
    .selectFrom("image_scans")
    .select(["digest", "repository"])
    .where("state", "in", ["queued", "running"])
    .where("due_at", "<=", page.now)
    .orderBy("priority", "desc")
    .orderBy("due_at")
    .limit(page.limit)
    .execute();
  return rows.map(({ digest, repository }) => ({ digest, repository }));
}

/** Marks a scan as begun and counts the attempt. */
export async function beginScan(
  db: Database,
  scan: { readonly digest: Digest; readonly runId: string; readonly now: number },
): Promise<ScanRecord | undefined> {
  const row = await db
    .updateTable("image_scans")
    .set((values) => ({
      state: "running",
      run_id: scan.runId,
      started_at: scan.now,
      ended_at: null,
      reason: null,
      attempts: values("attempts", "+", 1),
    }))
    .where("digest", "=", scan.digest)
    .where("state", "in", ["queued", "running"])
    .returning([...columns])
    .executeTakeFirst();
  return row === undefined ? undefined : recordOf(row);
}

/** Ends a scan without a package list: for good, or until `retryAt`. */
export async function endScan(
  db: Database,
  end: {
    readonly digest: Digest;
    readonly state: "failed" | "unscannable" | "none";
    readonly reason: string | undefined;
    readonly now: number;
    /** An instant at which it is tried again; the state is `queued` until then. */
    readonly retryAt?: number;
  },
): Promise<void> {
  const again = end.retryAt === undefined ? {} : { state: "queued", due_at: end.retryAt };
  await db
    .updateTable("image_scans")
    .set({ state: end.state, reason: end.reason ?? null, ended_at: end.now, priority: 0, ...noContents, ...again })
    .where("digest", "=", end.digest)
    .execute();
}

const noContents = { catalogue: null, packages: null, own_findings: null, summary: null, summary_of: null };

/** Gives an attempt back that was stopped from outside: the image is not to blame. */
export async function releaseScan(db: Database, digest: Digest): Promise<void> {
  await db
    .updateTable("image_scans")
    .set((values) => ({ state: "queued", attempts: values("attempts", "-", 1) }))
    .where("digest", "=", digest)
    .where("state", "=", "running")
    .execute();
}

/** The outcome of reading an image. */
export interface FinishedScan extends ScanContents {
  readonly digest: Digest;
  readonly catalogue: ScanCatalogue;
  readonly now: number;
}

/** Ends a scan with a package list. */
export async function finishScan(db: Database, scan: FinishedScan): Promise<void> {
  await db
    .updateTable("image_scans")
    .set({
      state: "done",
      reason: null,
      priority: 0,
      ended_at: scan.now,
      catalogue: JSON.stringify(scan.catalogue),
      packages: scan.packages,
      own_findings: scan.own === undefined ? null : JSON.stringify(scan.own),
      summary: null,
      summary_of: null,
    })
    .where("digest", "=", scan.digest)
    .execute();
}

/** Keeps the counts of findings by some advisories. */
export async function recordSummary(
  db: Database,
  summary: { readonly digest: Digest; readonly summary: ScanSummary; readonly summaryOf: string },
): Promise<void> {
  await db
    .updateTable("image_scans")
    .set({ summary: JSON.stringify(summary.summary), summary_of: summary.summaryOf })
    .where("digest", "=", summary.digest)
    .where("state", "=", "done")
    .execute();
}

/** The scan of an image; undefined where it is none, or was never pushed. */
export async function findScan(db: Database, digest: Digest): Promise<ScanRecord | undefined> {
  const row = await db
    .selectFrom("image_scans")
    .select([...columns])
    .where("digest", "=", digest)
    .executeTakeFirst();
  return row === undefined ? undefined : recordOf(row);
}

/** The package list of a scan that is done. */
export async function readScanContents(db: Database, digest: Digest): Promise<ScanContents | undefined> {
  const row = await db
    .selectFrom("image_scans")
    .select(["packages", "own_findings"])
    .where("digest", "=", digest)
    .where("state", "=", "done")
    .executeTakeFirst();
  if (row === undefined || row.packages === null) return undefined;
  const { packages, own_findings: own } = row;
  return {
    packages: Buffer.from(packages.buffer, packages.byteOffset, packages.byteLength),
    own: own === null ? undefined : (JSON.parse(own) as OwnFindings),
  };
}

/** A page of scans, of images in one repository or project where one is named. */
export interface ScanPage {
  readonly after: string;
  readonly limit: number;
  readonly state?: ScanState;
  readonly repository?: string;
}

/** A scan with a repository that has the image now. */
export interface ListedScan extends ScanRecord {
  /** The repository by which it is listed. */
  readonly in: string;
}

/** Lists scans by digest and repository; images that are in several are listed for each. */
export async function listScans(db: Database, page: ScanPage): Promise<ListedScan[]> {
  const [afterDigest = "", afterRepository = ""] = page.after.split(" ");
  let query = db
    .selectFrom("image_scans")
    .innerJoin("manifests", "manifests.digest", "image_scans.digest")
    .select(columns.map((column) => `image_scans.${column}` as const))
    .select("manifests.repository as in")
    .where((values) =>
      values.or([
        values("image_scans.digest", ">", afterDigest as Digest),
        values.and([
          values("image_scans.digest", "=", afterDigest as Digest),
          values("manifests.repository", ">", afterRepository),
        ]),
      ]),
    )
    .where("image_scans.state", "!=", "none");
  if (page.state !== undefined) query = query.where("image_scans.state", "=", page.state);
  if (page.repository !== undefined) query = query.where("manifests.repository", "=", page.repository);
  const rows = await query.orderBy("image_scans.digest").orderBy("manifests.repository").limit(page.limit).execute();
  return rows.map((row) => ({ ...recordOf(row), in: row.in }));
}

/** How many images are in each state. */
export async function countScans(db: Database): Promise<Readonly<Partial<Record<ScanState, number>>>> {
  const rows = await db
    .selectFrom("image_scans")
    .select(["state", (values) => values.fn.countAll<number>().as("count")])
    .groupBy("state")
    .execute();
  return Object.fromEntries(rows.map(({ state, count }) => [state, Number(count)]));
}

/** Digests of scans whose summary was made by other advisories than those of now. */
export async function listStaleSummaries(db: Database, knowledge: string, limit: number): Promise<Digest[]> {
  const rows = await db
    .selectFrom("image_scans")
    .select("digest")
    .where("state", "=", "done")
    .where((values) => values.or([values("summary_of", "is", null), values("summary_of", "!=", knowledge)]))
    .limit(limit)
    .execute();
  return rows.map(({ digest }) => digest);
}

/** The gate of every project that has one. */
export async function listPullGates(db: Database): Promise<{ readonly project: string; readonly gate: PullGate }[]> {
  const rows = await db.selectFrom("pull_gates").select(["project", "document"]).orderBy("project").execute();
  return rows.map(({ project, document }) => ({ project, gate: JSON.parse(document) as PullGate }));
}

/** Sets the gate of a project, or takes it away. Call it in a transaction together with the event that tells of it. */
export async function putPullGate(
  db: Database,
  change: {
    readonly project: string;
    readonly gate: PullGate | undefined;
    readonly actor: string;
    readonly now: number;
  },
): Promise<void> {
  const { project, gate, actor, now } = change;
  if (gate === undefined) {
    await db.deleteFrom("pull_gates").where("project", "=", project).execute();
    return;
  }
  const values = { document: JSON.stringify(gate), changed_at: now, changed_by: actor };
  await db
    .insertInto("pull_gates")
    .values({ project, ...values })
    .onConflict((conflict) => conflict.column("project").doUpdateSet(values))
    .execute();
}

/** A word for what is known of vulnerabilities: it changes with each import. */
export async function adviceGeneration(db: Database): Promise<string> {
  const rows = await db.selectFrom("advisory_feeds").select(["name", "generation"]).orderBy("name").execute();
  return rows.map(({ name, generation }) => `${name}=${generation}`).join(",");
}

/** A word for what is excused: it changes with each exception that is made or ended by somebody. */
export async function exceptionGeneration(db: Database): Promise<string> {
  const row = await db
    .selectFrom("exception_events")
    .select((values) => values.fn.countAll<number>().as("count"))
    .executeTakeFirst();
  return String(row?.count ?? 0);
}
