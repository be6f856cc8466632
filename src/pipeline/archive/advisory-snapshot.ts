import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { isoSeconds } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { sha256Digest, type Digest } from "../../model/digest.ts";
import { listFeeds, type Advisory } from "../../store/advisories-records.ts";
import { listAdvisories } from "../../store/advisory-snapshot-records.ts";
import type { Database } from "../../store/database.ts";

/** A feed as a file: one OSV record a line, in the order of their ids. */
export interface FeedFile {
  readonly feed: string;
  readonly path: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly recordCount: number;
}

/** Writes every imported feed into a folder. */
export async function writeFeeds(db: Database, folder: string, signal: AbortSignal): Promise<FeedFile[]> {
  const files: FeedFile[] = [];
  for (const { name, dataAt } of await listFeeds(db))
    if (dataAt !== undefined)
      files.push(await writeFeed(db, { feed: name, path: join(folder, `${files.length}.jsonl`), signal }));
  return files;
}

async function writeFeed(
  db: Database,
  { feed, path, signal }: { readonly feed: string; readonly path: string; readonly signal: AbortSignal },
): Promise<FeedFile> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  let recordCount = 0;
  const handle = await open(path, "wx", 0o600);
  try {
    for (let after = ""; ;) {
      signal.throwIfAborted();
      const page = await listAdvisories(db, feed, after);
      if (page.length === 0) break;
      const bytes = Buffer.from(page.map((advisory) => `${JSON.stringify(osvRecord(advisory))}\n`).join(""));
      hash.update(bytes);
      sizeBytes += bytes.length;
      recordCount += page.length;
      await handle.writeFile(bytes);
      after = page.at(-1)!.id;
    }
  } finally {
    await handle.close();
  }
  return { feed, path, digest: sha256Digest(hash.digest("hex")), sizeBytes, recordCount };
}

/** An advisory as an OSV record that reads back as the same advisory. Source: OSV schema 1.7. */
function osvRecord(advisory: Advisory): unknown {
  const { id, modifiedAt, aliases, title, ratings, links, affected } = advisory;
  const word = ratings.find(({ scheme }) => scheme === "database");
  return {
    schema_version: "1.7.0",
    id,
    modified: isoSeconds(modifiedAt),
    ...(affected.length === 0 ? { withdrawn: isoSeconds(modifiedAt) } : {}),
    aliases,
    summary: title,
    severity: ratings.filter((one) => one !== word).map(({ scheme, value }) => ({ type: scheme, score: value })),
    ...(word === undefined ? {} : { database_specific: { severity: word.value } }),
    affected: affected.map(({ ecosystem, name, ranges, versions, rating }) => ({
      package: { ecosystem, name },
      ranges: ranges.map((events) => ({
        type: "ECOSYSTEM",
        events: events.map(([kind, version]) => ({ [kind]: version })),
      })),
      versions,
      ...(rating === undefined ? {} : { severity: [{ type: rating.scheme, score: rating.value }] }),
    })),
    references: links.map((url) => ({ type: "WEB", url })),
  };
}

/** Turns a feed's file into a folder with one file for each record, as feeds are imported. */
export async function unpackFeed(path: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  let count = 0;
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    if (line.length > limits.advisoryBytes)
      throw new Failure("advisory_invalid", "Cannot read the advisories of the archive: a record is too large");
    count += 1;
    await writeFile(join(folder, `R-${String(count).padStart(8, "0")}.json`), line, { flag: "wx", mode: 0o600 });
  }
}
