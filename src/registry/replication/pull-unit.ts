import { Failure } from "../../base/errors.ts";
import { mapParallel } from "../../base/pool.ts";
import { type Digest } from "../../model/digest.ts";
import { findBlobLink } from "../../store/blob-link-records.ts";
import { findManifest } from "../../store/manifest-records.ts";
import { findTag } from "../../store/tag-records.ts";
import { downloadBlob } from "../remote/download.ts";
import { type Moved, resumable, type Transfer, transferCount } from "./transfer.ts";
import { type TravellingUnit, type UnitBlob } from "./unit.ts";

/** Where a unit comes to. */
export interface PullWish {
  readonly unit: TravellingUnit;
  /** The tag that it gets here. */
  readonly tag: string;
  /** Whether the tag moves here where it points elsewhere. */
  readonly override: boolean;
  /** Who stands in the history of tags. */
  readonly actor: string;
  /** Looks at what is stored before the tags move; throws where it must not count. */
  readonly check: () => Promise<void>;
}

/**
 * Fetches a unit from a peer: blobs, then manifests in their order, then the tags, the image's own as the last.
 *
 * What is here is not fetched; every byte that comes is hashed.
 *
 * @throws Failure of the peer, of the registry's own rules (immutable tags, quota), and whatever `check` throws
 */
export async function pullUnit(transfer: Transfer, wish: PullWish): Promise<Moved> {
  const { store, registry, local } = transfer;
  const { unit, tag, override, actor } = wish;
  const here = await findTag(store.db, local, tag);
  if (here !== undefined && here !== unit.root && !override)
    return {
      outcome: "skipped",
      note: `"${tag}" points to ${here} here, and the rule moves no tags`,
      sentBytes: 0,
      sentCount: 0,
    };
  const count = { bytes: 0, things: 0 };
  const absent = new Map<Digest, TravellingUnit["manifests"][number]>();
  for (const manifest of unit.manifests)
    if ((await findManifest(store.db, local, manifest.digest)) === undefined) absent.set(manifest.digest, manifest);
  const blobs = new Map<Digest, UnitBlob>(
    [...absent.values()].flatMap((manifest) => manifest.blobs).map((blob) => [blob.digest, blob]),
  );
  await mapParallel([...blobs.values()], transferCount, async (blob) => {
    const isHere = async (): Promise<boolean> => (await findBlobLink(store.db, local, blob.digest)) !== undefined;
    if (!(await transfer.once(`blob ${blob.digest}`, async () => await fetchBlob(transfer, blob), isHere))) return;
    count.bytes += blob.sizeBytes;
    count.things += 1;
  });
  for (const { digest, mediaType, bytes } of absent.values()) {
    await registry.putManifest({ repository: local, reference: digest, mediaType, bytes, actor });
    count.bytes += bytes.length;
    count.things += 1;
  }
  await wish.check();
  const moved = await moveTags(transfer, wish, here);
  return {
    outcome: absent.size + moved.count === 0 ? "unchanged" : "copied",
    note: moved.note,
    sentBytes: count.bytes,
    sentCount: count.things,
  };
}

/**
 * Whether the blob came over the wire. What the store has for another repository is only linked, once the peer has said
 * that it has it too: rules and peers are the administrator's.
 */
async function fetchBlob(transfer: Transfer, { digest, sizeBytes }: UnitBlob): Promise<boolean> {
  const { store, registry, peer, local, remote, throttle, signal } = transfer;
  if ((await findBlobLink(store.db, local, digest)) !== undefined) return false;
  const isHere = (await store.blobs.stat(digest)) !== undefined;
  if (isHere && (await peer.remote.headBlob(remote, digest, signal)) !== undefined) {
    await store.blobs.holding([digest], async () => await registry.linkBlob(local, digest));
    return false;
  }
  return await resumable(transfer, { direction: "pull", digest }, async (upload, remember) => {
    const blob = await downloadBlob(peer.remote, {
      repository: remote,
      digest,
      sizeBytes,
      blobs: store.blobs,
      upload,
      onUpload: remember,
      onBytes: transfer.onBytes,
      throttle,
      signal,
    });
    if (blob === undefined)
      throw new Failure("not_found", `Cannot fetch the image whole: "${peer.name}" lacks ${digest} in "${remote}"`);
    await store.blobs.holding([digest], async () => await registry.linkBlob(local, digest));
    return true;
  });
}

async function moveTags(
  { store, registry, local }: Transfer,
  { unit, tag, override, actor }: PullWish,
  rootHere: Digest | undefined,
): Promise<{ readonly count: number; readonly note: string | undefined }> {
  let count = 0;
  const kept: string[] = [];
  const move = async (manifest: TravellingUnit["manifests"][number], name: string): Promise<void> => {
    const { mediaType, bytes } = manifest;
    await registry.putManifest({ repository: local, reference: name, mediaType, bytes, actor });
    count += 1;
  };
  for (const manifest of unit.manifests) {
    if (manifest.tag === undefined) continue;
    const here = await findTag(store.db, local, manifest.tag);
    if (here === manifest.digest) continue;
    if (here !== undefined && !override) kept.push(manifest.tag);
    else await move(manifest, manifest.tag);
  }
  if (rootHere !== unit.root)
    await move(
      unit.manifests.find(({ digest }) => digest === unit.root)!,
      tag,
    );
  return { count, note: kept.length === 0 ? undefined : `left as they were here: ${kept.join(", ")}` };
}
