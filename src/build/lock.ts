import { join } from "node:path";
import { writeFileAtomic } from "../base/files.ts";
import { lockSchema, type Lock, type LockedPackage } from "../model/lock.ts";
import type { Distribution } from "../model/package.ts";
import type { VerifiedIndex } from "./apt/index-chain.ts";
import type { ResolvedPackage } from "./apt/resolve.ts";
import { sourceOf } from "./control-file.ts";
import { planLayers } from "./layer-plan.ts";
import { parseLockText, readLockFile, type LockForm } from "./lock-text.ts";
import type { LoadedRecipe } from "./recipe.ts";

interface LockInput {
  readonly loaded: LoadedRecipe;
  readonly distribution: Distribution;
  readonly indexes: readonly VerifiedIndex[];
  readonly packages: readonly ResolvedPackage[];
  readonly resolverVersion: string;
  /** The lock that this one replaces: packages keep their layers. */
  readonly previous: Lock | undefined;
}

/** Writes down the whole chain from signed index to each archive. */
export function makeLock({ loaded, distribution, indexes, packages, resolverVersion, previous }: LockInput): Lock {
  const sizes = new Map<string, number>();
  for (const { record } of packages) {
    const { source } = sourceOf(record);
    sizes.set(source, (sizes.get(source) ?? 0) + Number(record.get("Size")));
  }
  const kept = new Map(previous?.packages.map(({ source, layer }) => [source, layer]));
  const plan = planLayers(
    [...sizes].map(([source, sizeBytes]) => ({ source, sizeBytes })),
    loaded.recipe.layers.budget,
    kept,
  );
  return lockSchema.parse({
    schemaVersion: 1,
    recipe: { name: loaded.recipe.name, sha256: loaded.sha256 },
    distribution,
    architecture: loaded.recipe.architecture,
    epochSeconds: Math.max(...indexes.map(({ locked }) => locked.dateSeconds)),
    resolver: { name: "apt", version: resolverVersion },
    indexes: indexes.map(({ locked }) => locked),
    packages: packages.map((chosen) => lockedPackage(chosen, plan)),
  } satisfies Lock);
}

function lockedPackage(
  { record, sha256, index, requested, essential }: ResolvedPackage,
  plan: ReadonlyMap<string, number>,
): LockedPackage {
  const { source, sourceVersion } = sourceOf(record);
  return {
    name: record.get("Package")!,
    version: record.get("Version")!,
    architecture: record.get("Architecture")!,
    source,
    sourceVersion,
    path: record.get("Filename")!,
    sizeBytes: Number(record.get("Size")),
    sha256,
    index,
    requested,
    essential,
    layer: plan.get(source)!,
  };
}

/** Where the lock of a recipe lies: beside its image.yaml, one for each distribution and architecture. */
export function lockPath(folder: string, distribution: Distribution, architecture: string): string {
  return join(folder, `lock.${distribution.id}-${distribution.version}-${architecture}.json`);
}

/** A lock as text: one package a line, so that a diff shows packages. */
export function formatLock(lock: Lock): string {
  const { packages, indexes, ...head } = lock;
  const lines = (items: readonly unknown[]): string => items.map((item) => `    ${JSON.stringify(item)}`).join(",\n");
  const body = JSON.stringify(head, undefined, 2).slice(0, -2);
  return `${body},\n  "indexes": [\n${lines(indexes)}\n  ],\n  "packages": [\n${lines(packages)}\n  ]\n}\n`;
}

/** Writes a lock so that no reader sees half of it. */
export function writeLock(path: string, lock: Lock): Promise<void> {
  return writeFileAtomic(path, formatLock(lock));
}

const form: LockForm<Lock> = { schema: lockSchema, remedy: "mintmark lock RECIPE" };

/** Reads a lock; undefined where there is none. @throws Failure `lock_invalid` */
export async function readLock(path: string): Promise<Lock | undefined> {
  return await readLockFile(path, form);
}

/** Reads the text of a lock; `name` is for the message. @throws Failure `lock_invalid` */
export function parseLock(text: string, name: string): Lock {
  return parseLockText(text, name, form);
}

/** What changed between two locks, a line each, in the order of names. */
export function lockChanges(before: Lock | undefined, after: Lock): string[] {
  const old = new Map(before?.packages.map((entry) => [entry.name, entry]));
  const changes: string[] = [];
  for (const { name, version, sha256 } of after.packages) {
    const was = old.get(name);
    old.delete(name);
    if (was === undefined) changes.push(`+ ${name} ${version}`);
    else if (was.version !== version) changes.push(`~ ${name} ${was.version} → ${version}`);
    else if (was.sha256 !== sha256) changes.push(`! ${name} ${version}: same version, other archive`);
  }
  for (const { name, version } of old.values()) changes.push(`- ${name} ${version}`);
  return changes;
}
