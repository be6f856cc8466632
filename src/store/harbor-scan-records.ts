import { type Digest } from "../model/digest.ts";
import { type ScanSummary } from "../model/pull-gate.ts";
import { type ScanRecord, type ScanState } from "./admission-records.ts";
import { type Database } from "./database.ts";

/** The scans of some images by digest. */
export async function findScans(db: Database, digests: readonly Digest[]): Promise<Map<Digest, ScanRecord>> {
  const scans = new Map<Digest, ScanRecord>();
  for (let start = 0; start < digests.length; start += 300) {
    const rows = await db
      .selectFrom("image_scans")
      .select([
        "digest",
        "repository",
        "state",
        "attempts",
        "run_id",
        "reason",
        "queued_at",
        "started_at",
        "ended_at",
        "summary",
        "summary_of",
      ])
      .where("digest", "in", digests.slice(start, start + 300))
      .execute();
    for (const row of rows)
      scans.set(row.digest, {
        digest: row.digest,
        repository: row.repository,
        state: row.state as ScanState,
        attempts: row.attempts,
        runId: row.run_id ?? undefined,
        reason: row.reason ?? undefined,
        queuedAt: row.queued_at,
        startedAt: row.started_at ?? undefined,
        endedAt: row.ended_at ?? undefined,
        catalogue: undefined,
        summary: row.summary === null ? undefined : (JSON.parse(row.summary) as ScanSummary),
        summaryOf: row.summary_of ?? undefined,
      });
  }
  return scans;
}

/** An image of a repository whose scan is done, with its findings in numbers. */
export interface ScannedImage {
  readonly repository: string;
  readonly digest: Digest;
  readonly summary: ScanSummary | undefined;
}

/** Which scanned images: in a repository, below a project, of a digest; at most `limit`. */
export interface ScannedWish {
  readonly repository?: string | undefined;
  readonly project?: string | undefined;
  readonly digest?: string | undefined;
  readonly limit: number;
}

/** Scanned images by repository and digest; one that is in several is listed for each. */
export async function listScannedImages(db: Database, wish: ScannedWish): Promise<ScannedImage[]> {
  const rows = await db
    .selectFrom("image_scans as s")
    .innerJoin("manifests as m", "m.digest", "s.digest")
    .select(["m.repository", "s.digest", "s.summary"])
    .where("s.state", "=", "done")
    .$if(wish.repository !== undefined, (query) => query.where("m.repository", "=", wish.repository!))
    .$if(wish.project !== undefined, (query) =>
      query.where("m.repository", ">=", `${wish.project!}/`).where("m.repository", "<", `${wish.project!}0`),
    )
    .$if(wish.digest !== undefined, (query) => query.where("s.digest", "=", wish.digest as Digest))
    .orderBy("m.repository")
    .orderBy("s.digest")
    .limit(wish.limit)
    .execute();
  return rows.map(({ repository, digest, summary }) => ({
    repository,
    digest,
    summary: summary === null ? undefined : (JSON.parse(summary) as ScanSummary),
  }));
}

/** How many images there are that a client may run, each once, whatever came of their scans. */
export async function countScannable(db: Database): Promise<number> {
  const row = await db
    .selectFrom("image_scans")
    .select((columns) => columns.fn.countAll<number>().as("count"))
    .where("state", "!=", "none")
    .executeTakeFirstOrThrow();
  return Number(row.count);
}
