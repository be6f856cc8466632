import type { Claim, FileFacts, PackageFacts, SourceDocument, VersionFacts } from "../format.ts";
import { tarballName } from "./package-name.ts";
import { type Manifest, ownMember, parsePackument } from "./packument.ts";
import { parseVersion } from "./semver.ts";

/** What the document of a package says: its versions, when they came, and their tarballs. @throws Failure `upstream_unreachable` */
export function facts(document: SourceDocument): PackageFacts {
  const packument = parsePackument(document);
  const { name } = packument;
  const versions = Object.entries(packument.versions).map(([version, manifest]): VersionFacts => {
    const published = ownMember(packument.time, version);
    const publishedAt = typeof published === "string" ? Date.parse(published) : Number.NaN;
    const file = fileOf(document, { name, version, manifest });
    return {
      version,
      ...(Number.isNaN(publishedAt) ? {} : { publishedAt }),
      isPrerelease: (parseVersion(version)?.prerelease.length ?? 0) > 0,
      files: file === undefined ? [] : [file],
    };
  });
  return { name, versions };
}

function fileOf(
  document: SourceDocument,
  { name, version, manifest }: { name: string; version: string; manifest: Manifest },
): FileFacts | undefined {
  const url = tarballAddress(manifest, document);
  if (url === undefined) return undefined;
  const claim = claimOf(manifest);
  return { name: tarballName(name, version), url, ...(claim === undefined ? {} : { claim }) };
}

/** Where a tarball is; some old documents say `http` of a host that is asked by `https`. */
function tarballAddress(manifest: Manifest, document: SourceDocument): string | undefined {
  const text = manifest.dist?.tarball;
  const own = URL.parse(document.url);
  const url = typeof text === "string" ? URL.parse(text, own?.href) : null;
  if (url === null) return undefined;
  if (own?.protocol === "https:" && url.protocol === "http:" && url.hostname === own.hostname) {
    url.protocol = "https:";
    url.port = own.port;
  }
  return url.href;
}

const sizes = { sha512: 64, sha256: 32, sha1: 20 } as const;

/** The strongest claim of a tarball: subresource integrity, else the SHA-1 that the oldest documents have. */
export function claimOf(manifest: Manifest): Claim | undefined {
  const { integrity, shasum } = manifest.dist ?? {};
  const parts = typeof integrity === "string" ? integrity.trim().split(/\s+/) : [];
  for (const algorithm of ["sha512", "sha256", "sha1"] as const) {
    const part = parts.find((item) => item.startsWith(`${algorithm}-`));
    const bytes =
      part === undefined ? undefined : Buffer.from(part.slice(algorithm.length + 1).split("?")[0]!, "base64");
    if (bytes?.length === sizes[algorithm]) return { algorithm, value: bytes.toString("hex") };
  }
  return typeof shasum === "string" && /^[0-9a-f]{40}$/i.test(shasum)
    ? { algorithm: "sha1", value: shasum.toLowerCase() }
    : undefined;
}
