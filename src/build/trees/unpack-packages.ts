import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { sha256Digest } from "../../model/digest.ts";
import type { Lock } from "../../model/lock.ts";
import type { BlobStore } from "../../store/blobs.ts";
import { removeFolder } from "../chamber/remove-folder.ts";
import { runChamber } from "../chamber/run-chamber.ts";
import type { UnpackedPackage } from "../waves.ts";
import { readTreeIndex, treeFolder, type TreeIndex } from "./tree.ts";

/** A locked package with its unpacked tree. */
export interface PackageTree extends UnpackedPackage {
  readonly index: TreeIndex;
}

interface UnpackInput {
  readonly lock: Pick<Lock, "packages">;
  readonly blobs: BlobStore;
  readonly treesFolder: string;
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number, name: string) => void;
}

/** Unpacking is half xz, half writing: two at a time fill two cores. */
const lanes = 2;

/** Unpacks every locked archive that was not unpacked before; nothing is decompressed twice. */
export async function unpackPackages({
  lock,
  blobs,
  treesFolder,
  signal,
  onProgress,
}: UnpackInput): Promise<PackageTree[]> {
  const folders = lock.packages.map(({ sha256 }) => treeFolder(treesFolder, sha256));
  const present = await Promise.all(folders.map((folder) => readTreeIndex(folder)));
  const missing = lock.packages
    .map((locked, at) => ({ locked, folder: folders[at]! }))
    .filter((_, at) => present[at] === undefined);
  const archives = await Promise.all(
    missing.map(async ({ locked, folder }) => {
      await Promise.all([folder, `${folder}.new`].map((path) => removeFolder(path)));
      await mkdir(dirname(folder), { recursive: true });
      await mkdir(`${folder}.new`);
      return {
        name: locked.name,
        sizeBytes: locked.sizeBytes,
        debPath: await blobs.localPath(sha256Digest(locked.sha256)),
        folder,
      };
    }),
  );
  const batches = balance(archives);
  let done = 0;
  await Promise.all(
    batches.map((batch) =>
      runChamber(
        { kind: "unpack", archives: batch },
        {
          signal,
          onMessage: (message) => message.kind === "progress" && onProgress(++done, archives.length, message.note),
        },
      ),
    ),
  );
  return Promise.all(
    lock.packages.map(async (locked, at) => {
      const index = present[at] ?? (await readTreeIndex(folders[at]!));
      if (index === undefined) throw new Error(`the tree of ${locked.name} is not where it was put`);
      return { locked, tree: folders[at]!, index, control: index.control };
    }),
  );
}

interface Sized {
  readonly sizeBytes: number;
}

function balance<Item extends Sized>(items: readonly Item[]): Item[][] {
  const batches: { items: Item[]; bytes: number }[] = Array.from({ length: lanes }, () => ({ items: [], bytes: 0 }));
  for (const item of items.toSorted((a, b) => b.sizeBytes - a.sizeBytes)) {
    const lightest = batches.reduce((least, batch) => (batch.bytes < least.bytes ? batch : least));
    lightest.items.push(item);
    lightest.bytes += item.sizeBytes;
  }
  return batches.map((batch) => batch.items).filter((batch) => batch.length > 0);
}
