import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Failure } from "../../base/errors.ts";
import type { TarKind } from "../../base/tar.ts";

/** One entry of an unpacked package, in the place where it lies in the image. */
export interface TreeEntry {
  /** Without a leading slash; `usr/bin/x`, never `bin/x`. */
  readonly path: string;
  readonly kind: Extract<TarKind, "file" | "folder" | "symlink" | "hardlink">;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeSeconds: number;
  readonly sizeBytes: number;
  /** SHA-256 in hex of a file. */
  readonly sha256?: string;
  /** Target of a link; of a hard link, the path of the entry that it shares. */
  readonly link?: string;
  /** Content in base64 of a file that its owner alone may read: who packs layers may be another user. */
  readonly inline?: string;
}

/** What the unpacked tree of one archive holds; stored beside it as `tree.json`. */
export interface TreeIndex {
  /** Raised when the form of trees changes, so that old ones are made anew. */
  readonly treeVersion: number;
  /** Text of the control file. */
  readonly control: string;
  /** Configuration files with their MD5, as dpkg records them. */
  readonly conffiles: readonly { readonly path: string; readonly md5: string }[];
  /** Names of the control files in `control/`. */
  readonly scripts: readonly string[];
  readonly entries: readonly TreeEntry[];
}

/** Current form of unpacked trees. */
export const treeVersion = 1;

/** Where the unpacked form of an archive lies: `root/` is its files, `control/` its control files. */
export function treeFolder(treesFolder: string, sha256: string): string {
  return join(treesFolder, sha256.slice(0, 2), sha256);
}

/** Reads the index of a tree; undefined where the archive is not unpacked yet. */
export async function readTreeIndex(folder: string): Promise<TreeIndex | undefined> {
  const text = await readFile(join(folder, "tree.json"), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const index = JSON.parse(text) as TreeIndex;
  return index.treeVersion === treeVersion ? index : undefined;
}

const mergedFolders = new Set(["bin", "sbin", "lib", "lib32", "lib64", "libo32", "libx32"]);

/**
 * Moves a path of an old package to where a merged system keeps it: `bin/x` to `usr/bin/x`.
 *
 * Source: the UsrMerge transition of Debian and Ubuntu. The links `bin`, `lib` … themselves stay.
 */
export function mergedPath(path: string, isLink: boolean): string {
  const slash = path.indexOf("/");
  const first = slash < 0 ? path : path.slice(0, slash);
  if (!mergedFolders.has(first) || (slash < 0 && isLink)) return path;
  return `usr/${path}`;
}

/** What Linux takes for one name. */
const nameBytesMax = 255;

/**
 * Checks a path from an archive before it is used.
 *
 * @throws Failure `archive_hostile`
 */
export function checkPath(path: string): void {
  const parts = path === "" ? [] : path.split("/");
  if (parts.some((part) => part === ".." || part === "." || part === ""))
    throw new Failure("archive_hostile", `Cannot unpack the package: the path "${path}" leads elsewhere`);
  if (parts.some((part) => Buffer.byteLength(part) > nameBytesMax))
    throw new Failure("archive_hostile", `Cannot unpack the package: a name is longer than ${nameBytesMax} bytes`);
  if (/[\0\n]/.test(path))
    throw new Failure("archive_hostile", "Cannot unpack the package: a path holds a line break or a zero byte");
}
