import { Failure } from "../../base/errors.ts";
import type { PackageFacts, SourceDocument, Subject } from "../format.ts";
import { isSnapshot, metadataPath, pomPath } from "./layout.ts";
import { readXml, textAt } from "../xml.ts";
import { type MavenMetadata, readMetadata } from "./metadata.ts";

/** The document that tells of a version is its POM, for the time that it came; of an artifact, its metadata. */
export function documentOf({ name, version }: Subject): string {
  return version === undefined ? metadataPath(name) : pomPath({ name, version });
}

/**
 * What a `maven-metadata.xml` says: versions without times. A POM says with `Last-Modified` when its version was published.
 *
 * @throws Failure `upstream_unreachable` where it is neither
 */
export function facts(document: SourceDocument): PackageFacts {
  const { bytes, url, lastModified } = document;
  const [, artifact, version] = /\/([^/]+)\/([^/]+)\/\1-\2\.pom$/.exec(decoded(url)) ?? [];
  if (artifact === undefined || version === undefined) return metadataFacts(metadataOf(document));
  const pom = readXml(bytes);
  const group = "invalid" in pom ? undefined : (textAt(pom, "groupId") ?? textAt(pom, "parent", "groupId"));
  const publishedAt = lastModified === undefined ? {} : { publishedAt: lastModified };
  return {
    name: `${group ?? ""}:${artifact}`,
    versions: [{ version, ...publishedAt, isPrerelease: isSnapshot(version), files: [] }],
  };
}

function metadataFacts(metadata: MavenMetadata): PackageFacts {
  const versions = metadata.version === undefined ? metadata.versions : [metadata.version];
  return {
    name: `${metadata.groupId ?? ""}:${metadata.artifactId ?? ""}`,
    versions: versions.map((version) => ({ version, isPrerelease: isSnapshot(version), files: [] })),
  };
}

/** The path of an address; what was published here has none. */
function decoded(url: string): string {
  const path = URL.parse(url)?.pathname ?? "";
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** Reads metadata of an upstream. @throws Failure `upstream_unreachable` */
export function metadataOf(document: Pick<SourceDocument, "bytes" | "url">): MavenMetadata {
  const metadata = readMetadata(document.bytes);
  if ("invalid" in metadata)
    throw new Failure("upstream_unreachable", `Cannot read the metadata "${document.url}": ${metadata.invalid}`);
  return metadata;
}
