import { opendir, stat } from "node:fs/promises";
import { join } from "node:path";
import { tickMs } from "../base/clock.ts";

/** Tells the bytes under a folder; walks it at most once in `ageMs`, and once at a time. */
export function openSizeGauge(folder: string, ageMs: number): () => Promise<number> {
  let last: { readonly at: number; readonly size: Promise<number> } | undefined;
  return () => {
    if (last === undefined || tickMs() - last.at > ageMs) last = { at: tickMs(), size: sizeOf(folder) };
    return last.size;
  };
}

/** What vanishes while we look counts nothing. */
async function sizeOf(folder: string): Promise<number> {
  let total = 0;
  try {
    for await (const entry of await opendir(folder)) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) total += await sizeOf(path);
      else if (entry.isFile())
        total += await stat(path).then(
          (file) => file.size,
          () => 0,
        );
    }
  } catch {
    return total;
  }
  return total;
}
