import { createReadStream, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../../base/files.ts";
import { sha256Hex } from "../../base/hash.ts";
import { canonicalJson } from "../../base/json.ts";
import { limits } from "../../base/limits.ts";
import { mapParallel } from "../../base/pool.ts";
import type { TarHeader } from "../../base/tar.ts";
import type { BlobStore } from "../../store/blobs.ts";
import type { TreeEntry } from "../trees/tree.ts";
import type { PackageTree } from "../trees/unpack-packages.ts";
import { putLayer, type Compression, type Layer, type LayerEntry } from "./layer.ts";

interface PackageLayersInput {
  readonly trees: readonly PackageTree[];
  readonly compression: Compression;
  readonly blobs: BlobStore;
  /** Folder of the records that say which packages gave which layer. */
  readonly cacheFolder: string;
  readonly onProgress: (done: number, total: number) => void;
  readonly signal: AbortSignal;
}

/** Raised when the same packages would give other layer bytes. */
const layerVersion = 1;

/**
 * Makes the layers of the locked packages, in the order of the lock's plan.
 *
 * A layer depends on its packages' archives alone: not on the recipe, the other packages, or the day. What any
 * build made before is taken from the store.
 */
export async function packageLayers({
  trees,
  compression,
  blobs,
  cacheFolder,
  onProgress,
  signal,
}: PackageLayersInput): Promise<{ readonly layers: Layer[]; readonly reused: number }> {
  const groups = [...layerGroups(trees).values()];
  let done = 0;
  let reused = 0;
  const layers = await mapParallel(groups, 2, async (group) => {
    const record = join(cacheFolder, `${layerKey(group, compression)}.json`);
    const known = await readRecord(record, blobs);
    const layer =
      known ??
      (await putLayer({ entries: layerEntries(group), compression, createdBy: createdBy(group), blobs, signal }));
    if (known === undefined) await writeFileAtomic(record, JSON.stringify(layer));
    else reused++;
    onProgress(++done, groups.length);
    return layer;
  });
  return { layers, reused };
}

/** The packages of each layer, by the layer's position and then by name. */
export function layerGroups<Item extends { readonly locked: { readonly layer: number; readonly name: string } }>(
  trees: readonly Item[],
): Map<number, Item[]> {
  const groups = new Map<number, Item[]>();
  const sorted = trees.toSorted((a, b) => a.locked.layer - b.locked.layer || (a.locked.name < b.locked.name ? -1 : 1));
  for (const tree of sorted) groups.set(tree.locked.layer, [...(groups.get(tree.locked.layer) ?? []), tree]);
  return groups;
}

function layerKey(group: readonly PackageTree[], compression: Compression): string {
  return sha256Hex(canonicalJson({ layerVersion, compression, archives: group.map(({ locked }) => locked.sha256) }));
}

async function readRecord(path: string, blobs: BlobStore): Promise<Layer | undefined> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const layer = JSON.parse(text) as Layer;
  return (await blobs.stat(layer.digest)) === undefined ? undefined : layer;
}

function createdBy(group: readonly PackageTree[]): string {
  const sources = [...new Set(group.map(({ locked }) => `${locked.source}=${locked.sourceVersion}`))].sort();
  return `mintmark packages ${sources.join(" ")}`;
}

/** The first package to name a path in a layer holds it; the last layer corrects what dpkg would do otherwise. */
function layerEntries(group: readonly PackageTree[]): LayerEntry[] {
  const entries = new Map<string, LayerEntry>();
  for (const tree of group)
    for (const entry of tree.index.entries)
      if (!entries.has(entry.path)) entries.set(entry.path, layerEntry(tree.tree, entry));
  return [...entries.values()];
}

/** A tree's entry as it goes into a layer. */
export function layerEntry(treeFolder: string, entry: TreeEntry): LayerEntry {
  const header = treeHeader(entry);
  if (entry.kind !== "file") return { header };
  if (entry.inline !== undefined) {
    const bytes = Buffer.from(entry.inline, "base64");
    return {
      header,
      content: () =>
        (async function* () {
          yield bytes;
        })(),
    };
  }
  return { header, content: () => readChunks(join(treeFolder, "root", entry.path), entry.sizeBytes) };
}

/** Most files are small: one read each, of just their size, spares a stream and a buffer of 1 MiB for every one. */
async function* readChunks(path: string, sizeBytes: number): AsyncGenerator<Uint8Array> {
  if (sizeBytes <= limits.chunkBytes) yield readFileSync(path);
  else for await (const chunk of createReadStream(path, { highWaterMark: limits.chunkBytes })) yield chunk as Buffer;
}

/** The tar header of a tree's entry. */
export function treeHeader({ path, kind, mode, uid, gid, mtimeSeconds, sizeBytes, link }: TreeEntry): TarHeader {
  return {
    path,
    kind,
    mode,
    uid,
    gid,
    mtimeSeconds,
    sizeBytes,
    link: link ?? "",
    deviceMajor: 0,
    deviceMinor: 0,
    xattrs: {},
  };
}
