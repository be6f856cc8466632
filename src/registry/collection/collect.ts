import { nowMs } from "../../base/clock.ts";
import { toFailure } from "../../base/errors.ts";
import type { RunContext } from "../../jobs/jobs.ts";
import { countCandidates, dropMarks } from "../../store/collection-records.ts";
import { beginCollectionRun, endCollectionRun } from "../../store/collection-run-records.ts";
import { addAuditEvent } from "../../store/event-records.ts";
import { type Store } from "../../store/store.ts";
import { dropAbandonedUploads, findAbandonedUploads } from "./abandoned-uploads.ts";
import { purgeTrash } from "./purge.ts";
import { openProgress, paced, type Run, save } from "./run.ts";
import {
  type CollectionReport,
  type CollectionRequest,
  type CollectionSettings,
  emptyReport,
  type RunSettings,
} from "./settings.ts";
import { type HeldBlobs, sweepBlobs } from "./sweep-blobs.ts";
import { sweepLinks } from "./sweep-links.ts";
import { sweepContents, sweepManifests } from "./sweep-manifests.ts";

/** What a collection works with. */
export interface CollectorGround {
  readonly store: Store;
  readonly settings: CollectionSettings;
  readonly heldBlobs: HeldBlobs;
}

/**
 * Collects garbage while everybody goes on pushing, and cannot lose what anybody was promised.
 *
 * Three states lead from here to gone, and each step looks again in the very transaction that takes it:
 *
 *   named ──(nothing reaches it, nobody touched it for the grace)──▶ in the trash ──(its time there is over)──▶ unnamed
 *     ▲                                                                  │                                        │
 *     └──────── HEAD, mount, push, restore: a row moves back ◀───────────┘              (nobody holds it) ──▶ file removed
 *
 * Why this is safe:
 * - A row is only moved in a transaction that finds again that nothing reaches it. A push is a transaction too, so it
 *   comes either before, and the row stays, or after, and finds the row in the trash, takes it back, or is refused
 *   and sends the bytes again.
 * - A file is removed only after the row that named it is gone for good, while the blob store makes everybody wait who
 *   wants to hold or store that very blob, and after the database was asked once more. Whoever stores a blob holds it
 *   until its row is written.
 * - Rows go before files. A kill in between leaves a file without a row, and the walk over the disk finds it next time;
 *   a row without a file cannot come about. Therefore no list of files to delete has to be kept.
 * - Phase and place are saved with what they did, so a run that was killed goes on where it was.
 *
 * The dry run asks the same questions of the same code: what a run would move it marks in a table, and each question
 * leaves out what is marked as it would leave out what is gone.
 */
export async function collect(ground: CollectorGround, job: RunContext): Promise<CollectionReport> {
  const { store } = ground;
  const request = job.input as CollectionRequest;
  const record = await store.transaction(
    async (db) =>
      await beginCollectionRun(db, {
        id: job.runId,
        kind: "collect",
        actor: request.actor,
        settings: settingsOf(ground.settings, request),
        phase: phases[0]!.name,
        report: emptyReport(request.dryRun === true),
        startedAt: nowMs(),
      }),
  );
  if (record.outcome === "succeeded") return record.report as CollectionReport;
  const shared = {
    id: job.runId,
    store,
    settings: record.settings as RunSettings,
    report: record.report as CollectionReport,
    signal: job.signal,
    emit: job.emit,
  };
  const tell = openProgress(job.emit);
  try {
    const first = phases.findIndex(({ name }) => name === record.phase);
    for (const [at, phase] of phases.entries()) {
      if (at < first) continue;
      const cursor = at === first ? record.cursor : "";
      if (cursor === "") await store.transaction(async (db) => await save(db, shared, { phase: phase.name, cursor }));
      await phase.work({ ...shared, cursor }, { heldBlobs: ground.heldBlobs, tell });
    }
    await finish(store, { id: job.runId, actor: request.actor, report: shared.report });
    return shared.report;
  } catch (error) {
    if (!job.signal.aborted) await endCollectionRun(store.db, job.runId, "failed");
    throw toFailure(error);
  }
}

function settingsOf(defaults: CollectionSettings, request: CollectionRequest): RunSettings {
  return {
    graceMs: request.graceMs ?? defaults.graceMs,
    deleteUntagged: request.deleteUntagged ?? defaults.deleteUntagged,
    untaggedMs: request.untaggedMs ?? defaults.untaggedMs,
    trashMs: request.trashMs ?? defaults.trashMs,
    uploadMs: request.uploadMs ?? defaults.uploadMs,
    dryRun: request.dryRun === true,
    startedAt: nowMs(),
  };
}

interface PhaseTools {
  readonly heldBlobs: HeldBlobs;
  readonly tell: ReturnType<typeof openProgress>;
}

interface Phase {
  readonly name: string;
  readonly work: (run: Run, tools: PhaseTools) => Promise<void>;
}

const phases: readonly Phase[] = [
  {
    name: "uploads",
    async work(run, { tell }) {
      await forgetMarks(run);
      tell({ kind: "progress", phase: "uploads", done: 0, total: 0, unit: "uploads" });
      await sweepUploads(run);
    },
  },
  {
    name: "manifests",
    async work(run, { tell }) {
      const total = await countCandidates(run.store.db, "manifests");
      await sweepManifests(run, (done) =>
        tell({ kind: "progress", phase: "manifests", done: Math.min(done, total), total, unit: "manifests" }),
      );
      await sweepContents(run);
    },
  },
  {
    name: "links",
    async work(run, { tell }) {
      const total = await countCandidates(run.store.db, "blob_links");
      await sweepLinks(run, (done) =>
        tell({ kind: "progress", phase: "blobs of repositories", done: Math.min(done, total), total, unit: "blobs" }),
      );
    },
  },
  {
    name: "trash",
    async work(run, { tell }) {
      await purgeTrash(run, (done) => tell({ kind: "progress", phase: "trash", done, total: 0, unit: "items" }));
    },
  },
  {
    name: "blobs",
    async work(run, { tell, heldBlobs }) {
      await sweepBlobs(run, heldBlobs, (fraction) => {
        const note = `${run.report.removedBlobs} removed, ${Math.round(run.report.freedBytes / 1e6)} MB freed`;
        const done = Math.round(fraction * 100);
        tell({ kind: "progress", phase: "files", done, total: 100, unit: "%", note });
      });
    },
  },
];

/** What the last dry run marked must not hide anything from this one. */
async function forgetMarks({ store, signal }: Run): Promise<void> {
  while ((await paced(signal, async () => await dropMarks(store.db, 5000))) > 0);
}

/** What is being written and has not grown for an hour has nobody who writes it. */
const temporaryMsMin = 60 * 60_000;

async function sweepUploads({ store, settings, report }: Run): Promise<void> {
  const untouchedSince = settings.startedAt - settings.uploadMs;
  if (settings.dryRun) {
    const found = await findAbandonedUploads(store, untouchedSince);
    report.uploads += found.size;
    for (const sizeBytes of found.values()) report.freedBytes += sizeBytes;
    return;
  }
  const uploads = await dropAbandonedUploads(store, untouchedSince);
  const temporary = await store.blobs.sweepTemporary(settings.startedAt - Math.max(settings.uploadMs, temporaryMsMin));
  report.uploads += uploads.count + temporary.count;
  report.freedBytes += uploads.sizeBytes + temporary.sizeBytes;
}

async function finish(
  store: Store,
  { id, actor, report }: { readonly id: string; readonly actor: string; readonly report: CollectionReport },
): Promise<void> {
  await store.transaction(async (db) => {
    await save(db, { id, report }, { phase: "done", cursor: "" });
    await endCollectionRun(db, id, "succeeded");
    if (report.dryRun) return;
    await addAuditEvent(db, { actor, action: "collection.ran", subject: id, details: { ...report } });
  });
}
