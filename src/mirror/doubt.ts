import { nowMs } from "../base/clock.ts";
import { findMirrorEntry } from "../store/mirror-entry-records.ts";
import { expireMirrorRenderings } from "../store/mirror-rendering-records.ts";
import { confirmEntry } from "./kept-entries.ts";
import { type Leaf } from "./repositories.ts";
import { type Site } from "./site.ts";

/**
 * Has documents asked for anew at their next use: an upstream gave other bytes than they say, so it may have moved on
 * since. What is claimed itself is right for ever and stays.
 */
export async function doubtDocuments(site: Site, leaf: Leaf, sources: ReadonlySet<string>): Promise<void> {
  const { settings } = leaf;
  const { db } = site.store;
  const doubted: string[] = [];
  for (const key of sources) {
    const entry = await findMirrorEntry(db, { repository: settings.name, kind: "document", key });
    if (entry === undefined || entry.claim !== undefined) continue;
    // No older than that: should the upstream fail now, it may still be given out.
    const checkedAt = Math.min(entry.checkedAt, nowMs() - settings.metadataSeconds * 1000);
    await confirmEntry(site, leaf, { entry, now: { checkedAt, etag: entry.etag, modified: entry.modified } });
    doubted.push(key);
  }
  if (doubted.length === 0) return;
  await expireMirrorRenderings(db, site.repositories.around(settings.name), { sources: doubted, subject: undefined });
}
