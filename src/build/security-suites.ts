import type { Distribution } from "../model/package.ts";
import type { BlobStore } from "../store/blobs.ts";
import { inReleaseDigests, verifyIndexes, type VerifiedIndex } from "./apt/index-chain.ts";
import { inTurn, openPrivateRoot, updateLists } from "./apt/private-root.ts";
import { readChangelog, readSecurity, type SecurityContent } from "./apt/security.ts";
import { chooseDistribution, machineSources, type AptSource } from "./apt/sources.ts";
import { fetchPackages } from "./deb/fetch.ts";
import { readTreeFile } from "./trees/tree-file.ts";
import { unpackPackages } from "./trees/unpack-packages.ts";

/** The signed security suites of a target. */
export interface SecuritySuites {
  /** Changes when any of the signed indexes does. */
  readonly fingerprint: string;
  content(): Promise<SecurityContent>;
  /** The changelog of a source package at a version that is offered: it is fetched and unpacked for that. */
  changelogOf(source: string, version: string): Promise<string | undefined>;
}

/** How a caller follows the fetching of changelogs, and whether lists are updated first. */
interface SecurityWatch {
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number, note?: string) => void;
  readonly refresh: boolean;
}

/** What is looked up in the suites; of the distribution the code name does not count. */
export interface SecurityScope {
  readonly distribution: Distribution;
  readonly architecture: string;
  readonly packages: readonly { readonly name: string }[];
}

interface SecurityInput {
  readonly scope: SecurityScope;
  /** Those of the configuration; the machine's own where undefined. */
  readonly sources: readonly AptSource[] | undefined;
  readonly watch: SecurityWatch;
  readonly blobs: BlobStore;
  readonly folders: { readonly apt: string; readonly trees: string };
}

/** Opens the security suites of a distribution; undefined where their lists were never fetched. */
export async function openSecurity(input: SecurityInput): Promise<SecuritySuites | undefined> {
  const { scope, watch, blobs, folders } = input;
  const { id, version } = scope.distribution;
  const { distribution, sources } = chooseDistribution([`${id}:${version}`], input.sources ?? (await machineSources()));
  const root = await openPrivateRoot({
    cacheFolder: folders.apt,
    distribution,
    architecture: scope.architecture,
    sources,
  });
  const inReleases = await inTurn(root, async () => {
    if (watch.refresh) await updateLists(root, watch.signal);
    return await inReleaseDigests(root);
  });
  if (inReleases === undefined) return undefined;
  let verified: Promise<{ indexes: VerifiedIndex[]; content: SecurityContent }> | undefined;
  const load = (): NonNullable<typeof verified> =>
    (verified ??= inTurn(root, async () => {
      const indexes = await verifyIndexes(root);
      return { indexes, content: await readSecurity(indexes, scope.packages) };
    }));
  return {
    fingerprint: inReleases.join(),
    content: async () => (await load()).content,
    async changelogOf(source, version) {
      const { indexes, content } = await load();
      for (const { archive } of content.offers.filter(
        (offer) => offer.source === source && offer.candidateSourceVersion === version,
      )) {
        const single = { indexes: indexes.map(({ locked }) => locked), packages: [archive] };
        const { signal, onProgress } = watch;
        await fetchPackages({ lock: single, sources, blobs, signal, onProgress });
        const [tree] = await unpackPackages({ lock: single, blobs, treesFolder: folders.trees, signal, onProgress });
        const changelog = await readChangelog(tree!, readTreeFile);
        if (changelog !== undefined) return changelog;
      }
      return undefined;
    },
  };
}
