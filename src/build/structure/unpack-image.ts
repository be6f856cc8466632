import {
  chownSync,
  chmodSync,
  closeSync,
  constants,
  lchownSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { readTar } from "../../base/tar.ts";
import { openLayer, readTree, type ImageTree, type TreeNode } from "./image-tree.ts";

/** Folders on which something is mounted before a command runs; an image's link there must lead nowhere. */
const mountPoints = new Set(["proc", "dev", "tmp", "sys", "run"]);

/**
 * Writes an image into an empty folder, owners and modes included. Runs inside the chamber, where every owner exists.
 *
 * Folders are made first and links last, and nothing is written through what was not made here: no archive can
 * reach outside. Devices and file capabilities are left out.
 *
 * @throws Failure `archive_hostile`, `too_large`, `disk_full`
 */
export async function unpackImage(layers: readonly string[], root: string): Promise<void> {
  const tree = await readTree(layers);
  const nodes = [...tree].filter(([path, { header }]) => !mountPoints.has(path) || header.kind === "folder");
  const sorted = nodes.toSorted(([a], [b]) => (a < b ? -1 : 1));
  const folders = sorted.filter(([, { header }]) => header.kind === "folder");
  for (const [path] of folders) mkdirSync(join(root, path), { mode: 0o755 });
  await writeFiles(layers, tree, root);
  for (const [path, { header }] of sorted)
    if (header.kind === "symlink") {
      symlinkSync(header.link, join(root, path));
      lchownSync(join(root, path), header.uid, header.gid);
    }
  for (const [path, { header }] of folders.toReversed()) {
    chownSync(join(root, path), header.uid, header.gid);
    chmodSync(join(root, path), header.mode);
  }
}

async function writeFiles(layers: readonly string[], tree: ImageTree, root: string): Promise<void> {
  const files = [...tree].filter(([path, { header }]) => header.kind === "file" && !mountPoints.has(path));
  for (const [layer, path] of layers.entries()) {
    const wanted = Map.groupBy(
      files.filter(([, node]) => node.layer === layer),
      ([, { source }]) => source,
    );
    if (wanted.size === 0) continue;
    const written = new Set<string>();
    for await (const { header, body } of readTar(await openLayer(path))) {
      const names = wanted.get(header.path);
      // An archive may hold a path twice; the tree knows the last one, and both have its name.
      if (header.kind !== "file" || names === undefined || names[0]![1].header.sizeBytes !== header.sizeBytes) continue;
      if (written.has(header.path)) continue;
      written.add(header.path);
      await writeFile(join(root, names[0]![0]), names[0]![1], body());
      for (const [other] of names.slice(1)) linkSync(join(root, names[0]![0]), join(root, other));
    }
  }
}

async function writeFile(target: string, { header }: TreeNode, body: AsyncIterable<Buffer>): Promise<void> {
  const file = openSync(
    target,
    constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
    0o600,
  );
  try {
    for await (const chunk of body) for (let at = 0; at < chunk.length;) at += writeSync(file, chunk, at);
  } finally {
    closeSync(file);
  }
  chownSync(target, header.uid, header.gid);
  chmodSync(target, header.mode);
  utimesSync(target, header.mtimeSeconds, header.mtimeSeconds);
}
