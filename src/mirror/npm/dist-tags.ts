import type { Packument } from "./packument.ts";
import { compareVersions } from "../version-order.ts";
import { parseVersion } from "./semver.ts";

/**
 * Points tags whose version is gone to the newest version that is left and no newer than it: `latest` to a release of any
 * line, another tag to a version of its own major and kind. A tag for which there is none goes.
 */
export function repointTags(packument: Packument): void {
  const tags = packument["dist-tags"];
  const lost = Object.entries(tags).filter(([, version]) => !Object.hasOwn(packument.versions, version));
  if (lost.length === 0) return;
  const left = Object.keys(packument.versions).sort(compareVersions);
  for (const [tag, version] of lost) {
    const stand = tag === "latest" ? standInForLatest(version, left) : standIn(version, left);
    if (stand === undefined) delete tags[tag];
    else tags[tag] = stand;
  }
}

function standInForLatest(version: string, left: readonly string[]): string | undefined {
  const releases = left.filter((other) => parseVersion(other)?.prerelease.length === 0);
  const older = (other: string): boolean => compareVersions(other, version) < 0;
  return releases.findLast(older) ?? left.findLast(older) ?? releases[0] ?? left[0];
}

function standIn(version: string, left: readonly string[]): string | undefined {
  const lost = parseVersion(version);
  return left.findLast((other) => {
    const parsed = parseVersion(other);
    return (
      parsed !== undefined &&
      lost !== undefined &&
      parsed.numbers[0] === lost.numbers[0] &&
      parsed.prerelease[0] === lost.prerelease[0] &&
      compareVersions(other, version) < 0
    );
  });
}

/** Adds the tags of a later member of a group: an earlier one's count, but `latest` is the newest of them. */
export function mergeTags(tags: Record<string, string>, later: Readonly<Record<string, string>>): void {
  for (const [tag, version] of Object.entries(later)) {
    const own = Object.hasOwn(tags, tag) ? tags[tag]! : undefined;
    if (own === undefined || (tag === "latest" && compareVersions(version, own) > 0)) tags[tag] = version;
  }
}
