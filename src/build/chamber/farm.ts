import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  realpathSync,
  rmdirSync,
  unlinkSync,
  utimesSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { Failure } from "../../base/errors.ts";
import { parseParagraph, relationNames } from "../control-file.ts";
import { checkPath, mergedPath, type TreeEntry, type TreeIndex } from "../trees/tree.ts";

/** A tree with its package, ready to be linked. */
export interface FarmTree {
  readonly name: string;
  readonly folder: string;
  readonly index: TreeIndex;
}

/** A path where the farm differs from the package's own tree: moved by a diversion, or owned by another package. */
export interface Deviation {
  readonly path: string;
  /** The package and the path in its tree that stand there, or undefined where nothing does. */
  readonly from: { readonly package: string; readonly path: string } | undefined;
}

/** A path that dpkg moves out of the way of another package. */
export interface Diversion {
  readonly from: string;
  readonly to: string;
  readonly by: string;
}

/**
 * One folder that holds the files of many trees by hard links: no byte is copied.
 *
 * Conflicts follow dpkg: the first package to make a folder gives it its mode and owner; a file that two
 * packages hold is that of the one that replaces the other.
 */
export class Farm {
  readonly #root: string;
  readonly #owners = new Map<string, { readonly tree: FarmTree; readonly entry: TreeEntry }>();
  readonly #deviations = new Map<string, Deviation>();
  /** Folders that are known to lie in the farm, links on the way to them followed. */
  readonly #inside = new Set<string>();

  constructor(root: string) {
    this.#root = root;
  }

  /** Paths where stacking the packages' trees would show something else. */
  get deviations(): Deviation[] {
    return [...this.#deviations.values()];
  }

  /** Adds a tree; files that others divert go where the diversion says. */
  add(tree: FarmTree, diversions: readonly Diversion[]): void {
    const moved = new Map(diversions.filter(({ by }) => by !== tree.name).map(({ from, to }) => [from, to]));
    for (const entry of tree.index.entries) {
      const target = moved.get(entry.path) ?? entry.path;
      if (target !== entry.path) {
        this.#deviations.set(entry.path, { path: entry.path, from: undefined });
        this.#deviations.set(target, { path: target, from: { package: tree.name, path: entry.path } });
      }
      if (entry.kind === "folder") this.#addFolder(tree, entry);
      else this.#addFile(tree, entry, target);
    }
    for (const { kind, path, mtimeSeconds } of tree.index.entries)
      if (kind === "folder" && this.#isInside(path)) utimesSync(join(this.#root, path), mtimeSeconds, mtimeSeconds);
  }

  /** Takes a tree's files away again; folders that others share stay. */
  remove(tree: FarmTree): void {
    for (const { path, kind } of tree.index.entries.toReversed()) {
      if (this.#owners.get(path)?.tree !== tree) continue;
      if (kind === "folder") {
        try {
          rmdirSync(join(this.#root, path));
        } catch {
          continue;
        }
      } else unlinkSync(join(this.#root, path));
      this.#owners.delete(path);
    }
  }

  #addFolder(tree: FarmTree, entry: TreeEntry): void {
    const present = this.#owners.get(entry.path);
    if (present !== undefined) {
      if (present.entry.kind !== "folder" && present.entry.kind !== "symlink")
        throw conflict(entry.path, tree, present.tree);
      const { mode, uid, gid } = present.entry;
      if (present.entry.kind === "symlink" || mode !== entry.mode || uid !== entry.uid || gid !== entry.gid)
        this.#keep(entry.path, present.tree, present.entry);
      return;
    }
    this.#makeParents(entry.path);
    const target = join(this.#root, entry.path);
    if (lstatSync(target, { throwIfNoEntry: false }) === undefined) mkdirSync(target);
    chownSync(target, entry.uid, entry.gid);
    chmodSync(target, entry.mode);
    this.#owners.set(entry.path, { tree, entry });
  }

  #addFile(tree: FarmTree, entry: TreeEntry, target: string): void {
    const present = this.#owners.get(target);
    if (present !== undefined) {
      const isShared =
        present.entry.kind === entry.kind && present.entry.sha256 === entry.sha256 && present.entry.link === entry.link;
      const wins = replaces(tree, present.tree.name);
      if (!isShared && !wins && !replaces(present.tree, tree.name)) throw conflict(target, tree, present.tree);
      this.#keep(target, wins ? tree : present.tree, wins ? entry : present.entry);
      if (!wins) return;
      unlinkSync(join(this.#root, target));
    }
    this.#makeParents(target);
    linkSync(join(tree.folder, "root", entry.path), join(this.#root, target));
    this.#owners.set(target, { tree, entry });
  }

  /** Whether a folder lies in the farm: one package's link may be another's folder, and lead anywhere. */
  #isInside(folder: string): boolean {
    if (folder === "." || this.#inside.has(folder)) return true;
    if (!this.#isInside(dirname(folder))) return false;
    const path = join(this.#root, folder);
    const root = realpathSync(this.#root);
    const isLink = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
    if (isLink && !(existsSync(path) && realpathSync(path).startsWith(`${root}/`))) return false;
    // A package that comes later may turn a folder into a link only by a conflict, which ends the build.
    this.#inside.add(folder);
    return true;
  }

  #keep(path: string, tree: FarmTree, entry: TreeEntry): void {
    this.#deviations.set(path, { path, from: { package: tree.name, path: entry.path } });
  }

  #makeParents(path: string): void {
    const parent = dirname(path);
    if (!this.#isInside(parent))
      throw new Failure("archive_hostile", `Cannot install "/${path}": a link of another package leads it out`);
    if (parent !== "." && !this.#owners.has(parent))
      mkdirSync(join(this.#root, parent), { recursive: true, mode: 0o755 });
  }
}

function replaces(tree: FarmTree, name: string): boolean {
  return relationNames(parseParagraph(tree.index.control).get("Replaces")).includes(name);
}

function conflict(path: string, tree: FarmTree, other: FarmTree): Failure {
  return new Failure("unsatisfiable", `Cannot install "${tree.name}": "/${path}" is also in "${other.name}"`, {
    hint: "Neither package replaces the other: leave one out of the recipe",
  });
}

/** Reads dpkg's list of diversions: three lines each. Source: dpkg-divert(1). */
export function parseDiversions(text: string): Diversion[] {
  const lines = text.split("\n");
  const diversions: Diversion[] = [];
  for (let at = 0; at + 2 < lines.length; at += 3)
    diversions.push({ from: divertedPath(lines[at]!), to: divertedPath(lines[at + 1]!), by: lines[at + 2]! });
  return diversions;
}

/** Scripts write the list too, with what they like. */
function divertedPath(line: string): string {
  const path = mergedPath(line.slice(1), false);
  checkPath(path);
  return path;
}
