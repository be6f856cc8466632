import { mediaTypes } from "../../model/oci.ts";
import { type Digest } from "../../model/digest.ts";
import { listHoldsNow, listTaggedEver } from "../../store/hold-records.ts";
import { type LifetimeRecord } from "../../store/lifetime-records.ts";
import { listEdges, listManifestFacts, listTagPushes } from "../../store/retention-fact-records.ts";
import { type Store } from "../../store/store.ts";
import { paced } from "../collection/run.ts";
import { heldByRules, type Hold, openHoldRules } from "./holds.ts";
import { type PlannedManifest, type PlannedTag, type RepositoryFacts } from "./retention-plan.ts";

/** Rows of one look: other requests get their turn in between. */
const pageCount = 2000;

/**
 * Reads all that a plan needs of a repository, in pages: it is no snapshot, which is why a unit is looked at again
 * before it goes. Tags are read first, so that what they point to is known or gone.
 */
export async function readRepositoryFacts(
  db: Store["db"],
  { repository, holdRules, signal }: FactsWish,
): Promise<RepositoryFacts> {
  const tags: PlannedTag[] = [];
  for (;;) {
    const place = { after: tags.at(-1)?.name ?? "", limit: pageCount };
    const page = await paced(signal, async () => await listTagPushes(db, repository, place));
    tags.push(...page);
    if (page.length < pageCount) break;
  }
  const manifests = await readManifests(db, repository, signal);
  const holds = new Map<Digest, Hold>(await listHoldsNow(db, repository));
  const rules = openHoldRules(holdRules, repository);
  if (rules !== undefined) {
    const digests = [...manifests.keys()];
    for (let start = 0; start < digests.length; start += pageCount) {
      const part = digests.slice(start, start + pageCount);
      const tagged = await paced(signal, async () => await listTaggedEver(db, repository, part));
      for (const [digest, hold] of heldByRules(rules, tagged))
        if (hold.untilAt > (holds.get(digest)?.untilAt ?? 0)) holds.set(digest, hold);
    }
  }
  return { repository, tags: tags.filter(({ digest }) => manifests.has(digest)), manifests, holds };
}

/** Which repository is read, and with which hold rules of its project. */
interface FactsWish {
  readonly repository: string;
  readonly holdRules: LifetimeRecord["holdRules"];
  readonly signal: AbortSignal;
}

const indexTypes: readonly string[] = [mediaTypes.index, mediaTypes.dockerIndex];

async function readManifests(
  db: Store["db"],
  repository: string,
  signal: AbortSignal,
): Promise<Map<Digest, PlannedManifest>> {
  const manifests = new Map<Digest, PlannedManifest>();
  for (let after = ""; ;) {
    const place = { after, limit: pageCount };
    const page = await paced(signal, async () => await listManifestFacts(db, repository, place));
    const indexes = page.filter(({ mediaType }) => indexTypes.includes(mediaType)).map(({ digest }) => digest);
    const children = Map.groupBy(await listEdges(db, indexes, ["child"]), ({ parent }) => parent);
    for (const { digest, pushedAt, pulledAt, subject } of page) {
      const own = children.get(digest)?.map(({ child }) => child) ?? [];
      manifests.set(digest, { pushedAt, pulledAt, subject, children: own });
    }
    if (page.length < pageCount) return manifests;
    after = page.at(-1)!.digest;
  }
}
