import { type Digest } from "../../model/digest.ts";
import {
  addMarks,
  type Candidate,
  digestsNamedIn,
  listUntouchedLinks,
  stillUntouchedLinks,
} from "../../store/collection-records.ts";
import { trashLinks } from "../../store/collection-trash-records.ts";
import { paced, type Run, save } from "./run.ts";
import { type Group, sweepGroups } from "./sweep-groups.ts";

/** Links that are looked at in one go. */
const pageCount = 1000;
/** Links that are moved in one transaction. */
const linksPerTransaction = 500;
const phase = "links";
const reason = "no manifest of the repository names it, and nobody asked for it";

/** Takes blobs out of the repositories whose manifests do not name them, into the trash. */
export async function sweepLinks(run: Run, tell: (done: number) => void): Promise<void> {
  const { store, settings } = run;
  const untouchedSince = settings.startedAt - settings.graceMs;
  await sweepGroups(run, {
    phase,
    pageCount,
    tell,
    list: async (after) => await listUntouchedLinks(store.db, { after, untouchedSince, limit: pageCount }),
    sweep: async (group) => await sweepRepository(run, group, untouchedSince),
  });
}

async function sweepRepository(run: Run, { repository, group, cursor }: Group, untouchedSince: number): Promise<void> {
  const { store, settings } = run;
  const digests = group.map(({ digest }) => digest);
  const named = await paced(
    run.signal,
    async () => await digestsNamedIn(store.db, { table: "manifests", repository, digests }),
  );
  const garbage = group.filter(({ digest }) => !named.has(digest));
  for (let start = 0; start < garbage.length; start += linksPerTransaction) {
    const some = garbage.slice(start, start + linksPerTransaction);
    await paced(run.signal, async () =>
      settings.dryRun
        ? await markLinks(run, some, cursor)
        : await trashUnnamed(run, { repository, digests: some.map(({ digest }) => digest), untouchedSince, cursor }),
    );
  }
}

async function markLinks(run: Run, links: readonly Candidate[], cursor: string): Promise<void> {
  const marks = links.map((link) => ({ ...link, kind: "link" as const, reason }));
  await run.store.transaction(async (db) => {
    run.report.trashedBlobs += await addMarks(db, marks);
    await save(db, run, { phase, cursor });
  });
}

interface Unnamed {
  readonly repository: string;
  readonly digests: readonly Digest[];
  readonly untouchedSince: number;
  readonly cursor: string;
}

/** Looks once more in the transaction in which they go: a push that meanwhile named or asked for one keeps it. */
async function trashUnnamed(run: Run, { repository, digests, untouchedSince, cursor }: Unnamed): Promise<void> {
  const { store, report } = run;
  await store.transaction(async (db) => {
    const still = await stillUntouchedLinks(db, { repository, digests, untouchedSince });
    const named = await digestsNamedIn(db, { table: "manifests", repository, digests: still });
    const going = still.filter((digest) => !named.has(digest));
    await trashLinks(db, { repository, digests: going, origin: "collected", reason });
    report.trashedBlobs += going.length;
    report.spared += digests.length - going.length;
    await save(db, run, { phase, cursor });
  });
}
