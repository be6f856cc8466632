import type { Ask, MirrorRequest } from "../format.ts";
import { readPath } from "./layout.ts";

/** The media types of what a repository holds, by the ending of a name. */
const mediaTypes: Readonly<Record<string, string>> = {
  pom: "text/xml",
  xml: "text/xml",
  jar: "application/java-archive",
  war: "application/java-archive",
  aar: "application/java-archive",
  module: "application/vnd.org.gradle.module+json",
  asc: "application/pgp-signature",
  zip: "application/zip",
  gz: "application/gzip",
  sha512: "text/plain",
  sha256: "text/plain",
  sha1: "text/plain",
  md5: "text/plain",
};

/**
 * What a path of a Maven repository means.
 *
 * Immutable: the files of a release, their signatures and checksums, and the files of a snapshot that have a timestamp.
 * Mutable: other files of snapshots, and what follows no convention (an archetype catalogue, `.meta/prefixes.txt`).
 * Metadata is a document; its checksums are renderings of it, so that they fit what was merged. The Gradle plugin portal
 * has the same layout: a plugin's marker is an artifact like any other.
 */
export function classify(request: MirrorRequest): Ask {
  if (request.path === "" || request.path.endsWith("/"))
    return { kind: "refused", status: 404, reason: "folders are not listed" };
  const found = readPath(request.path);
  if (found === undefined)
    return { kind: "refused", status: 400, reason: "the path is not a path of a Maven repository" };
  const subject = found.subject === undefined ? {} : { subject: found.subject };
  if (found.kind === "metadata")
    return { kind: "document", source: found.target, variant: found.checksum ?? "full", ...subject };
  return { kind: "file", key: found.path, lifetime: found.isMutable ? "mutable" : "immutable", ...subject };
}

/** The media type of a file by its name. */
export function mediaTypeOf(name: string): string {
  return mediaTypes[name.slice(name.lastIndexOf(".") + 1)] ?? "application/octet-stream";
}
