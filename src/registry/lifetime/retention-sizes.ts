import { type Digest } from "../../model/digest.ts";
import { listEdges, sizesOfOwnBlobs, sizesOfOwnManifests } from "../../store/retention-fact-records.ts";
import { type Store } from "../../store/store.ts";
import { paced } from "../collection/run.ts";
import { type DroppedUnit } from "./retention-plan.ts";

/** Digests of one look: other requests get their turn in between. */
const digestsPerLook = 300;

/**
 * The bytes that go with each of a repository's dropped units, in their order: manifests and blobs that neither
 * another repository nor anything that stays has. What several units share is counted at the first of them.
 *
 * The bytes are free once the collection after has emptied its trash.
 */
export async function measureUnits(db: Store["db"], { repository, units, signal }: SizesWish): Promise<number[]> {
  const bytes = units.map(() => 0);
  const unitOf = new Map(units.flatMap(({ members }, index) => members.map((member) => [member, index])));
  const uses = new Map<Digest, { readonly unit: number; count: number }>();
  for (const members of parts([...unitOf.keys()])) {
    const sizes = await paced(signal, async () => await sizesOfOwnManifests(db, repository, members));
    for (const [digest, size] of sizes) bytes[unitOf.get(digest)!]! += size;
    for (const { parent, child } of await listEdges(db, members, ["config", "layer"])) {
      const use = uses.get(child);
      const unit = unitOf.get(parent)!;
      uses.set(child, { unit: Math.min(unit, use?.unit ?? unit), count: (use?.count ?? 0) + 1 });
    }
  }
  for (const blobs of parts([...uses.keys()]))
    for (const size of await paced(signal, async () => await sizesOfOwnBlobs(db, repository, blobs))) {
      const use = uses.get(size.digest)!;
      if (use.count === size.namedCount) bytes[use.unit]! += size.sizeBytes;
    }
  return bytes;
}

interface SizesWish {
  readonly repository: string;
  readonly units: readonly DroppedUnit[];
  readonly signal: AbortSignal;
}

function parts(digests: readonly Digest[]): Digest[][] {
  return Array.from({ length: Math.ceil(digests.length / digestsPerLook) }, (_, index) =>
    digests.slice(index * digestsPerLook, (index + 1) * digestsPerLook),
  );
}
