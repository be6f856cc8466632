import { createReadStream } from "node:fs";
import { dirname } from "node:path";
import { sha256Hex } from "../../base/hash.ts";
import { limits } from "../../base/limits.ts";
import { readTar, type TarHeader } from "../../base/tar.ts";
import type { BlobStore } from "../../store/blobs.ts";
import type { Deviation } from "../chamber/farm.ts";
import type { TreeEntry } from "../trees/tree.ts";
import type { PackageTree } from "../trees/unpack-packages.ts";
import { putLayer, type Compression, type Layer, type LayerEntry } from "./layer.ts";
import { dropReason, normaliseContent } from "./normalise.ts";
import { layerEntry, layerGroups, treeHeader } from "./package-layers.ts";

interface ConfiguredLayerInput {
  readonly trees: readonly PackageTree[];
  readonly deviations: readonly Deviation[];
  /** The overlay's upper folder as GNU tar wrote it. */
  readonly upperTar: string;
  readonly epochSeconds: number;
  readonly compression: Compression;
  readonly blobs: BlobStore;
  readonly signal: AbortSignal;
}

/**
 * Makes the last layers: all that configuring changed, and only that.
 *
 * What is equal to the packages' own layers is left out, times are clamped to the lock's, and what differs from
 * build to build is dropped or made equal. Python's bytecode, by far the larger part, gets a layer of its own:
 * it changes only with a Python package.
 */
export async function configuredLayers({
  trees,
  deviations,
  upperTar,
  epochSeconds,
  compression,
  blobs,
  signal,
}: ConfiguredLayerInput): Promise<Layer[]> {
  const stacked = stackedTrees(trees);
  const entries = new Map<string, LayerEntry>();
  for (const deviation of deviations) addDeviation(entries, deviation, { trees, stacked });
  for await (const { header, body } of readTar(createReadStream(upperTar, { highWaterMark: limits.chunkBytes }))) {
    if (header.path === "" || dropReason(header.path) !== undefined) continue;
    const chunks: Buffer[] = [];
    for await (const chunk of body()) chunks.push(Buffer.from(chunk));
    const content = normaliseContent(header.path, Buffer.concat(chunks), epochSeconds);
    entries.delete(header.path);
    for (const entry of upperEntries(header, content, epochSeconds))
      if (!isUnchanged(entry, content, stacked)) entries.set(entry.header.path, entry);
  }
  const isBytecode = ({ header }: LayerEntry): boolean => header.path.endsWith(".pyc");
  const bytecode = [...entries.values()].filter(isBytecode);
  const others = [...entries.values()].filter((entry) => !isBytecode(entry));
  const layers: Layer[] = [];
  if (bytecode.length > 0)
    layers.push(
      await putLayer({
        entries: withFolders(bytecode.map(timeless), (path) => timelessFolder(path, { entries, stacked })),
        compression,
        createdBy: "mintmark configure: Python bytecode",
        blobs,
        signal,
      }),
    );
  const whole = withFolders(others, (path) => entries.get(path) ?? stackedFolder(path, stacked));
  layers.push(await putLayer({ entries: whole, compression, createdBy: "mintmark configure", blobs, signal }));
  return layers;
}

/** A layer tells every folder that it touches: an engine gives those that it has to make a mode of its own. */
function withFolders(entries: readonly LayerEntry[], folderOf: (path: string) => LayerEntry | undefined): LayerEntry[] {
  const whole = new Map(entries.map((entry) => [entry.header.path, entry]));
  for (const { header } of entries)
    for (let parent = dirname(header.path); parent !== "."; parent = dirname(parent)) {
      const folder = whole.has(parent) ? undefined : folderOf(parent);
      if (folder !== undefined) whole.set(parent, folder);
    }
  return [...whole.values()];
}

type Stacked = ReadonlyMap<string, StackedEntry>;

function stackedFolder(path: string, stacked: Stacked): LayerEntry | undefined {
  const entry = stacked.get(path)?.entry;
  return entry?.kind === "folder" ? { header: treeHeader(entry) } : undefined;
}

function timelessFolder(
  path: string,
  { entries, stacked }: { readonly entries: ReadonlyMap<string, LayerEntry>; readonly stacked: Stacked },
): LayerEntry | undefined {
  const made = entries.get(path);
  return made === undefined ? stackedFolder(path, stacked) : timeless(made);
}

/** Bytecode made by packages is checked by hash, so its own time says nothing and must not move the layer. */
function timeless(entry: LayerEntry): LayerEntry {
  return { ...entry, header: { ...entry.header, mtimeSeconds: 0 } };
}

interface StackedEntry {
  readonly entry: TreeEntry;
  readonly package: string;
}

/** What the packages' layers show when they lie on each other. */
function stackedTrees(trees: readonly PackageTree[]): Map<string, StackedEntry> {
  const stacked = new Map<string, StackedEntry>();
  for (const group of layerGroups(trees).values()) {
    const layer = new Map<string, StackedEntry>();
    for (const { locked, index } of group)
      for (const entry of index.entries)
        if (!layer.has(entry.path)) layer.set(entry.path, { entry, package: locked.name });
    for (const [path, entry] of layer) stacked.set(path, entry);
  }
  return stacked;
}

interface Site {
  readonly trees: readonly PackageTree[];
  readonly stacked: ReadonlyMap<string, StackedEntry>;
}

function addDeviation(entries: Map<string, LayerEntry>, { path, from }: Deviation, { trees, stacked }: Site): void {
  const present = stacked.get(path);
  if (from === undefined) {
    if (present !== undefined) entries.set(path, whiteout(path));
    return;
  }
  if (present?.package === from.package && present.entry.path === from.path) return;
  const tree = trees.find(({ locked }) => locked.name === from.package)!;
  const entry = tree.index.entries.find((candidate) => candidate.path === from.path)!;
  entries.set(path, layerEntry(tree.tree, { ...entry, ...(entry.kind === "folder" ? {} : {}) }));
  if (path !== entry.path) {
    const moved = entries.get(path)!;
    entries.set(path, { ...moved, header: { ...moved.header, path } });
  }
}

function whiteout(path: string): LayerEntry {
  const slash = path.lastIndexOf("/") + 1;
  return { header: plainHeader(`${path.slice(0, slash)}.wh.${path.slice(slash)}`, "file", 0) };
}

function plainHeader(path: string, kind: TarHeader["kind"], mode: number): TarHeader {
  return {
    path,
    kind,
    mode,
    uid: 0,
    gid: 0,
    mtimeSeconds: 0,
    sizeBytes: 0,
    link: "",
    deviceMajor: 0,
    deviceMinor: 0,
    xattrs: {},
  };
}

/** An overlay marks what is gone by a 0:0 device and by an attribute; OCI by names. Source: OCI image spec, layer.md "Whiteouts". */
function upperEntries(header: TarHeader, content: Buffer, epochSeconds: number): LayerEntry[] {
  if (header.kind === "character" && header.deviceMajor === 0 && header.deviceMinor === 0)
    return [whiteout(header.path)];
  const isOpaque = Object.entries(header.xattrs).some(
    ([name, value]) => name.endsWith("overlay.opaque") && value.startsWith("y"),
  );
  const xattrs = Object.fromEntries(
    Object.entries(header.xattrs).filter(([name]) => !name.includes("overlay.") && name !== "security.selinux"),
  );
  const clean: TarHeader = {
    ...header,
    xattrs,
    sizeBytes: content.length,
    mtimeSeconds: clampedTime(header, epochSeconds),
  };
  const entry: LayerEntry = {
    header: clean,
    content: () =>
      (async function* () {
        yield content;
      })(),
  };
  return isOpaque ? [entry, { header: plainHeader(`${header.path}/.wh..wh..opq`, "file", 0) }] : [entry];
}

/** A time is kept unless it is later than the lock's. A link's own time says when a script last ran, which is nothing. */
function clampedTime({ kind, mtimeSeconds }: TarHeader, epochSeconds: number): number {
  return kind === "symlink" ? epochSeconds : Math.min(mtimeSeconds, epochSeconds);
}

function isUnchanged({ header }: LayerEntry, content: Buffer, stacked: ReadonlyMap<string, StackedEntry>): boolean {
  const present = stacked.get(header.path)?.entry;
  if (
    present === undefined ||
    present.uid !== header.uid ||
    present.gid !== header.gid ||
    Object.keys(header.xattrs).length > 0
  )
    return false;
  if (header.kind === "symlink") return present.kind === "symlink" && present.link === header.link;
  if (present.mode !== header.mode) return false;
  if (header.kind === "folder") return present.kind === "folder";
  return (
    header.kind === "file" &&
    present.kind === "file" &&
    present.sizeBytes === content.length &&
    present.sha256 === sha256Hex(content)
  );
}
