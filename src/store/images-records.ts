import { nowMs } from "../base/clock.ts";
import { type Database } from "./database.ts";

/** What a stage gave for an input earlier, as JSON text; undefined where it has not run. */
export async function findStageRecord(db: Database, stage: string, inputSha256: string): Promise<string | undefined> {
  const row = await db
    .selectFrom("stage_records")
    .select("output")
    .where("stage", "=", stage)
    .where("input_sha256", "=", inputSha256)
    .executeTakeFirst();
  return row?.output;
}

/** Records what a stage gave; where products were lost and made again, the new record takes the old one's place. */
export async function putStageRecord(
  db: Database,
  record: { readonly stage: string; readonly inputSha256: string; readonly output: string },
): Promise<void> {
  await db
    .insertInto("stage_records")
    .values({ stage: record.stage, input_sha256: record.inputSha256, output: record.output, created_at: nowMs() })
    .onConflict((conflict) =>
      conflict.columns(["stage", "input_sha256"]).doUpdateSet({ output: record.output, created_at: nowMs() }),
    )
    .execute();
}

/** A minted image as it is stored. */
export interface ImageRecord {
  readonly digest: string;
  readonly repository: string;
  readonly recipe: string;
  readonly lockDigest: string;
  /** JSON. */
  readonly summary: string;
  readonly builtAtMs: number;
}

/** Records a minted image; minted again, its newest summary counts. */
export async function putImageRecord(db: Database, image: ImageRecord): Promise<void> {
  const row = {
    digest: image.digest,
    repository: image.repository,
    recipe: image.recipe,
    lock_digest: image.lockDigest,
    summary: image.summary,
    built_at: image.builtAtMs,
  };
  await db
    .insertInto("images")
    .values(row)
    .onConflict((conflict) =>
      conflict.column("digest").doUpdateSet({ summary: image.summary, lock_digest: image.lockDigest }),
    )
    .execute();
}

/** Minted images, newest first. */
export async function listImageRecords(db: Database, countMax: number): Promise<ImageRecord[]> {
  const rows = await db.selectFrom("images").selectAll().orderBy("built_at", "desc").limit(countMax).execute();
  return rows.map(({ digest, repository, recipe, lock_digest, summary, built_at }) => ({
    digest,
    repository,
    recipe,
    lockDigest: lock_digest,
    summary,
    builtAtMs: built_at,
  }));
}

/** A minted image by its digest. */
export async function findImageRecord(db: Database, digest: string): Promise<ImageRecord | undefined> {
  const row = await db.selectFrom("images").selectAll().where("digest", "=", digest).executeTakeFirst();
  if (row === undefined) return undefined;
  return {
    digest: row.digest,
    repository: row.repository,
    recipe: row.recipe,
    lockDigest: row.lock_digest,
    summary: row.summary,
    builtAtMs: row.built_at,
  };
}

/** What a clean rebuild says of an image: nothing was asked, it is under way, it agreed, or it did not. */
export type ProofResult = "pending" | "yes" | "no";

/** Adds the outcome of a rebuild; earlier ones stay. */
export async function addProof(
  db: Database,
  proof: { readonly digest: string; readonly result: ProofResult; readonly detail: string },
): Promise<void> {
  await db
    .insertInto("image_proofs")
    .values({ ...proof, at: nowMs() })
    .execute();
}

/** The newest outcome of a rebuild, with a sentence on it. */
export async function newestProof(
  db: Database,
  digest: string,
): Promise<{ readonly result: ProofResult; readonly detail: string } | undefined> {
  const row = await db
    .selectFrom("image_proofs")
    .select(["result", "detail"])
    .where("digest", "=", digest)
    .orderBy("at", "desc")
    .orderBy("result", "desc")
    .limit(1)
    .executeTakeFirst();
  return row === undefined ? undefined : { result: row.result as ProofResult, detail: row.detail };
}
