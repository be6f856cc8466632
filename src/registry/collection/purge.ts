import { type Digest } from "../../model/digest.ts";
import { addMarks, type Mark, markedAmong, type Place } from "../../store/collection-records.ts";
import {
  listDueLinks,
  listDueManifests,
  purgeLinks,
  purgeManifests,
  type TrashedLink,
  withoutNeededLinks,
} from "../../store/collection-purge-records.ts";
import { type Store } from "../../store/store.ts";
import { paced, purgeUntil, type Run, save } from "./run.ts";

/** Rows of one transaction. */
const pageCount = 200;
const phase = "trash";

/** Empties the trash of what has been in it for long enough: manifests first, then the blobs that only they needed. */
export async function purgeTrash(run: Run, tell: (done: number) => void): Promise<void> {
  const until = purgeUntil(run.settings);
  if (run.settings.dryRun) await countDueManifests(run, until);
  else await purgeDueManifests(run, until);
  tell(run.report.purgedManifests);
  await purgeDueLinks(run, until);
  tell(run.report.purgedManifests + run.report.purgedBlobs);
}

async function purgeDueManifests(run: Run, until: number): Promise<void> {
  const { store, report } = run;
  for (let count = pageCount; count === pageCount;)
    count = await paced(
      run.signal,
      async () =>
        await store.transaction(async (db) => {
          const purged = await purgeManifests(db, { until, limit: pageCount });
          report.purgedManifests += purged;
          await save(db, run, { phase, cursor: "" });
          return purged;
        }),
    );
}

async function countDueManifests({ store, report, settings, signal }: Run, until: number): Promise<void> {
  let after: Place | undefined = ["", ""];
  while (after !== undefined) {
    const from: Place = after;
    const page: { readonly repository: string; readonly digest: Digest }[] = await paced(
      signal,
      async () => await listDueManifests(store.db, { after: from, until, limit: pageCount }),
    );
    report.purgedManifests += (await withoutMarked(store.db, "manifest", page)).length;
    const last = page.at(-1);
    after = last === undefined ? undefined : [last.repository, last.digest];
  }
  // Without a trash what goes into it is gone at once.
  if (settings.trashMs === 0) report.purgedManifests += report.trashedManifests;
}

async function purgeDueLinks(run: Run, until: number): Promise<void> {
  const { store, report, settings } = run;
  let after: Place | undefined = ["", ""];
  while (after !== undefined) {
    const from: Place = after;
    after = await paced(
      run.signal,
      async () =>
        await store.transaction(async (db) => {
          const page = await listDueLinks(db, { after: from, until, limit: pageCount });
          const due = settings.dryRun ? await withoutMarked(db, "link", page) : page;
          const free = await withoutNeededLinks(db, due, until);
          if (settings.dryRun) await addMarks(db, free.map(purgeMark));
          else await purgeLinks(db, free);
          report.purgedBlobs += free.length;
          if (!settings.dryRun) await save(db, run, { phase, cursor: "" });
          const last = page.at(-1);
          return last === undefined ? undefined : ([last.repository, last.digest] as const);
        }),
    );
  }
  if (settings.dryRun && settings.trashMs === 0) report.purgedBlobs += report.trashedBlobs;
}

/** What was pushed again since it came into the trash, and is to go there anew, begins its time there anew. */
async function withoutMarked<Row extends { readonly repository: string; readonly digest: Digest }>(
  db: Store["db"],
  ...[kind, rows]: [kind: "manifest" | "link", rows: readonly Row[]]
): Promise<Row[]> {
  const free: Row[] = [];
  for (const [repository, group] of Map.groupBy(rows, (row) => row.repository)) {
    const marked = await markedAmong(db, { kind, repository, digests: group.map(({ digest }) => digest) });
    free.push(...group.filter(({ digest }) => !marked.has(digest)));
  }
  return free;
}

function purgeMark({ repository, digest, sizeBytes }: TrashedLink): Mark {
  return { kind: "purge", repository, digest, sizeBytes, reason: "its time in the trash is over" };
}
