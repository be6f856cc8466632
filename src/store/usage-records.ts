import { type Digest } from "../model/digest.ts";
import { type Database } from "./database.ts";

/** Pulls of one manifest of a repository, or of one of its tags. */
export interface PullCount {
  readonly repository: string;
  /** The tag that was asked for; undefined counts for the manifest. */
  readonly tag: string | undefined;
  readonly digest: Digest;
  readonly count: number;
  /** The last of them; milliseconds since 1970. */
  readonly lastAt: number;
}

/** Adds pulls to what is known of tags and manifests; those that are gone by now are let be. Call it in a transaction. */
export async function addPulls(db: Database, pulls: readonly PullCount[]): Promise<void> {
  for (const { repository, tag, digest, count, lastAt } of pulls)
    if (tag === undefined)
      await db
        .updateTable("manifests")
        .set((row) => ({ pulled_at: lastAt, pull_count: row("pull_count", "+", count) }))
        .where("repository", "=", repository)
        .where("digest", "=", digest)
        .execute();
    else
      await db
        .updateTable("tags")
        .set((row) => ({ pulled_at: lastAt, pull_count: row("pull_count", "+", count) }))
        .where("repository", "=", repository)
        .where("name", "=", tag)
        .execute();
}
