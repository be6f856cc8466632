import { createHash } from "node:crypto";
import { nowMs, sleep, tickMs } from "../../base/clock.ts";
import { Failure, messageOf, toFailure } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { RunContext } from "../../jobs/jobs.ts";
import { type Digest } from "../../model/digest.ts";
import type { BlobPage } from "../../store/blobs.ts";
import { listLinkedDigests, listLinkingRepositories } from "../../store/collection-records.ts";
import { beginCollectionRun, endCollectionRun } from "../../store/collection-run-records.ts";
import { listQuarantined, restoreLinks, trashLinks } from "../../store/collection-trash-records.ts";
import { addAuditEvent } from "../../store/event-records.ts";
import { type Store } from "../../store/store.ts";
import { downloadBlob } from "../remote/download.ts";
import { openRemote, type RemoteRegistry } from "../remote/remote.ts";
import { openProgress, paced, save } from "./run.ts";

/** A scrub that somebody asks for. */
export interface ScrubRequest {
  readonly actor: string;
  /** The address of a registry that has the same repositories: what is damaged here is fetched from there. */
  readonly from?: string;
  /** Bytes a second that are read at most. */
  readonly bytesPerSecond?: number;
}

/** What a scrub found. Lists hold the first thousand. */
export interface ScrubReport {
  checkedBlobs: number;
  checkedBytes: number;
  /** Blobs whose bytes are not what their digest says; they were put aside. */
  readonly damaged: Digest[];
  /** Blobs that repositories name but the disk does not have. */
  readonly missing: Digest[];
  /** Those of them, and of earlier ones, that are whole again. */
  readonly repaired: Digest[];
  /** Those of them that nobody gave back: repositories say of them that they are absent, and a push brings them back. */
  readonly lost: Digest[];
}

/** What a scrub works with. */
export interface ScrubGround {
  readonly store: Store;
  readonly log: Log;
  readonly bytesPerSecond: number;
}

const listedCount = 1000;
const quarantinedCount = 10_000;
const phase = "blobs";
const algorithms = ["sha256", "sha512"];

/**
 * Reads every blob again and compares it with its digest; repairs what it can.
 *
 * The hashing is held to a rate, so that it takes a small part of the processor and the disk. What is damaged is put
 * aside and fetched from the peer, if there is one; otherwise its links leave the repositories, so that a client's
 * HEAD says what is true and the next push of the image brings the bytes.
 */
export async function scrub(ground: ScrubGround, job: RunContext): Promise<ScrubReport> {
  const { store } = ground;
  const request = job.input as ScrubRequest;
  const report: ScrubReport = { checkedBlobs: 0, checkedBytes: 0, damaged: [], missing: [], repaired: [], lost: [] };
  const begun = { id: job.runId, kind: "scrub" as const, actor: request.actor, settings: request };
  const record = await store.transaction(
    async (db) => await beginCollectionRun(db, { ...begun, phase, report, startedAt: nowMs() }),
  );
  if (record.outcome === "succeeded") return record.report as ScrubReport;
  const remote = request.from === undefined ? undefined : openRemote({ url: request.from });
  const work: Scrub = {
    ...ground,
    id: job.runId,
    bytesPerSecond: request.bytesPerSecond ?? ground.bytesPerSecond,
    remote,
    report: record.report as ScrubReport,
    signal: job.signal,
  };
  try {
    if (record.cursor === "") await restoreQuarantined(work);
    await walk(work, record.cursor, openProgress(job.emit));
    await finish(work, request.actor);
    return work.report;
  } catch (error) {
    if (!job.signal.aborted) await endCollectionRun(store.db, job.runId, "failed");
    throw toFailure(error);
  } finally {
    remote?.close();
  }
}

interface Scrub extends ScrubGround {
  readonly id: string;
  readonly remote: RemoteRegistry | undefined;
  readonly report: ScrubReport;
  readonly signal: AbortSignal;
}

/** Every part of the store by the first two digits, also those of which the disk has nothing. */
async function walk(work: Scrub, cursor: string, tell: ReturnType<typeof openProgress>): Promise<void> {
  const { store, report } = work;
  const pages = store.blobs.pages(cursor)[Symbol.asyncIterator]();
  let page: BlobPage | undefined = await nextPage(pages);
  for (const [at, part] of parts().entries()) {
    if (part <= cursor) continue;
    const present = page?.cursor === part ? page.digests : [];
    for (const digest of present) await paced(work.signal, async () => await checkBlob(work, digest));
    if (page?.cursor === part) page = await nextPage(pages);
    await findMissing(work, part, new Set(present));
    await store.transaction(async (db) => await save(db, work, { phase, cursor: part }));
    const note = `${report.checkedBlobs} blobs, ${Math.round(report.checkedBytes / 1e6)} MB`;
    tell({ kind: "progress", phase: "reading", done: at + 1, total: parts().length, unit: "parts", note });
  }
}

async function nextPage(pages: AsyncIterator<BlobPage>): Promise<BlobPage | undefined> {
  const next = await pages.next();
  return next.done === true ? undefined : next.value;
}

function parts(): string[] {
  const prefixes = Array.from({ length: 256 }, (_, at) => at.toString(16).padStart(2, "0"));
  return algorithms.flatMap((algorithm) => prefixes.map((prefix) => `${algorithm}/${prefix}`));
}

async function checkBlob(work: Scrub, digest: Digest): Promise<void> {
  const sizeBytes = await bytesIfWhole(work, digest);
  if (sizeBytes === undefined) return;
  work.report.checkedBlobs += 1;
  if (sizeBytes !== "damaged") {
    work.report.checkedBytes += sizeBytes;
    return;
  }
  // A second look: what was read while memory or bus erred is whole on the disk.
  if ((await bytesIfWhole(work, digest)) !== "damaged") return;
  work.log.error({ digest }, "a blob is damaged and was put aside");
  note(work.report.damaged, digest);
  await work.store.blobs.quarantine(digest);
  await repairOrRelease(work, digest, "its bytes were not what its digest says");
}

/** The size of a blob that is whole; undefined where it went meanwhile. */
async function bytesIfWhole(work: Scrub, digest: Digest): Promise<number | "damaged" | undefined> {
  const [algorithm = "", hex] = digest.split(":");
  const hash = createHash(algorithm);
  const startedAt = tickMs();
  let sizeBytes = 0;
  try {
    for await (const chunk of await work.store.blobs.open(digest)) {
      hash.update(chunk as Buffer);
      sizeBytes += (chunk as Buffer).length;
      const aheadMs = (sizeBytes / work.bytesPerSecond) * 1000 - (tickMs() - startedAt);
      if (aheadMs > 5) await sleep(aheadMs, work.signal);
      work.signal.throwIfAborted();
    }
  } catch (error) {
    if (work.signal.aborted) throw error;
    if (error instanceof Failure && error.code === "not_found") return undefined;
    work.log.error({ digest, reason: messageOf(error) }, "a blob cannot be read");
    return "damaged";
  }
  return hash.digest("hex") === hex ? sizeBytes : "damaged";
}

async function findMissing(work: Scrub, part: string, present: ReadonlySet<Digest>): Promise<void> {
  const { store, report } = work;
  const from = part.replace("/", ":");
  const linked = await listLinkedDigests(store.db, { from, to: `${from}g` });
  for (const digest of linked.keys()) {
    if (present.has(digest) || (await store.blobs.stat(digest)) !== undefined) continue;
    // It may have been collected since the list was made.
    if ((await listLinkingRepositories(store.db, digest)).length === 0) continue;
    work.log.error({ digest }, "a blob that repositories name is missing");
    note(report.missing, digest);
    await repairOrRelease(work, digest, "its file was missing");
  }
}

async function repairOrRelease(work: Scrub, digest: Digest, reason: string): Promise<void> {
  const { store, report } = work;
  const repositories = await listLinkingRepositories(store.db, digest);
  if (await fetchFromPeer(work, digest, repositories)) {
    note(report.repaired, digest);
    return;
  }
  note(report.lost, digest);
  for (const repository of repositories)
    await store.transaction(
      async (db) => await trashLinks(db, { repository, digests: [digest], origin: "quarantined", reason }),
    );
}

async function fetchFromPeer(
  { store, remote, signal, log }: Scrub,
  digest: Digest,
  repositories: readonly string[],
): Promise<boolean> {
  if (remote === undefined) return false;
  for (const repository of repositories) {
    try {
      if ((await downloadBlob(remote, { repository, digest, blobs: store.blobs, signal })) !== undefined) return true;
    } catch (error) {
      if (signal.aborted) throw error;
      log.warn({ digest, repository, reason: messageOf(error) }, "the peer did not give a damaged blob back");
    }
  }
  return false;
}

/** Puts back into repositories what an earlier scrub took out, where the bytes are back or the peer has them. */
async function restoreQuarantined(work: Scrub): Promise<void> {
  const { store, report } = work;
  const lost = await listQuarantined(store.db, quarantinedCount);
  for (const [digest, links] of Map.groupBy(lost, (link) => link.digest)) {
    work.signal.throwIfAborted();
    const repositories = links.map(({ repository }) => repository);
    await store.blobs.holding([digest], async () => {
      const isThere =
        (await store.blobs.stat(digest)) !== undefined || (await fetchFromPeer(work, digest, repositories));
      if (!isThere) return;
      for (const repository of repositories)
        await store.transaction(
          async (db) => await restoreLinks(db, { repository, digests: [digest], origins: ["quarantined"] }),
        );
      note(report.repaired, digest);
    });
  }
}

function note(list: Digest[], digest: Digest): void {
  if (list.length < listedCount) list.push(digest);
}

async function finish({ store, id, report }: Scrub, actor: string): Promise<void> {
  await store.transaction(async (db) => {
    await save(db, { id, report }, { phase: "done", cursor: "" });
    await endCollectionRun(db, id, "succeeded");
    const { checkedBlobs, checkedBytes, damaged, missing, repaired, lost } = report;
    const some = (list: readonly Digest[]): readonly Digest[] => list.slice(0, 50);
    await addAuditEvent(db, {
      actor,
      action: "scrub.ran",
      subject: id,
      details: {
        checkedBlobs,
        checkedBytes,
        damaged: some(damaged),
        missing: some(missing),
        repaired: some(repaired),
        lost: some(lost),
      },
    });
  });
}
