import { sha256Hex } from "../../base/hash.ts";
import { type Digest } from "../../model/digest.ts";
import { type Store } from "../../store/store.ts";
import { findTransfer, forgetTransfer, recordTransfer } from "../../store/transfer-records.ts";
import { type Registry } from "../registry.ts";
import { type OpenPeer } from "../remote/peers.ts";
import { type Throttle } from "../remote/throttle.ts";

/** What a unit is moved with. */
export interface Transfer {
  readonly store: Store;
  readonly registry: Registry;
  readonly peer: OpenPeer;
  /** The name here. */
  readonly local: string;
  /** The name at the peer. */
  readonly remote: string;
  readonly throttle: Throttle;
  readonly signal: AbortSignal;
  /** Does something once in the life of a job, also across restarts, as long as it `isStillTrue`. */
  readonly once: <T>(name: string, work: () => Promise<T>, isStillTrue: () => Promise<boolean>) => Promise<T>;
  readonly onBytes: (byteCount: number) => void;
}

/** What a move came to. */
export interface Moved {
  readonly outcome: "copied" | "unchanged" | "skipped";
  readonly note: string | undefined;
  /** Bytes of blobs and manifests that went over the wire. */
  readonly sentBytes: number;
  /** Blobs and manifests. */
  readonly sentCount: number;
}

/** Transfers of blobs at the same time. */
export const transferCount = 4;

/** Keeps where the transfer of a blob stands until it is done. */
export async function resumable<T>(
  { store, peer, remote, local }: Transfer,
  about: { readonly direction: "push" | "pull"; readonly digest: Digest },
  work: (place: string | undefined, remember: (place: string) => Promise<void>) => Promise<T>,
): Promise<T> {
  const id = sha256Hex([about.direction, peer.id, remote, local, about.digest].join("\n"));
  const done = await work(await findTransfer(store.db, id), async (place) => await recordTransfer(store.db, id, place));
  await forgetTransfer(store.db, id);
  return done;
}
