import { type ExceptionTables } from "./exception-tables.ts";

/** Rows of the tables that migration 0004 makes. Instants are integer milliseconds, documents are JSON as text. */
export interface AdvisoryTables extends ExceptionTables {
  advisory_feeds: AdvisoryFeedTable;
  advisories: AdvisoryTable;
  advisory_packages: AdvisoryPackageTable;
}

/** A source of advisories; `generation` is the newest complete import and the only one that readers see. */
interface AdvisoryFeedTable {
  /** `osv/Debian` … */
  name: string;
  /** Where it came from, for people: a path or an address without secrets. */
  source: string;
  generation: number;
  /** Fence of the running import: only its holder may write. */
  importer: string | null;
  /** Instant of the newest content; null while nothing was imported. */
  data_at: number | null;
  imported_at: number | null;
  record_count: number;
  /** JSON object: ecosystem to number of affected packages. */
  ecosystems: string;
}

/** One version of one record, visible at generation G where added_in <= G < removed_in. */
interface AdvisoryTable {
  key: string;
  feed: string;
  /** The feed's own id. */
  id: string;
  modified_at: number;
  added_in: number;
  removed_in: number;
  /** JSON of the description; versions stand in advisory_packages. */
  body: string;
}

/** One affected package of one version of a record, visible as its record is. */
interface AdvisoryPackageTable {
  advisory_key: string;
  feed: string;
  ecosystem: string;
  package: string;
  added_in: number;
  removed_in: number;
  /** JSON of ranges, versions and the distribution's own rating. */
  extent: string;
}
