import { PackageURL } from "packageurl-js";
import type { Distribution, Package } from "../model/package.ts";

/**
 * The package URL of an installed package, such as
 * `pkg:deb/debian/zlib1g@1:1.2.13.dfsg-1?arch=amd64&distro=debian-12&upstream=zlib`.
 *
 * `upstream` names the source package where it differs, with `@version` where its version differs too: scanners match
 * advisories by source. Source: purl-spec, types "deb".
 */
export function purlOf(item: Package, distribution: Distribution): string {
  const qualifiers: Record<string, string> = {
    arch: item.architecture,
    distro: `${distribution.id}-${distribution.version}`,
  };
  const upstream = upstreamOf(item);
  if (upstream !== undefined) qualifiers["upstream"] = upstream;
  return new PackageURL(item.type, distribution.id, item.name, item.version, qualifiers, undefined).toString();
}

function upstreamOf(item: Package): string | undefined {
  if (item.sourceVersion !== item.version) return `${item.source}@${item.sourceVersion}`;
  return item.source === item.name ? undefined : item.source;
}
