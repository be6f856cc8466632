import { readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import { limits } from "../../base/limits.ts";
import type { LockedPackage } from "../../model/lock.ts";
import { parseParagraph, sourceOf, type Paragraph } from "../control-file.ts";
import type { PackageTree } from "../trees/unpack-packages.ts";
import type { VerifiedIndex } from "./index-chain.ts";

/** What a signed security suite offers for a locked package. */
interface SecurityOffer {
  readonly name: string;
  readonly architecture: string;
  readonly source: string;
  readonly candidateVersion: string;
  readonly candidateSourceVersion: string;
  readonly suite: string;
  /** `Date` of the signed index, seconds since 1970. */
  readonly dateSeconds: number;
  /** Enough to fetch it. */
  readonly archive: LockedPackage;
}

/** The security suites as they stand: what they hold in all, and what of it is about some packages. */
export interface SecurityContent {
  readonly packageCount: number;
  /** Newest `Date` of the signed indexes, seconds since 1970; 0 where the target has no security suite. */
  readonly dateSeconds: number;
  /** For the packages of a lock, in all versions that the suites hold. */
  readonly offers: readonly SecurityOffer[];
}

/** Reads the security suites for some packages. */
export async function readSecurity(
  indexes: readonly VerifiedIndex[],
  packages: readonly { readonly name: string }[],
): Promise<SecurityContent> {
  const names = new Set(packages.map(({ name }) => name));
  const offers: SecurityOffer[] = [];
  let packageCount = 0;
  let dateSeconds = 0;
  for (const [index, { locked, listPaths }] of indexes.entries()) {
    if (!locked.suite.endsWith("-security")) continue;
    dateSeconds = Math.max(dateSeconds, locked.dateSeconds);
    for (const path of listPaths)
      for (const text of (await readFile(path, "utf8")).split("\n\n")) {
        const name = /^Package: (\S+)$/m.exec(text)?.[1];
        if (name !== undefined) packageCount++;
        if (name !== undefined && names.has(name)) offers.push(offer(parseParagraph(text), index, locked));
      }
  }
  return { packageCount, dateSeconds, offers };
}

function offer(record: Paragraph, index: number, locked: VerifiedIndex["locked"]): SecurityOffer {
  const { source, sourceVersion } = sourceOf(record);
  const name = record.get("Package")!;
  const version = record.get("Version")!;
  const architecture = record.get("Architecture")!;
  return {
    name,
    architecture,
    source,
    candidateVersion: version,
    candidateSourceVersion: sourceVersion,
    suite: locked.suite,
    dateSeconds: locked.dateSeconds,
    archive: {
      name,
      version,
      architecture,
      source,
      sourceVersion,
      path: record.get("Filename")!,
      sizeBytes: Number(record.get("Size")),
      sha256: record.get("SHA256")!,
      index,
      requested: false,
      essential: false,
      layer: 0,
    },
  };
}

/** Where packages keep their changelog: Debian's own first, a native package's second. */
function changelogPaths(name: string): string[] {
  return [`usr/share/doc/${name}/changelog.Debian.gz`, `usr/share/doc/${name}/changelog.gz`];
}

/** The changelog of an unpacked package, or undefined where it ships none. */
export async function readChangelog(
  tree: PackageTree,
  fileOf: (tree: PackageTree, path: string) => Promise<Buffer | undefined>,
): Promise<string | undefined> {
  for (const path of changelogPaths(tree.locked.name)) {
    const packed = await fileOf(tree, path);
    if (packed !== undefined) return gunzipSync(packed, { maxOutputLength: limits.debControlBytes }).toString("utf8");
  }
  return undefined;
}
