import { type Digest } from "../model/digest.ts";

/** A word that people put on images. */
interface LabelsTable {
  /** Counts up; Harbor's clients name labels by it. */
  readonly id: number;
  name: string;
  description: string;
  /** As in CSS; empty for none. */
  color: string;
  /** Empty for labels of the whole system. */
  readonly project: string;
  readonly created_at: number;
  changed_at: number;
}

/** That an image has a label. Rows of images that are gone say nothing, and count again when those come back. */
interface ImageLabelsTable {
  readonly label: number;
  readonly repository: string;
  readonly digest: Digest;
}

/** What is written about a repository. */
interface RepositoryDescriptionsTable {
  readonly repository: string;
  description: string;
  changed_at: number;
}

/** What a client of Harbor's API sent about something, to be shown to it again for as long as it is still so. */
interface HarborEchoesTable {
  readonly kind: string;
  readonly subject: string;
  /** JSON, without secrets. */
  sent: string;
  /** JSON of what it came to here; once that is another, the echo says nothing. */
  meaning: string;
}

/** The tables that Harbor's API alone needs. */
export interface HarborTables {
  labels: LabelsTable;
  image_labels: ImageLabelsTable;
  repository_descriptions: RepositoryDescriptionsTable;
  harbor_echoes: HarborEchoesTable;
}
