import { lstatSync } from "node:fs";
import { join } from "node:path";

/** Whether a path below a root is there and no part of it a link, which would lead out of the root for us. */
export function isPlain(root: string, path: string): boolean {
  const parts = path.split("/");
  return parts.every((_, at) => {
    const found = lstatSync(join(root, ...parts.slice(0, at + 1)), { throwIfNoEntry: false });
    return found !== undefined && !found.isSymbolicLink();
  });
}
