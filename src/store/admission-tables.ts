import type { Digest } from "../model/digest.ts";

/** The tables of admission. Instants are integer milliseconds, documents are JSON as text. */
export interface AdmissionTables {
  image_scans: ImageScanTable;
  pull_gates: PullGateTable;
}

/** What is known of the packages of one image, whatever repositories hold it; the row is made with its first push. */
interface ImageScanTable {
  readonly digest: Digest;
  /** A repository that it was pushed to: its blobs are read and its events are told under this name. */
  repository: string;
  /** Source: admission-records.ts, ScanState. */
  state: string;
  /** Above 0 where somebody waits for it. */
  priority: number;
  /** How often the work began; counted before it does, so that an image that kills the process is given up. */
  attempts: number;
  /** The job that does or did it; its events are the log. */
  run_id: string | null;
  /** Why it failed, or why the image has no verdict. */
  reason: string | null;
  queued_at: number;
  /** Not before this instant. */
  due_at: number;
  started_at: number | null;
  ended_at: number | null;
  /** JSON of what was read: distribution, databases, what is left out, and the counts. */
  catalogue: string | null;
  /** The package list: JSON, zstd. */
  packages: Uint8Array | null;
  /** JSON of the findings that came with an image of our own: its build knew the signed security suites. */
  own_findings: string | null;
  /** JSON of the newest counts of findings. */
  summary: string | null;
  /** The advisories by which the summary was made. */
  summary_of: string | null;
}

/** What a project asks of an image before it gives it out. */
interface PullGateTable {
  readonly project: string;
  /** JSON; source: model/pull-gate.ts. */
  document: string;
  changed_at: number;
  changed_by: string;
}
