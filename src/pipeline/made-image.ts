import type { LoadedRecipe } from "../build/build.ts";
import type { Digest } from "../model/digest.ts";
import type { Distribution } from "../model/package.ts";
import type { ProvenanceRecord } from "../sign/sign.ts";

/** An image in the store, before anyone may see it. */
export interface MadeImage {
  readonly digest: Digest;
  readonly manifestBytes: string;
  readonly sizeBytes: number;
  readonly unpackedBytes: number;
  readonly layerCount: number;
  /** Whether a build from nothing but the lock is still to prove it. */
  readonly isProvisional: boolean;
}

/** What scan, gate, release and evidence must know of how an image was made, whichever way it was. */
export interface Making {
  readonly loaded: LoadedRecipe;
  readonly lockDigest: Digest;
  readonly architecture: string;
  readonly distribution: Distribution;
  /** Seconds since 1970 that the image bears as its time. */
  readonly epochSeconds: number;
  /** SHA-256 of archives by `name:architecture` of their packages, where known. */
  readonly archives: ReadonlyMap<string, string>;
  /** The copyright file of a package, where it is at hand. */
  copyrightOf(name: string): Promise<string | undefined>;
  /** What never moves in the name of the day's tag: `12` in `12-20260401`. */
  readonly tagStem: string;
  /** What the day's tag ends in, where the repository has images of several architectures: `-arm64`. */
  readonly tagSuffix?: string;
  /** Tags that move to each released image. */
  readonly floatingTags: readonly string[];
  readonly provenance: Pick<
    ProvenanceRecord,
    "buildType" | "externalParameters" | "internalParameters" | "lock" | "builderVersion"
  >;
}

/** An image with how it was made. */
export interface Made {
  readonly image: MadeImage;
  readonly making: Making;
}
