import { createHash } from "node:crypto";
import { constants } from "node:fs";
import {
  chmod,
  copyFile,
  lstat,
  lutimes,
  mkdir,
  readFile,
  readdir,
  readlink,
  realpath,
  symlink,
  utimes,
} from "node:fs/promises";
import { join, sep } from "node:path";
import { Failure, systemCodeOf } from "../../base/errors.ts";
import { sha256Hex, sha256OfFile } from "../../base/hash.ts";
import { readIgnoreList } from "./ignore-list.ts";

/** One file, folder or link of the context. */
interface ContextEntry {
  /** Relative, with slashes. */
  readonly path: string;
  readonly kind: "file" | "folder" | "symlink";
  readonly isExecutable: boolean;
  /** SHA-256 of the content in hex; the target of a link; empty for a folder. */
  readonly content: string;
}

/** The files that COPY and ADD can reach, as far as they can matter to the image. */
export interface BuildContextFiles {
  readonly folder: string;
  readonly entries: readonly ContextEntry[];
  /** Over paths, kinds, executable bits and contents: owners, other modes and times do not count. */
  readonly sha256: string;
  readonly fileCount: number;
}

/** Files of a context above this are surely a mistake, such as a data folder. */
const fileCountMax = 100_000;
/** Never part of a context: our locks change with each build that they describe. */
const left = /^(?:\.git|lock\.[^/]*\.json)$/;

/**
 * Reads a context folder without what `.containerignore` or `.dockerignore` leave out.
 *
 * @throws Failure `recipe_invalid` where it is outside the recipe's folder or too large
 */
export async function readContext(recipeFolder: string, subfolder: string): Promise<BuildContextFiles> {
  const root = await realpath(recipeFolder);
  const folder = await realpath(join(recipeFolder, subfolder)).catch((error: unknown) => {
    throw new Failure("recipe_invalid", `Cannot use the context "${subfolder}": it does not exist`, { cause: error });
  });
  if (folder !== root && !folder.startsWith(root + sep))
    throw new Failure("recipe_invalid", `Cannot use the context "${subfolder}": it lies outside the recipe's folder`);
  const isIgnored = readIgnoreList((await ignoreFile(folder)) ?? "");
  const entries: ContextEntry[] = [];
  await walk(folder, "", { entries, isIgnored });
  entries.sort((a, b) => (a.path < b.path ? -1 : 1));
  const hash = createHash("sha256");
  for (const { path, kind, isExecutable, content } of entries)
    hash.update(`${JSON.stringify([path, kind, isExecutable, content])}\n`);
  const fileCount = entries.filter(({ kind }) => kind !== "folder").length;
  return { folder, entries, sha256: hash.digest("hex"), fileCount };
}

async function ignoreFile(folder: string): Promise<string | undefined> {
  for (const name of [".containerignore", ".dockerignore"])
    try {
      return await readFile(join(folder, name), "utf8");
    } catch (error) {
      if (systemCodeOf(error) !== "ENOENT") throw error;
    }
  return undefined;
}

interface Walk {
  readonly entries: ContextEntry[];
  readonly isIgnored: (path: string) => boolean;
}

async function walk(folder: string, prefix: string, site: Walk): Promise<void> {
  for (const name of await readdir(join(folder, prefix))) {
    const path = prefix === "" ? name : `${prefix}/${name}`;
    if (prefix === "" && left.test(name)) continue;
    const full = join(folder, path);
    const stat = await lstat(full);
    // What a folder that is left out holds may have been taken in again by name.
    if (stat.isDirectory()) {
      const at = site.entries.length;
      await walk(folder, path, site);
      if (!site.isIgnored(path) || site.entries.length > at)
        site.entries.push({ path, kind: "folder", isExecutable: true, content: "" });
      continue;
    }
    if (site.isIgnored(path)) continue;
    if (stat.isSymbolicLink())
      site.entries.push({ path, kind: "symlink", isExecutable: false, content: await readlink(full) });
    else if (stat.isFile())
      site.entries.push({
        path,
        kind: "file",
        isExecutable: (stat.mode & 0o100) !== 0,
        content: stat.size < 1024 * 1024 ? sha256Hex(await readFile(full)) : await sha256OfFile(full),
      });
    if (site.entries.length > fileCountMax)
      throw new Failure("recipe_invalid", `Cannot use the context: it has more than ${fileCountMax} files`, {
        hint: "Leave out what the image does not need with a .containerignore",
      });
  }
}

/** Copies a context with the modes and times that every machine gives it: umask and checkout must not show. */
export async function stageContext(
  { folder, entries }: BuildContextFiles,
  target: string,
  epochSeconds: number,
): Promise<void> {
  await mkdir(target, { recursive: true });
  for (const { path, kind, isExecutable, content } of entries) {
    const to = join(target, path);
    if (kind === "folder") {
      await mkdir(to, { recursive: true });
      await chmod(to, 0o755);
    } else if (kind === "symlink") {
      await symlink(content, to);
      await lutimes(to, epochSeconds, epochSeconds);
    } else {
      await copyFile(join(folder, path), to, constants.COPYFILE_FICLONE);
      await chmod(to, isExecutable ? 0o755 : 0o644);
      await utimes(to, epochSeconds, epochSeconds);
    }
  }
  for (const { path, kind } of entries.toReversed())
    if (kind === "folder") await utimes(join(target, path), epochSeconds, epochSeconds);
}
