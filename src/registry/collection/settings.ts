/** How long things are let be before a collection takes them, all in milliseconds. */
export interface CollectionSettings {
  /** Blobs that no manifest names stay for so long after somebody last asked for them or pushed them. */
  readonly graceMs: number;
  /** Whether manifests that nothing reaches go at all. */
  readonly deleteUntagged: boolean;
  /** They stay for so long after they were last pushed or pulled, or lost a tag. */
  readonly untaggedMs: number;
  /** What was taken can come back for so long. */
  readonly trashMs: number;
  /** Uploads that nobody goes on with stay for so long. */
  readonly uploadMs: number;
}

/** A collection that somebody asks for; what is left out is as configured. */
export interface CollectionRequest extends Partial<CollectionSettings> {
  readonly actor: string;
  /** Finds out what would be taken, and takes nothing. */
  readonly dryRun?: boolean;
}

/** The settings of one run, with the instants that follow from them; they stay as they are when it is resumed. */
export interface RunSettings extends CollectionSettings {
  readonly dryRun: boolean;
  readonly startedAt: number;
}

/** What a collection did, or would do. */
export interface CollectionReport {
  readonly dryRun: boolean;
  /** Uploads that nobody went on with, and what was being written when something ended. */
  uploads: number;
  /** Manifests that went into the trash. */
  trashedManifests: number;
  /** Blobs that left a repository for the trash; one in two repositories counts twice. */
  trashedBlobs: number;
  /** Manifests whose time in the trash was over. */
  purgedManifests: number;
  /** Blobs of repositories whose time in the trash was over. */
  purgedBlobs: number;
  /** Files of blobs that were removed. */
  removedBlobs: number;
  /** Bytes that the disk has back: files of blobs, uploads, and what was being written. */
  freedBytes: number;
  /** What was found to be garbage but was needed again in the moment before it went. */
  spared: number;
  /** Files of blobs that stay, by the reason. */
  stays: { linked: number; trash: number; held: number; fresh: number };
  /** Bytes of all blobs afterwards. */
  storedBytes: number;
}

/** A report before anything was done. */
export function emptyReport(dryRun: boolean): CollectionReport {
  return {
    dryRun,
    uploads: 0,
    trashedManifests: 0,
    trashedBlobs: 0,
    purgedManifests: 0,
    purgedBlobs: 0,
    removedBlobs: 0,
    freedBytes: 0,
    spared: 0,
    stays: { linked: 0, trash: 0, held: 0, fresh: 0 },
    storedBytes: 0,
  };
}
