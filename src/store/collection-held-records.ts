import { type Digest } from "../model/digest.ts";
import { type Database } from "./database.ts";

/** What the record of a minted image names. */
export interface ImageHold {
  readonly digest: Digest;
  readonly lockDigest: Digest;
  /** JSON of the summary, which names the evidence. */
  readonly summary: string;
  /** Whether a repository or the trash still has the image. */
  readonly isThere: boolean;
}

/** A page of records in the order of their digests, after another. */
interface HoldPage {
  readonly after: string;
  readonly limit: number;
}

/** The records of minted images. */
export async function listImageHolds(db: Database, page: HoldPage): Promise<ImageHold[]> {
  const rows = await db
    .selectFrom("images")
    .select(({ exists, or, selectFrom }) => [
      "images.digest",
      "images.lock_digest",
      "images.summary",
      or([
        exists(selectFrom("manifests").select("manifests.digest").whereRef("manifests.digest", "=", "images.digest")),
        exists(
          selectFrom("trashed_manifests")
            .select("trashed_manifests.digest")
            .whereRef("trashed_manifests.digest", "=", "images.digest"),
        ),
      ]).as("isThere"),
    ])
    .where("images.digest", ">", page.after)
    .orderBy("images.digest")
    .limit(page.limit)
    .execute();
  return rows.map(({ digest, lock_digest, summary, isThere }) => ({
    digest: digest as Digest,
    lockDigest: lock_digest as Digest,
    summary,
    isThere: Number(isThere) === 1,
  }));
}

/** What the stages of builds gave since an instant, as JSON texts, after the record with a key. */
export async function listStageOutputs(
  db: Database,
  page: HoldPage & { readonly since: number },
): Promise<{ readonly key: string; readonly stage: string; readonly output: string }[]> {
  return await db
    .selectFrom("stage_records")
    .select(["input_sha256 as key", "stage", "output"])
    .where("created_at", ">=", page.since)
    .where("input_sha256", ">", page.after)
    .orderBy("input_sha256")
    .limit(page.limit)
    .execute();
}

/** A build or proof that is queued or running, or began since an instant, with what its steps gave so far. */
export interface BuildHold {
  readonly id: string;
  /** JSON texts: its input and the outputs of its steps. */
  readonly texts: readonly string[];
}

/** Builds and proofs that are under way or began since an instant. */
export async function listBuildHolds(db: Database, page: HoldPage & { readonly since: number }): Promise<BuildHold[]> {
  const runs = await db
    .selectFrom("runs")
    .select(["id", "input"])
    .where("definition", "in", ["build", "proof"])
    .where(({ eb, or }) => or([eb("state", "in", ["queued", "running"]), eb("created_at", ">=", page.since)]))
    .where("id", ">", page.after)
    .orderBy("id")
    .limit(page.limit)
    .execute();
  if (runs.length === 0) return [];
  const steps = await db
    .selectFrom("run_steps")
    .select(["run_id", "output"])
    .where(
      "run_id",
      "in",
      runs.map(({ id }) => id),
    )
    .where("output", "is not", null)
    .execute();
  const outputs = Map.groupBy(steps, (step) => step.run_id);
  return runs.map(({ id, input }) => ({
    id,
    texts: [input, ...(outputs.get(id) ?? []).map(({ output }) => output ?? "")],
  }));
}
