import { nowMs } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { Queue } from "../../jobs/jobs.ts";
import { type Digest } from "../../model/digest.ts";
import { listMarks, type Mark } from "../../store/collection-records.ts";
import {
  type CollectionRunRecord,
  lastCollectionSuccess,
  listCollectionRuns,
} from "../../store/collection-run-records.ts";
import {
  listTrashedLinks,
  listTrashedManifests,
  restoreLinks,
  restoreUnit,
  sizeOfTrash,
  type TrashedBlob,
  type TrashedManifest,
} from "../../store/collection-trash-records.ts";
import { addAuditEvent } from "../../store/event-records.ts";
import { type Store } from "../../store/store.ts";
import { collect } from "./collect.ts";
import { explainDigest, type Explanation } from "./explain.ts";
import { scrub, type ScrubRequest } from "./scrub.ts";
import { type CollectionRequest, type CollectionSettings } from "./settings.ts";
import { type HeldBlobs } from "./sweep-blobs.ts";

/** Garbage collection and scrubbing of a data folder. */
export interface Collection {
  /** Queues a collection and returns the job's id; its output is a `CollectionReport`. One at a time. */
  start(request: CollectionRequest): Promise<string>;
  /** Queues a scrub and returns the job's id; its output is a `ScrubReport`. One at a time. */
  startScrub(request: ScrubRequest): Promise<string>;
  /** Collections and scrubs, newest first. */
  runs(): Promise<CollectionRunRecord[]>;
  /** What the last dry run would have taken, until something runs again. */
  plan(): Promise<Mark[]>;
  /** What can come back. */
  trash(): Promise<Trash>;
  /**
   * Takes something out of the trash: a manifest with its unit, its blobs and its tags, or a blob.
   *
   * @throws Failure `not_found`, `usage` where it is in the trash of several repositories and none is named
   */
  restore(wish: RestoreWish): Promise<Restored>;
  /** Why something stays, or that it does not. */
  explain(digest: Digest): Promise<Explanation>;
  /** Seconds since a collection last succeeded; where none did, since one could have. */
  secondsSinceSuccess(): Promise<number>;
}

/** The trash: its newest entries, and how many there are. */
interface Trash {
  readonly manifests: readonly TrashedManifest[];
  readonly blobs: readonly TrashedBlob[];
  readonly manifestCount: number;
  readonly blobCount: number;
}

/** What is to come back. */
interface RestoreWish {
  readonly digest: Digest;
  /** Needed where the trash has it of several. */
  readonly repository?: string | undefined;
  readonly actor: string;
}

/** What came back. */
interface Restored {
  readonly repository: string;
  readonly digests: readonly Digest[];
  readonly tags: readonly string[];
  /** Tags that point elsewhere by now and were let be. */
  readonly takenTags: readonly string[];
}

/** What collection stands on. */
export interface CollectionOptions {
  readonly store: Store;
  readonly queue: Queue;
  readonly log: Log;
  readonly settings: CollectionSettings;
  /** Bytes a second that a scrub reads. */
  readonly scrubBytesPerSecond: number;
  readonly heldBlobs: HeldBlobs;
}

/** What walks over all blobs never runs at the same time as what copies all of them. */
const storageKey = "storage";
/** A collection of a large store takes its time; it is resumed, not ended. */
const deadlineMs = 7 * 24 * 60 * 60_000;
const listedCount = 1000;

/** Opens collection; it runs when it is asked for. */
export function openCollection(options: CollectionOptions): Collection {
  const { store, queue, settings, heldBlobs } = options;
  const { db } = store;
  queue.define("collection", 1, async (job) => await collect({ store, settings, heldBlobs }, job), { deadlineMs });
  const scrubbing = { store, log: options.log, bytesPerSecond: options.scrubBytesPerSecond };
  queue.define("scrub", 1, async (job) => await scrub(scrubbing, job), { deadlineMs });
  return {
    start: async (request) =>
      await queue.enqueue({
        name: "collection",
        input: request,
        concurrencyKey: storageKey,
        dedupeKey: request.dryRun === true ? "collection:dry" : "collection",
      }),
    startScrub: async (request) =>
      await queue.enqueue({ name: "scrub", input: request, concurrencyKey: storageKey, dedupeKey: "scrub" }),
    runs: async () => await listCollectionRuns(db, listedCount),
    plan: async () => await listMarks(db, listedCount),
    async trash() {
      const count = await sizeOfTrash(db);
      return {
        manifests: await listTrashedManifests(db, { limit: listedCount }),
        blobs: await listTrashedLinks(db, { limit: listedCount }),
        manifestCount: count.manifests,
        blobCount: count.blobs,
      };
    },
    restore: async (wish) => await restore(store, wish),
    explain: async (digest) => await explainDigest({ store, settings, heldBlobs, now: nowMs() }, digest),
    secondsSinceSuccess: async () => Math.max(0, (nowMs() - (await lastCollectionSuccess(db, "collect"))) / 1000),
  };
}

async function restore(store: Store, wish: RestoreWish): Promise<Restored> {
  const { digest, actor } = wish;
  return await store.transaction(async (db) => {
    const entries = [
      ...(await listTrashedManifests(db, { digest, limit: listedCount })),
      ...(await listTrashedLinks(db, { digest, limit: listedCount })),
    ].filter((entry) => wish.repository === undefined || entry.repository === wish.repository);
    const repositories = [...new Set(entries.map((entry) => entry.repository))];
    const [repository, other] = repositories;
    if (repository === undefined)
      throw new Failure("not_found", `Cannot restore "${digest}": it is not in the trash`, {
        hint: "`mintmark gc list` shows what is",
      });
    if (other !== undefined)
      throw new Failure(
        "usage",
        `Cannot restore "${digest}": it is in the trash of ${repositories.length} repositories`,
        {
          hint: `Name one of them with --repository, such as ${repository}`,
        },
      );
    const unit = await restoreUnit(db, { repository, digest, actor });
    const links = await restoreLinks(db, { repository, digests: [digest], origins: ["collected", "deleted"] });
    if (unit === undefined && links.length === 0)
      throw new Failure("conflict", `Cannot restore "${digest}": a scrub found its bytes damaged`, {
        hint: "Run `mintmark scrub --from URL` with a registry that has it, or push the image again",
      });
    const restored = unit ?? { digests: links, tags: [], takenTags: [] };
    await addAuditEvent(db, {
      actor,
      action: "image.pushed",
      subject: `${repository}@${digest}`,
      details: { digest, tags: restored.tags.slice(0, 100), restored: restored.digests.slice(0, 100) },
    });
    return { repository, ...restored };
  });
}
