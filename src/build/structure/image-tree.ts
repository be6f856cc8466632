import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { posix } from "node:path";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { Failure } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { readTar, type TarHeader } from "../../base/tar.ts";

/** What stands at a path of an image when all layers lie on each other. */
export interface TreeNode {
  readonly header: TarHeader;
  /** Position of the layer whose bytes count, and the path there: another one for a hard link. */
  readonly layer: number;
  readonly source: string;
}

/** Every path of an image, without a slash at the beginning. */
export type ImageTree = ReadonlyMap<string, TreeNode>;

const entriesMax = 3_000_000;

/**
 * Reads the headers of all layers and lays them on each other as a container runtime does.
 *
 * Folders that an archive does not name but needs are there with mode 0755. Nothing is written anywhere.
 * Source: OCI image spec, layer.md "Applying Changesets" and "Whiteouts".
 *
 * @param layers files of the layers, the lowest first: tar archives, plain or packed with gzip or zstd
 * @throws Failure `archive_hostile`, `too_large`
 */
export async function readTree(layers: readonly string[]): Promise<ImageTree> {
  const tree = new Map<string, TreeNode>();
  let count = 0;
  for (const [layer, path] of layers.entries()) {
    const added = new Map<string, TreeNode>();
    const gone = new Set<string>();
    const emptied = new Set<string>();
    for await (const { header } of readTar(await openLayer(path))) {
      if (++count > entriesMax)
        throw new Failure("too_large", `Cannot read the image: its layers have more than ${entriesMax} entries`);
      takeEntry(header, { added, gone, emptied, layer, below: tree });
    }
    remove(tree, { gone, emptied });
    for (const [at, node] of added) put(tree, at, node);
  }
  return tree;
}

interface LayerChange {
  readonly added: Map<string, TreeNode>;
  readonly gone: Set<string>;
  readonly emptied: Set<string>;
  readonly layer: number;
  readonly below: ImageTree;
}

function takeEntry(header: TarHeader, { added, gone, emptied, layer, below }: LayerChange): void {
  const path = plainPath(header.path);
  const { dir, base } = posix.parse(path);
  if (base === ".wh..wh..opq") emptied.add(dir);
  else if (base.startsWith(".wh..wh.")) return;
  else if (base.startsWith(".wh.")) gone.add(posix.join(dir, base.slice(4)));
  else if (path === "") return;
  else if (header.kind === "hardlink") {
    const target = plainPath(header.link);
    const linked = added.get(target) ?? below.get(target);
    if (linked === undefined || linked.header.kind === "folder") throw hostile(`"${path}" links to what is not there`);
    put(added, path, linked);
  } else put(added, path, { header, layer, source: path });
}

/** A path without detours: what leads out of the image is inside it. */
function plainPath(path: string): string {
  return posix.join("/", path).slice(1).replace(/\/+$/, "");
}

function hostile(state: string): Failure {
  return new Failure("archive_hostile", `Cannot read the image: ${state}`);
}

function remove(tree: Map<string, TreeNode>, { gone, emptied }: Pick<LayerChange, "gone" | "emptied">): void {
  if (gone.size === 0 && emptied.size === 0) return;
  for (const path of tree.keys())
    for (let at = path; ; at = posix.dirname(at)) {
      const isHidden = gone.has(at) || (at !== path && emptied.has(at === "." ? "" : at));
      if (isHidden) tree.delete(path);
      if (isHidden || at === ".") break;
    }
}

/** A folder takes the place of what is none and keeps what is below one; anything else hides what was below it. */
function put(tree: Map<string, TreeNode>, path: string, node: TreeNode): void {
  const before = tree.get(path);
  if (before?.header.kind === "folder" && node.header.kind !== "folder")
    for (const other of tree.keys()) if (other.startsWith(`${path}/`)) tree.delete(other);
  tree.set(path, node);
  for (let at = posix.dirname(path); at !== "."; at = posix.dirname(at)) {
    if (tree.get(at)?.header.kind === "folder") break;
    tree.set(at, { header: { ...node.header, ...impliedFolder, path: at }, layer: node.layer, source: at });
  }
}

const impliedFolder = {
  kind: "folder",
  mode: 0o755,
  uid: 0,
  gid: 0,
  sizeBytes: 0,
  link: "",
  xattrs: {},
} as const;

/** Opens a layer's tar archive, whatever it is packed with: its first bytes tell. */
export async function openLayer(path: string): Promise<AsyncIterable<Uint8Array>> {
  const head = Buffer.alloc(4);
  const handle = await open(path);
  try {
    await handle.read(head, 0, 4, 0);
  } finally {
    await handle.close();
  }
  const packed = createReadStream(path, { highWaterMark: limits.chunkBytes });
  const isGzip = head.readUInt16BE() === 0x1f8b;
  const isZstd = head.readUInt32LE() === 0xfd2fb528;
  if (!isGzip && !isZstd) return packed;
  const decoder = isGzip
    ? createGunzip({ chunkSize: limits.chunkBytes })
    : createZstdDecompress({ chunkSize: limits.chunkBytes });
  packed.on("error", (error) => decoder.destroy(error));
  return packed.pipe(decoder);
}

/** Symbolic links that are followed on one way, as Linux does. */
const linksMax = 40;

/**
 * The path that another leads to when symbolic links are followed inside the image.
 *
 * @param isLast whether a link at the end is followed, too
 * @returns undefined where something on the way is not there
 */
export function resolvePath(tree: ImageTree, path: string, isLast: boolean): string | undefined {
  let todo = path.split("/").filter((part) => part !== "" && part !== ".");
  let at: string[] = [];
  for (let links = 0; todo.length > 0;) {
    const [part = "", ...rest] = todo;
    todo = rest;
    if (part === "..") {
      at = at.slice(0, -1);
      continue;
    }
    const node = tree.get([...at, part].join("/"));
    if (node === undefined) return undefined;
    if (node.header.kind !== "symlink" || (todo.length === 0 && !isLast)) {
      if (todo.length > 0 && node.header.kind !== "folder") return undefined;
      at.push(part);
      continue;
    }
    if (++links > linksMax) return undefined;
    if (node.header.link.startsWith("/")) at = [];
    todo = [...node.header.link.split("/").filter((step) => step !== "" && step !== "."), ...todo];
  }
  return at.join("/");
}

/**
 * The bytes of some files, each layer read once.
 *
 * @throws Failure `too_large` above 64 MiB a file
 */
export async function readFiles(
  layers: readonly string[],
  nodes: ReadonlyMap<string, TreeNode>,
): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>();
  for (const [layer, path] of layers.entries()) {
    const wanted = Map.groupBy(
      [...nodes].filter(([, node]) => node.layer === layer && node.header.kind === "file"),
      ([, { source }]) => source,
    );
    if (wanted.size === 0) continue;
    for await (const { header, body } of readTar(await openLayer(path))) {
      const names = header.kind === "file" ? wanted.get(plainPath(header.path)) : undefined;
      if (names === undefined) continue;
      const bytes = await collect(header, body());
      for (const [name] of names) found.set(name, bytes);
    }
  }
  return found;
}

async function collect({ path, sizeBytes }: TarHeader, body: AsyncIterable<Buffer>): Promise<Buffer> {
  if (sizeBytes > limits.debControlBytes)
    throw new Failure("too_large", `Cannot read "${path}" of the image: it is larger than 64 MiB`);
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}
