import { Failure } from "../base/errors.ts";
import { confirmMirrorEntry, type MirrorEntry, putMirrorEntry } from "../store/mirror-entry-records.ts";
import { type Leaf } from "./repositories.ts";
import { type Site } from "./site.ts";

/** Names a repository as long as it is the same: one of the name that is made anew, or moved, is another. */
export function placeOfLeaf({ settings, incarnation }: Leaf): string {
  return `${settings.name}\0${incarnation}`;
}

/**
 * Notes an entry, unless its repository is not the one any more that it was fetched for; whether it is noted.
 *
 * Where the disk has no room for the note, what has come is given out all the same, and fetched again the next time.
 */
export async function keepEntry(site: Site, leaf: Leaf, entry: MirrorEntry): Promise<boolean> {
  return await whereCurrent(site, leaf, async () => await putMirrorEntry(site.store.db, entry));
}

/** Notes that an entry is still right, as {@link keepEntry}. */
export async function confirmEntry(
  site: Site,
  leaf: Leaf,
  { entry, now }: { readonly entry: MirrorEntry; readonly now: Parameters<typeof confirmMirrorEntry>[2] },
): Promise<boolean> {
  return await whereCurrent(site, leaf, async () => await confirmMirrorEntry(site.store.db, entry, now));
}

/** Statements take the database in the order they came: what begins while the repository is there goes with it. */
export async function whereCurrent(site: Site, leaf: Leaf, note: () => Promise<void>): Promise<boolean> {
  if (!site.repositories.isCurrent(leaf)) return false;
  try {
    await note();
    return true;
  } catch (error) {
    if (!isDiskFull(error)) throw error;
    site.log.warn({ repository: leaf.settings.name, err: error }, "the mirror cannot note what it has fetched");
    return false;
  }
}

/** Whether there is no room for anything new; what is here can still be given out. */
export function isDiskFull(error: unknown): error is Failure {
  return error instanceof Failure && error.code === "disk_full";
}
