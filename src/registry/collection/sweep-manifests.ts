import { type Digest } from "../../model/digest.ts";
import { addMarks, listUntaggedManifests, listUnheldContents } from "../../store/collection-records.ts";
import { childrenOf } from "../../store/collection-reach-records.ts";
import { dropUnheldContents } from "../../store/collection-purge-records.ts";
import { trashManifests } from "../../store/collection-trash-records.ts";
import { type Store } from "../../store/store.ts";
import { moveTag } from "../../store/tag-records.ts";
import { explore, type ReachNode, unitOf, unreached } from "./reach.ts";
import { paced, type Run, save } from "./run.ts";
import { type Group, sweepGroups } from "./sweep-groups.ts";

/** Manifests that are looked at in one go. */
const pageCount = 400;
/** Units that are moved in one transaction. */
const unitsPerTransaction = 40;
const phase = "manifests";

/** Moves the manifests that nothing reaches into the trash, each together with what belongs to it. */
export async function sweepManifests(run: Run, tell: (done: number) => void): Promise<void> {
  const { store, settings } = run;
  if (!settings.deleteUntagged) return;
  const untouchedSince = settings.startedAt - settings.untaggedMs;
  await sweepGroups(run, {
    phase,
    pageCount,
    tell,
    list: async (after) => await listUntaggedManifests(store.db, { after, untouchedSince, limit: pageCount }),
    sweep: async (group) => await sweepRepository(run, group, untouchedSince),
  });
}

/** What a manifest that goes leaves behind is looked at next: the children of an index have lost what kept them. */
async function sweepRepository(run: Run, { repository, group, cursor }: Group, untouchedSince: number): Promise<void> {
  const { store, settings } = run;
  let digests = group.map(({ digest }) => digest);
  while (digests.length > 0) {
    const asked = { repository, digests, untouchedSince, withoutMarked: settings.dryRun };
    const nodes = await paced(run.signal, async () => await explore(store.db, asked));
    const garbage = unreached(nodes);
    const units: Digest[][] = [];
    const taken = new Set<Digest>();
    for (const digest of digests) {
      if (!garbage.has(digest) || taken.has(digest)) continue;
      const unit = unitOf(nodes, digest).filter((member) => !taken.has(member));
      for (const member of unit) taken.add(member);
      units.push(unit);
    }
    // Asked before they go, since their edges may go with them.
    const children = taken.size === 0 ? [] : await childrenOf(store.db, { repository, digests: [...taken] });
    for (let start = 0; start < units.length; start += unitsPerTransaction) {
      const some = units.slice(start, start + unitsPerTransaction);
      await paced(run.signal, async () =>
        settings.dryRun
          ? await markUnits(run, { repository, nodes, units: some, cursor })
          : await trashUnits(run, { repository, units: some, untouchedSince, cursor }),
      );
    }
    digests = children.filter((digest) => !taken.has(digest));
    if (taken.size === 0) break;
  }
}

interface MarkedUnits {
  readonly repository: string;
  readonly nodes: ReadonlyMap<Digest, ReachNode>;
  readonly units: readonly Digest[][];
  readonly cursor: string;
}

async function markUnits(run: Run, { repository, nodes, units, cursor }: MarkedUnits): Promise<void> {
  const marks = units.flatMap((unit) =>
    unit.map((digest) => ({
      kind: "manifest" as const,
      repository,
      digest,
      sizeBytes: nodes.get(digest)!.manifest.sizeBytes,
      reason: reasonOf(digest, unit[0]!),
    })),
  );
  await run.store.transaction(async (db) => {
    run.report.trashedManifests += await addMarks(db, marks);
    await save(db, run, { phase, cursor });
  });
}

interface Units {
  readonly repository: string;
  readonly units: readonly Digest[][];
  readonly untouchedSince: number;
  readonly cursor: string;
}

/** Looks once more in the transaction in which they go: what somebody came back to meanwhile stays. */
async function trashUnits(run: Run, { repository, units, untouchedSince, cursor }: Units): Promise<void> {
  const { store, report } = run;
  await store.transaction(async (db) => {
    const digests = units.map((unit) => unit[0]!);
    const nodes = await explore(db, { repository, digests, untouchedSince, withoutMarked: false });
    const garbage = unreached(nodes);
    const taken = new Set<Digest>();
    for (const unit of units) {
      const head = unit[0]!;
      if (!garbage.has(head)) {
        report.spared += unit.length;
        continue;
      }
      const members = unitOf(nodes, head).filter((member) => !taken.has(member));
      for (const member of members) taken.add(member);
      await trashUnit(db, { repository, head, members, nodes });
    }
    report.trashedManifests += taken.size;
    await save(db, run, { phase, cursor });
  });
}

interface Going {
  readonly repository: string;
  readonly head: Digest;
  readonly members: readonly Digest[];
  readonly nodes: ReadonlyMap<Digest, ReachNode>;
}

async function trashUnit(db: Store["db"], { repository, head, members, nodes }: Going): Promise<void> {
  if (members.length === 0) return;
  const tags = new Map(members.map((member) => [member, nodes.get(member)!.tags]));
  const reason = reasonOf(head, head);
  for (const names of tags.values())
    for (const tag of names) await moveTag(db, { repository, tag, to: undefined, actor: "collection", reason });
  await trashManifests(db, { repository, unit: head, members: tags, origin: "collected", reason });
}

function reasonOf(digest: Digest, head: Digest): string {
  return digest === head
    ? "no tag, index, subject, hold or record keeps it"
    : `it belongs to ${head}, which nothing keeps`;
}

/** Drops manifest bytes that no repository has: there are none, unless something was lost between two rows. */
export async function sweepContents(run: Run): Promise<void> {
  const { store, settings } = run;
  let after: Digest | undefined | "" = "";
  while (after !== undefined) {
    const from: string = after;
    after = await paced(run.signal, async () => {
      const page = await listUnheldContents(store.db, { after: from, limit: 1000 });
      if (page.unheld.length > 0 && !settings.dryRun)
        await store.transaction(async (db) => await dropUnheldContents(db, page.unheld));
      return page.last;
    });
  }
}
