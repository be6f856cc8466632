import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { PackageTree } from "./unpack-packages.ts";

/** A regular file of an unpacked package; undefined where there is none at the path. */
export async function readTreeFile({ tree, index }: PackageTree, path: string): Promise<Buffer | undefined> {
  const entry = index.entries.find((candidate) => candidate.path === path);
  if (entry === undefined) return undefined;
  if (entry.inline !== undefined) return Buffer.from(entry.inline, "base64");
  return entry.kind === "file" ? readFile(join(tree, "root", path)) : undefined;
}
