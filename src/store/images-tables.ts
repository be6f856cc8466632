/** Rows of the tables that migration 0005 makes. Instants are integer milliseconds, documents are JSON as text. */
export interface ImageTables {
  stage_records: StageRecordTable;
  images: ImageTable;
  image_proofs: ImageProofTable;
}

/** What a stage gave for an input; never changed, so a stage run twice gives the same record. */
interface StageRecordTable {
  stage: string;
  /** SHA-256 in hex of the input and the stage's version. */
  input_sha256: string;
  output: string;
  created_at: number;
}

/** An image that was minted here. */
interface ImageTable {
  digest: string;
  repository: string;
  recipe: string;
  lock_digest: string;
  /** JSON of the summary as it was when the image was minted. */
  summary: string;
  built_at: number;
}

/** The outcome of a clean rebuild from the same lock. */
interface ImageProofTable {
  digest: string;
  /** `pending`, `yes` or `no`. */
  result: string;
  detail: string;
  at: number;
}
