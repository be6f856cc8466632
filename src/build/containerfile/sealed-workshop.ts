import { join } from "node:path";
import { Failure } from "../../base/errors.ts";
import type { ContainerfileLock } from "../../model/containerfile-lock.ts";
import { parseDigest, sha256Digest, type Digest } from "../../model/digest.ts";
import type { BlobStore } from "../../store/blobs.ts";
import type { LoadedRecipe } from "../recipe.ts";
import { readBase } from "./base-images.ts";
import {
  containerfileLockChanges,
  containerfileLockPath,
  formatContainerfileLock,
  isContainerfileLock,
  isOtherContent,
  parseContainerfileLock,
  readContainerfileLock,
  writeContainerfileLock,
} from "./lock-file.ts";
import type * as SealedBuild from "./sealed-build.ts";

/** The part of the workshop that builds Containerfiles. */
export interface SealedWorkshop {
  /** Where the lock of a recipe lies. */
  lockPath(loaded: LoadedRecipe): string;
  readLock(loaded: LoadedRecipe): Promise<ContainerfileLock | undefined>;
  /** Writes the lock beside the recipe, unless the very same is there. */
  writeLock(loaded: LoadedRecipe, lock: ContainerfileLock): Promise<void>;
  keepLock(lock: ContainerfileLock): Promise<Digest>;
  lockOf(digest: Digest): Promise<ContainerfileLock>;
  /** Whether a digest of the store names a lock of this kind and not of packages. */
  isLock(digest: Digest): Promise<boolean>;
  /** The blobs that a lock names: bodies and bases with their layers. */
  needsOf(lock: ContainerfileLock): Promise<Digest[]>;
  /** What changed between two locks, a line each, packages first. */
  changes(before: ContainerfileLock | undefined, after: ContainerfileLock): string[];
  /** Whether packages, bases or the recipe differ, and not only what indexes say. */
  isOtherContent(before: ContainerfileLock, after: ContainerfileLock): boolean;
  /** Blobs of a lock that the store does not have, with what they are. */
  missing(lock: ContainerfileLock): Promise<string[]>;
  record(input: Parameters<typeof SealedBuild.recordBuild>[1]): Promise<SealedBuild.RecordedBuild>;
  replay(input: Parameters<typeof SealedBuild.replayBuild>[1]): Promise<SealedBuild.SealedImage>;
}

/** Loaded when there is something to build: it reads Containerfiles, and an idle server needs no parser. */
async function sealedBuild(): Promise<typeof SealedBuild> {
  return await import("./sealed-build.ts");
}

/** Opens the workshop's part for Containerfiles. */
export function openSealedWorkshop({
  blobs,
  cache,
}: {
  readonly blobs: BlobStore;
  readonly cache: string;
}): SealedWorkshop {
  const site = { blobs, folders: { bases: join(cache, "bases"), work: join(cache, "work") } };
  const pathOf = ({ folder, recipe }: LoadedRecipe): string => containerfileLockPath(folder, recipe.architecture);
  const textOf = async (digest: Digest): Promise<string> => (await blobs.read(digest)).toString("utf8");
  return {
    lockPath: pathOf,
    readLock: (loaded) => readContainerfileLock(pathOf(loaded)),
    async writeLock(loaded, lock) {
      const present = await readContainerfileLock(pathOf(loaded)).catch(() => undefined);
      if (present === undefined || formatContainerfileLock(present) !== formatContainerfileLock(lock))
        await writeContainerfileLock(pathOf(loaded), lock);
    },
    keepLock: async (lock) => (await blobs.put(Buffer.from(formatContainerfileLock(lock)))).digest,
    lockOf: async (digest) => parseContainerfileLock(await textOf(digest), digest),
    isLock: async (digest) => isContainerfileLock(await textOf(digest)),
    needsOf: (lock) => needsOf(blobs, lock),
    changes: containerfileLockChanges,
    isOtherContent,
    missing: (lock) => missing(blobs, lock),
    record: async (input) => await (await sealedBuild()).recordBuild(site, input),
    replay: async (input) => await (await sealedBuild()).replayBuild(site, input),
  };
}

async function needsOf(blobs: BlobStore, { bases, requests }: ContainerfileLock): Promise<Digest[]> {
  const needs = new Set<Digest>(requests.flatMap(({ sha256 }) => (sha256 === undefined ? [] : [sha256Digest(sha256)])));
  for (const { reference, digest } of bases) {
    const named = parseDigest(digest)!;
    needs.add(named);
    const base = await readBase(blobs, { reference, digest: named }).catch((error: unknown) => {
      if (error instanceof Failure && error.code === "not_found") return undefined;
      throw error;
    });
    for (const part of base === undefined ? [] : [base.manifest.config, ...base.manifest.layers])
      needs.add(part.digest);
  }
  return [...needs];
}

async function missing(blobs: BlobStore, { bases, requests }: ContainerfileLock): Promise<string[]> {
  const lost: string[] = [];
  for (const { reference, digest } of bases)
    if (!(await isWhole(blobs, reference, parseDigest(digest)!))) lost.push(`base ${reference}`);
  for (const { address, sha256 } of requests)
    if (sha256 !== undefined && (await blobs.stat(sha256Digest(sha256))) === undefined) lost.push(address);
  return lost;
}

async function isWhole(blobs: BlobStore, reference: string, digest: Digest): Promise<boolean> {
  try {
    await readBase(blobs, { reference, digest });
    return true;
  } catch (error) {
    if (error instanceof Failure && error.code === "not_found") return false;
    throw error;
  }
}
