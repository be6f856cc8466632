import { statfs } from "node:fs/promises";
import { Failure } from "../../base/errors.ts";
import { limits } from "../../base/limits.ts";

/** How long a build may run, and how full it may make the disk. */
export interface Bounds {
  /** Aborted on the caller's wish or by a bound. */
  readonly signal: AbortSignal;
  /** The bound that was reached. */
  reached(): Failure | undefined;
  close(): void;
}

interface BoundsInput {
  /** A folder on the disk that the build fills. */
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly maxMs?: number;
  readonly reserveBytes?: number;
}

const lookMs = 2000;

/** Watches a build that may be made never to end, or to write until nothing is left for others. */
export function openBounds({
  folder,
  signal,
  maxMs = limits.sealedBuildMs,
  reserveBytes = limits.diskReserveBytes,
}: BoundsInput): Bounds {
  const own = new AbortController();
  let failure: Failure | undefined;
  const stop = (reached: Failure): void => {
    failure ??= reached;
    own.abort();
  };
  const timer = setTimeout(() => stop(tookTooLong(maxMs)), maxMs);
  const look = setInterval(() => {
    statfs(folder).then(
      ({ bavail, bsize }) => bavail * bsize < reserveBytes && stop(noRoom(folder, reserveBytes)),
      () => undefined,
    );
  }, lookMs);
  return {
    signal: AbortSignal.any([signal, own.signal]),
    reached: () => failure,
    close() {
      clearTimeout(timer);
      clearInterval(look);
    },
  };
}

function tookTooLong(maxMs: number): Failure {
  return new Failure("script_failed", `Stopped the build: it ran for over ${Math.round(maxMs / 60_000)} minutes`, {
    hint: "The last instruction in the log did not end; a build waits for nobody's input",
  });
}

function noRoom(folder: string, reserveBytes: number): Failure {
  return new Failure(
    "disk_full",
    `Stopped the build: it left less than ${Math.round(reserveBytes / 1024 / 1024)} MiB on the disk of "${folder}"`,
    { hint: "Make room, or have the Containerfile write less" },
  );
}
