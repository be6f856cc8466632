import { Failure } from "../../base/errors.ts";
import { sha256Hex } from "../../base/hash.ts";
import { mapParallel } from "../../base/pool.ts";
import { type Digest } from "../../model/digest.ts";
import { type Descriptor, mediaTypes } from "../../model/oci.ts";
import { listRepositoriesOfBlob } from "../../store/blob-link-records.ts";
import { attachmentTags } from "../manifest-document.ts";
import { type Uploaded, uploadBlob } from "../remote/upload.ts";
import { type Moved, resumable, type Transfer, transferCount } from "./transfer.ts";
import { type TravellingUnit, type UnitBlob, type UnitManifest } from "./unit.ts";

/** Where a unit goes. */
export interface PushWish {
  readonly unit: TravellingUnit;
  /** The tag that it gets at the peer. */
  readonly tag: string;
  /** Whether the tag moves there where it points elsewhere. */
  readonly override: boolean;
  /** The name that a local repository has at the peer: blobs are mounted from there. */
  readonly nameAtPeer: (repository: string) => string | undefined;
}

/**
 * Brings a unit to a peer: blobs, then manifests in their order, then the tags, the image's own as the last.
 *
 * What the peer has is not sent. Where the peer keeps no referrers, its fallback tags are written. In the end the peer
 * is asked whether all of it is there.
 *
 * @throws Failure of the peer; `verification_failed` where it does not have what it took
 */
export async function pushUnit(transfer: Transfer, wish: PushWish): Promise<Moved> {
  const { peer, remote, signal } = transfer;
  const { unit, tag, override } = wish;
  const there = await peer.remote.headManifest(remote, tag, signal);
  if (there !== undefined && there.digest !== unit.root && !override)
    return skipped(`"${tag}" points to ${there.digest} there, and the rule moves no tags`);
  const absent = await findAbsent(transfer, unit);
  const count = { bytes: 0, things: 0 };
  await sendBlobs(transfer, wish, { absent, count });
  for (const manifest of absent) {
    await peer.remote.putManifest({ ...manifest, repository: remote, reference: manifest.digest }, signal);
    count.bytes += manifest.bytes.length;
    count.things += 1;
  }
  const listed = await writeFallbackTags(transfer, unit);
  const moved = await moveTags(transfer, wish, there?.digest);
  await verifyThere(transfer, wish);
  const isUnchanged = absent.length + listed + moved.count === 0;
  return {
    outcome: isUnchanged ? "unchanged" : "copied",
    note: moved.note,
    sentBytes: count.bytes,
    sentCount: count.things,
  };
}

function skipped(note: string): Moved {
  return { outcome: "skipped", note, sentBytes: 0, sentCount: 0 };
}

async function findAbsent({ peer, remote, signal }: Transfer, unit: TravellingUnit): Promise<UnitManifest[]> {
  const heads = await mapParallel(
    unit.manifests,
    transferCount,
    async ({ digest }) => await peer.remote.headManifest(remote, digest, signal),
  );
  const digests = new Set<Digest>();
  return unit.manifests.filter(({ digest }, at) => {
    if (heads[at] !== undefined || digests.has(digest)) return false;
    digests.add(digest);
    return true;
  });
}

interface Sending {
  readonly absent: readonly UnitManifest[];
  readonly count: { bytes: number; things: number };
}

/** The blobs of a manifest that the peer has are there too. */
async function sendBlobs(transfer: Transfer, { nameAtPeer }: PushWish, { absent, count }: Sending): Promise<void> {
  const { store, peer, remote, local, throttle, signal } = transfer;
  const blobs = new Map<Digest, UnitBlob>(
    absent.flatMap((manifest) => manifest.blobs).map((blob) => [blob.digest, blob]),
  );
  await mapParallel([...blobs.values()], transferCount, async ({ digest, sizeBytes }) => {
    const isThere = async (): Promise<boolean> => (await peer.remote.headBlob(remote, digest, signal)) !== undefined;
    const send = async (): Promise<Uploaded> =>
      await resumable(transfer, { direction: "push", digest }, async (location, remember) => {
        const others = (await listRepositoriesOfBlob(store.db, digest, { after: "", limit: 20 })).filter(
          (name) => name !== local,
        );
        const mountFrom = others.map(nameAtPeer).find((name) => name !== undefined && name !== remote);
        return await uploadBlob(peer.remote, {
          repository: remote,
          digest,
          sizeBytes,
          blobs: store.blobs,
          mountFrom,
          location,
          onLocation: remember,
          onBytes: transfer.onBytes,
          throttle,
          signal,
        });
      });
    if ((await transfer.once(`blob ${digest}`, send, isThere)) !== "sent") return;
    count.bytes += sizeBytes;
    count.things += 1;
  });
}

/** Source: OCI distribution spec, "Pushing Manifests with Subject" and "Referrers Tag Schema". */
async function writeFallbackTags({ peer, remote, signal }: Transfer, unit: TravellingUnit): Promise<number> {
  const bySubject = Map.groupBy(
    unit.manifests.filter(({ subject }) => subject !== undefined),
    ({ subject }) => subject!,
  );
  let written = 0;
  for (const [subject, referrers] of bySubject) {
    const { descriptors, by } = await peer.remote.referrers(remote, subject, signal);
    if (by === "api") continue;
    const known = new Set(descriptors.map(({ digest }) => digest));
    const added = referrers.filter(({ digest }) => !known.has(digest)).map(describe);
    if (added.length === 0) continue;
    const index = { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [...descriptors, ...added] };
    const bytes = Buffer.from(JSON.stringify(index));
    const [reference = ""] = attachmentTags(subject);
    await peer.remote.putManifest({ repository: remote, reference, mediaType: mediaTypes.index, bytes }, signal);
    written += 1;
  }
  return written;
}

function describe({ mediaType, digest, bytes, artifactType, annotations }: UnitManifest): Descriptor {
  return {
    mediaType,
    digest,
    size: bytes.length,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}

/** A signature is there before the tag that somebody may verify. */
async function moveTags(
  { peer, remote, signal }: Transfer,
  { unit, tag, override }: PushWish,
  rootThere: Digest | undefined,
): Promise<{ readonly count: number; readonly note: string | undefined }> {
  let count = 0;
  const kept: string[] = [];
  for (const manifest of unit.manifests) {
    if (manifest.tag === undefined) continue;
    const there = await peer.remote.headManifest(remote, manifest.tag, signal);
    if (there?.digest === manifest.digest) continue;
    if (there !== undefined && !override) {
      kept.push(manifest.tag);
      continue;
    }
    await peer.remote.putManifest({ ...manifest, repository: remote, reference: manifest.tag }, signal);
    count += 1;
  }
  if (rootThere !== unit.root) {
    const root = unit.manifests.find(({ digest }) => digest === unit.root)!;
    await peer.remote.putManifest({ ...root, repository: remote, reference: tag }, signal);
    count += 1;
  }
  return { count, note: kept.length === 0 ? undefined : `left as they were there: ${kept.join(", ")}` };
}

async function verifyThere({ peer, remote, signal }: Transfer, { unit, tag, override }: PushWish): Promise<void> {
  const wrong = (what: string): Failure =>
    new Failure("verification_failed", `Cannot trust what arrived at "${peer.name}" as "${remote}:${tag}": ${what}`);
  if ((await peer.remote.headManifest(remote, tag, signal))?.digest !== unit.root)
    throw wrong(`the tag does not point to ${unit.root}`);
  for (const { digest, tag: attached } of unit.manifests) {
    const reference = attached === undefined || !override ? digest : attached;
    if ((await peer.remote.headManifest(remote, reference, signal))?.digest !== digest)
      throw wrong(`it does not have ${digest}`);
  }
  const subjects = new Set(unit.manifests.flatMap(({ subject }) => subject ?? []));
  for (const subject of subjects) {
    const { descriptors } = await peer.remote.referrers(remote, subject, signal);
    const listed = new Set(descriptors.map(({ digest }) => digest));
    const lost = unit.manifests.find((one) => one.subject === subject && !listed.has(one.digest));
    if (lost !== undefined) throw wrong(`it does not list ${lost.digest} as attached to ${subject}`);
  }
}

/** What stands for the content of a unit: equal units have equal names. */
export function unitName({ root, manifests }: TravellingUnit): string {
  return sha256Hex([root, ...manifests.map(({ digest, tag }) => `${digest} ${tag ?? ""}`)].join("\n"));
}
