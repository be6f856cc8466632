import { createReadStream } from "node:fs";
import type { AptRepository } from "../fixtures/apt-repository.ts";
import { bootstrap } from "../fixtures/mmdebstrap.ts";
import { treeOfTar, type Tree } from "../fixtures/tree.ts";

interface OracleOptions {
  readonly repository: AptRepository;
  readonly names: readonly string[];
  /** Further arguments of mmdebstrap. */
  readonly extra?: readonly string[];
  /** Where the tar is written. */
  readonly target: string;
  /** Later file times are clamped to it, as our own driver does with the lock's epoch. */
  readonly epochSeconds: number;
}

/**
 * The root that mmdebstrap makes of packages: what our own driver must equal.
 *
 * @throws Error with mmdebstrap's output where it fails
 */
export async function oracleTree({
  repository,
  names,
  target,
  extra = [],
  epochSeconds,
}: OracleOptions): Promise<Tree> {
  const { code, output } = await bootstrap({ repository, names, target, extra, epochSeconds });
  if (code !== 0) throw new Error(`mmdebstrap failed: ${output.trim().split("\n").slice(-20).join("\n")}`);
  return treeOfTar(createReadStream(target, { highWaterMark: 1 << 20 }));
}
