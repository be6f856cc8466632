import type { Subject } from "../format.ts";

/** The endings of the files that hold the checksum of another, strongest first, each also the name of its algorithm. */
export const checksumNames = ["sha512", "sha256", "sha1", "md5"] as const;

/** One of {@link checksumNames}. */
export type ChecksumName = (typeof checksumNames)[number];

/** What a path of a repository in Maven's default layout is. */
export interface MavenPath {
  /** Decoded; also of a checksum the whole path. */
  readonly path: string;
  /** The path without the ending of a checksum. */
  readonly target: string;
  readonly checksum?: ChecksumName;
  readonly kind: "metadata" | "artifact" | "other";
  /** Whether the bytes may change: metadata, what follows no convention, and snapshots without a timestamp. */
  readonly isMutable: boolean;
  readonly subject?: Subject;
}

const metadataName = "maven-metadata.xml";

/**
 * Reads a path; undefined where it can be none.
 *
 * `{group/…}/{artifact}/{version}/{artifact}-{version}….{ending}`, with `maven-metadata.xml` beside versions, beside
 * artifacts and in snapshots. Source: Maven Resolver, Maven2RepositoryLayoutFactory.
 */
export function readPath(encoded: string): MavenPath | undefined {
  const path = decodePath(encoded);
  if (path === undefined) return undefined;
  const checksum = checksumNames.find((name) => path.endsWith(`.${name}`));
  const target = checksum === undefined ? path : path.slice(0, -checksum.length - 1);
  const common = { path, target, ...(checksum === undefined ? {} : { checksum }) };
  const segments = target.split("/");
  const file = segments.pop()!;
  if (file === "") return undefined;
  if (file === metadataName) {
    const subject = metadataSubject(segments);
    return { ...common, kind: "metadata", isMutable: true, ...(subject === undefined ? {} : { subject }) };
  }
  if (segments.length < 3) return { ...common, kind: "other", isMutable: true };
  const version = segments.pop()!;
  const artifact = segments.pop()!;
  // What does not follow the convention belongs to its folder all the same: a reserved name must not get out.
  const subject = { name: `${segments.join(".")}:${artifact}`, version };
  if (!file.startsWith(`${artifact}-`)) return { ...common, kind: "other", isMutable: true, subject };
  return { ...common, kind: "artifact", isMutable: !isFixed(file, artifact, version), subject };
}

/** The metadata document of an artifact that lists its versions. */
export function metadataPath(name: string): string {
  return `${folderOf(name)}/${metadataName}`;
}

/** The POM of a version; of a snapshot its metadata, for its POM has a timestamp in its name. */
export function pomPath({ name, version }: Required<Subject>): string {
  const folder = `${folderOf(name)}/${version}`;
  return isSnapshot(version) ? `${folder}/${metadataName}` : `${folder}/${artifactOf(name)}-${version}.pom`;
}

/** Whether a version goes on changing. */
export function isSnapshot(version: string): boolean {
  return version.endsWith("-SNAPSHOT");
}

/** The path as a part of an address. */
export function encodePath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}

/** Released files keep their bytes, and so do files of a snapshot that have its timestamp in the stead of `SNAPSHOT`. */
function isFixed(file: string, artifact: string, version: string): boolean {
  if (!isSnapshot(version)) return file.startsWith(`${artifact}-${version}`);
  const base = `${artifact}-${version.slice(0, -"SNAPSHOT".length)}`;
  return file.startsWith(base) && /^\d{8}\.\d{6}-\d+(?![\d])/.test(file.slice(base.length));
}

/** By its path alone, group metadata could be that of an artifact; as a name for policy that does no harm. */
function metadataSubject(segments: readonly string[]): Subject | undefined {
  const isOfSnapshot = isSnapshot(segments.at(-1) ?? "");
  const folder = isOfSnapshot ? segments.slice(0, -1) : segments;
  if (folder.length < 2) return undefined;
  const name = `${folder.slice(0, -1).join(".")}:${folder.at(-1)}`;
  return isOfSnapshot ? { name, version: segments.at(-1)! } : { name };
}

function folderOf(name: string): string {
  return name.replaceAll(".", (dot, at: number) => (at < name.indexOf(":") ? "/" : dot)).replace(":", "/");
}

function artifactOf(name: string): string {
  return name.slice(name.indexOf(":") + 1);
}

/** Undoes percent-encoding; undefined where that gives a path that none may be. */
function decodePath(encoded: string): string | undefined {
  const segments = encoded.split("/");
  const decoded: string[] = [];
  for (const segment of segments) {
    let text: string;
    try {
      text = decodeURIComponent(segment);
    } catch {
      return undefined;
    }
    if (text === "" || text === "." || text === ".." || /[\p{Cc}/\\]/u.test(text)) return undefined;
    decoded.push(text);
  }
  return decoded.join("/");
}
