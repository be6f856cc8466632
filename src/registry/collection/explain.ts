import { isoSeconds } from "../../base/clock.ts";
import { type Digest } from "../../model/digest.ts";
import { findBlobLink } from "../../store/blob-link-records.ts";
import { listLinkingRepositories } from "../../store/collection-records.ts";
import { listRepositoriesOfManifest, manifestsNaming } from "../../store/collection-reach-records.ts";
import { listTrashedLinks, listTrashedManifests } from "../../store/collection-trash-records.ts";
import { listMirroring } from "../../store/mirror-blob-records.ts";
import { type Store } from "../../store/store.ts";
import { explore, type ReachNode } from "./reach.ts";
import { type CollectionSettings } from "./settings.ts";
import { type HeldBlobs } from "./sweep-blobs.ts";

/** Why something stays in a repository, or that it does not. */
interface PlaceExplained {
  readonly repository: string;
  readonly kind: "manifest" | "blob" | "held";
  readonly stays: boolean;
  /** From what keeps it to the digest itself, a line each. */
  readonly path: readonly string[];
}

/** All that keeps a digest. */
export interface Explanation {
  readonly digest: Digest;
  /** Bytes of its file; undefined for manifests and for what is not there. */
  readonly sizeBytes: number | undefined;
  readonly places: readonly PlaceExplained[];
  /** Where it is in the trash, and why. */
  readonly trash: readonly { readonly repository: string; readonly reason: string; readonly trashedAt: string }[];
}

/** Places that are told; a blob may be in thousands. */
const placeCount = 50;
/** Manifests of a repository that are asked whether they keep a blob. */
const namingCount = 50;

interface Ground {
  readonly store: Store;
  readonly settings: CollectionSettings;
  readonly heldBlobs: HeldBlobs;
  readonly now: number;
}

/** Finds what keeps a digest: for each repository the way from a tag to it, or what it lacks. */
export async function explainDigest(ground: Ground, digest: Digest): Promise<Explanation> {
  const { store } = ground;
  const { db } = store;
  const places: PlaceExplained[] = [];
  for (const repository of (await listRepositoriesOfManifest(db, digest)).slice(0, placeCount))
    places.push(await explainManifest(ground, repository, digest));
  for (const repository of (await listLinkingRepositories(db, digest)).slice(0, placeCount))
    places.push(await explainLink(ground, repository, digest));
  for (const repository of await listMirroring(db, digest, placeCount))
    places.push({
      repository,
      kind: "held",
      stays: true,
      path: [`the mirror's repository "${repository}" has it`, digest],
    });
  const held = (await ground.heldBlobs()).get(digest);
  if (held !== undefined) places.push({ repository: "", kind: "held", stays: true, path: [held, digest] });
  const trashed = [
    ...(await listTrashedManifests(db, { digest, limit: placeCount })),
    ...(await listTrashedLinks(db, { digest, limit: placeCount })),
  ];
  return {
    digest,
    sizeBytes: (await store.blobs.stat(digest))?.sizeBytes,
    places,
    trash: trashed.map(({ repository, reason, trashedAt }) => ({
      repository,
      reason,
      trashedAt: isoSeconds(trashedAt),
    })),
  };
}

async function explainManifest(ground: Ground, repository: string, digest: Digest): Promise<PlaceExplained> {
  const nodes = await reached(ground, repository, [digest]);
  const path = pathTo(nodes, [digest]);
  if (path !== undefined) return { repository, kind: "manifest", stays: true, path };
  const isKept = !ground.settings.deleteUntagged;
  const line = isKept
    ? "nothing reaches it, but the configuration keeps such manifests"
    : "nothing reaches it: the next collection moves it into the trash";
  return { repository, kind: "manifest", stays: isKept, path: [line, digest] };
}

async function explainLink(ground: Ground, repository: string, digest: Digest): Promise<PlaceExplained> {
  const { db } = ground.store;
  const naming = await manifestsNaming(db, { repository, digests: [digest] }, namingCount);
  if (naming.length > 0) {
    const parents = naming.map(({ from }) => from);
    const path = pathTo(await reached(ground, repository, parents), parents) ?? [
      "nothing reaches the manifests that name it: they go into the trash first",
      parents[0]!,
    ];
    return { repository, kind: "blob", stays: true, path: [...path, digest] };
  }
  const touchedAt = (await findBlobLink(db, repository, digest))?.touchedAt ?? 0;
  const isFresh = touchedAt >= ground.now - ground.settings.graceMs;
  const until = isoSeconds(touchedAt + ground.settings.graceMs);
  const line = isFresh
    ? `no manifest names it, but somebody pushed or asked for it lately: it stays until ${until}`
    : "no manifest names it: the next collection moves it into the trash";
  return { repository, kind: "blob", stays: isFresh, path: [line, digest] };
}

async function reached(
  { store, settings, now }: Ground,
  repository: string,
  digests: readonly Digest[],
): Promise<Map<Digest, ReachNode>> {
  const untouchedSince = now - settings.untaggedMs;
  return await explore(store.db, { repository, digests, untouchedSince, withoutMarked: false });
}

/** The shortest way from something that stays by itself to any of some manifests, as lines; undefined without one. */
function pathTo(nodes: ReadonlyMap<Digest, ReachNode>, digests: readonly Digest[]): string[] | undefined {
  const ways = digests.filter((digest) => nodes.has(digest)).map((digest) => ({ digest, after: new Array<string>() }));
  const seen = new Set(ways.map(({ digest }) => digest));
  for (const { digest, after } of ways) {
    const { root, keepers } = nodes.get(digest)!;
    if (root !== undefined) return [root, digest, ...after];
    for (const [keeper, why] of keepers) {
      if (seen.has(keeper) || !nodes.has(keeper)) continue;
      seen.add(keeper);
      ways.push({ digest: keeper, after: [`which stays for the next: ${why} it`, digest, ...after] });
    }
  }
  return undefined;
}
