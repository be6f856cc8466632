import { createReadStream } from "node:fs";
import { fileURLToPath } from "node:url";
import { sleep } from "../../base/clock.ts";
import { Failure, messageOf } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";
import { mapParallel } from "../../base/pool.ts";
import { sha256Digest } from "../../model/digest.ts";
import type { Lock, LockedPackage } from "../../model/lock.ts";
import type { BlobStore } from "../../store/blobs.ts";
import type { AptSource } from "../apt/sources.ts";

interface FetchInput {
  readonly lock: Pick<Lock, "indexes" | "packages">;
  readonly sources: readonly AptSource[];
  readonly blobs: BlobStore;
  readonly signal: AbortSignal;
  /** Called after each package with bytes done and bytes in all. */
  readonly onProgress: (doneBytes: number, totalBytes: number) => void;
}

/**
 * Brings every locked archive that the store lacks, several at a time; the store checks each digest.
 *
 * What arrived stays when a later one fails, so that the next run goes on from there.
 *
 * @returns how many archives and bytes came over the network
 * @throws Failure `upstream_unreachable` or `digest_mismatch`
 */
export async function fetchPackages({
  lock,
  sources,
  blobs,
  signal,
  onProgress,
}: FetchInput): Promise<{ readonly count: number; readonly bytes: number }> {
  const present = await mapParallel(lock.packages, 16, (entry) => blobs.stat(sha256Digest(entry.sha256)));
  const missing = lock.packages.filter((_, at) => present[at] === undefined);
  const totalBytes = missing.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  let doneBytes = 0;
  if (missing.length > 0 && sources.length === 0) throw absent(missing);
  await mapParallel(missing, limits.downloads, async (entry) => {
    await fetchPackage(entry, { uri: archiveOf(lock, entry, sources), blobs, signal });
    doneBytes += entry.sizeBytes;
    onProgress(doneBytes, totalBytes);
  });
  return { count: missing.length, bytes: totalBytes };
}

/** Of a build that may ask nobody. */
function absent(missing: readonly LockedPackage[]): Failure {
  const [first, ...others] = missing;
  const more = others.length === 0 ? "" : ` and ${others.length} more`;
  return new Failure("not_found", `Cannot build offline: the store lacks "${first!.name}" ${first!.version}${more}`, {
    hint: "Build once without --locked: that fetches what the lock names; or bring the store from where it was built",
    details: { packages: missing.map(({ name, version }) => `${name} ${version}`) },
  });
}

function archiveOf(lock: Pick<Lock, "indexes">, entry: LockedPackage, sources: readonly AptSource[]): string {
  const suite = lock.indexes[entry.index]?.suite;
  const source = sources.find((candidate) => candidate.suite === suite);
  if (source === undefined)
    throw new Failure("upstream_unreachable", `Cannot fetch "${entry.name}": no source offers the suite "${suite}"`, {
      hint: "Set upstreams.apt in the configuration, or build on a machine that has the package in its store",
    });
  return source.uri.replace(/\/*$/, "/");
}

interface Target {
  readonly uri: string;
  readonly blobs: BlobStore;
  readonly signal: AbortSignal;
}

const attempts = 3;

async function fetchPackage(entry: LockedPackage, { uri, blobs, signal }: Target): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      const body = await open(new URL(entry.path.split("/").map(encodeURIComponent).join("/"), uri), signal);
      await blobs.put(body, {
        expected: sha256Digest(entry.sha256),
        limitBytes: Math.min(entry.sizeBytes, limits.debBytes),
      });
      return;
    } catch (error) {
      if (signal.aborted) throw new Failure("cancelled", `Stopped fetching "${entry.name}" on request`);
      if (error instanceof Failure && error.code !== "upstream_unreachable") throw named(error, entry);
      if (attempt >= attempts) throw unreachable(entry, error);
      await sleep(500 * 2 ** attempt, signal);
    }
  }
}

async function open(url: URL, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
  if (url.protocol === "file:") return createReadStream(fileURLToPath(url), { highWaterMark: limits.chunkBytes });
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw new Failure(
      "config_invalid",
      `Cannot fetch packages by "${url.protocol}": only http, https and file are read`,
    );
  const headers = new AbortController();
  const timer = setTimeout(() => headers.abort(new Error("no answer in time")), limits.upstreamHeadersMs);
  const response = await fetch(url, { signal: AbortSignal.any([signal, headers.signal]) }).finally(() =>
    clearTimeout(timer),
  );
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw new Failure("upstream_unreachable", `The archive answered ${response.status}`);
  }
  return withIdleLimit(response.body, headers);
}

/** Ends a download that stands still: a slow archive is waited for, a dead one is not. */
async function* withIdleLimit(
  body: AsyncIterable<Uint8Array>,
  controller: AbortController,
): AsyncGenerator<Uint8Array> {
  let timer: NodeJS.Timeout | undefined;
  const rearm = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => controller.abort(new Error("the download stood still")), limits.upstreamIdleMs);
  };
  try {
    rearm();
    for await (const chunk of body) {
      rearm();
      yield chunk;
    }
  } finally {
    clearTimeout(timer);
  }
}

function named(error: Failure, entry: LockedPackage): Failure {
  if (error.code !== "digest_mismatch" && error.code !== "too_large") return error;
  return new Failure(
    "digest_mismatch",
    `Cannot take the package "${entry.name}" ${entry.version}: the archive served other bytes than its signed index promises`,
    {
      hint: "The mirror is broken or tampered with; nothing of this package was kept",
      details: error.details,
      cause: error,
    },
  );
}

function unreachable(entry: LockedPackage, cause: unknown): Failure {
  return new Failure(
    "upstream_unreachable",
    `Cannot fetch the package "${entry.name}" ${entry.version}: ${messageOf(cause)}`,
    {
      hint: "What was fetched is kept; run the command again when the archive answers. If it no longer has this version, make a new lock with --update",
      cause,
    },
  );
}
