import { Failure } from "../../base/errors.ts";
import type { PackageFacts, SourceDocument, Subject, VersionFacts } from "../format.ts";
import { decodePath, keyOf } from "./classify.ts";
import {
  compareModuleVersions,
  escapeModule,
  isCanonicalVersion,
  isPrerelease,
  unescapeModule,
} from "./module-path.ts";

/** What a `list` line or an `.info` says of a version. */
export interface ListedVersion {
  readonly version: string;
  /** As the document writes it, in RFC 3339. */
  readonly time?: string;
}

/** The document that tells of a version is its `.info`, which has its time; of a module, its list. */
export function documentOf({ name, version }: Subject): string {
  return keyOf(name, version === undefined ? "list" : { version, end: "info" });
}

/**
 * What a `list`, an `.info` or a `@latest` says; the name of the module is as its address has it.
 *
 * @throws Failure `upstream_unreachable` where it is none of them
 */
export function facts(document: SourceDocument): PackageFacts {
  const address = URL.parse(document.url, unknownAddress) ?? new URL(unknownAddress);
  const path = decodePath(address.pathname.slice(1)) ?? "";
  const [, escaped = "", end = ""] = /^(.+)\/(@v\/[^/]+|@latest)$/.exec(path) ?? [];
  // Of what was published here no address is known; only an answer about one version is JSON.
  const isList = end === "" ? document.bytes[0] !== 0x7b : end === "@v/list";
  const versions = isList ? readList(document.bytes) : [readVersion(document)];
  const folder = new URL(end === "@latest" ? "@v/" : "./", address);
  return {
    name: unescapeModule(escaped) ?? escaped,
    versions: versions.map((listed) => versionFacts(folder, listed)),
  };
}

const unknownAddress = "http://unknown.invalid/";

/** The canonical versions of a list, in its order. A line may go on with the version's time. */
export function readList(bytes: Uint8Array): ListedVersion[] {
  const lines = Buffer.from(bytes).toString("utf8").split("\n");
  return lines.flatMap((line) => {
    const [version = "", time] = line.trim().split(/\s+/);
    if (!isCanonicalVersion(version)) return [];
    return [time === undefined ? { version } : { version, time }];
  });
}

/** A list with the versions sorted; `withTimes` for what is stored, without for what clients get. */
export function writeList(versions: readonly ListedVersion[], { withTimes }: { withTimes: boolean }): string {
  const sorted = [...versions].sort((a, b) => compareModuleVersions(a.version, b.version));
  return sorted
    .map(({ version, time }) => `${withTimes && time !== undefined ? `${version} ${time}` : version}\n`)
    .join("");
}

/** Reads an `.info`. @throws Failure `upstream_unreachable` */
export function readVersion(document: Pick<SourceDocument, "bytes" | "url">): ListedVersion {
  const found = parseJson(document.bytes);
  if (typeof found !== "object" || found === null || !("Version" in found) || typeof found.Version !== "string")
    throw new Failure("upstream_unreachable", `Cannot read "${document.url}": it is not the information on a version`);
  const time = "Time" in found && typeof found.Time === "string" ? found.Time : undefined;
  return time === undefined ? { version: found.Version } : { version: found.Version, time };
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return undefined;
  }
}

function versionFacts(folder: URL, { version, time }: ListedVersion): VersionFacts {
  const publishedAt = time === undefined ? Number.NaN : Date.parse(time);
  return {
    version,
    ...(Number.isNaN(publishedAt) ? {} : { publishedAt }),
    isPrerelease: isPrerelease(version),
    files: ["info", "mod", "zip"].map((end) => {
      const name = `${escapeModule(version)}.${end}`;
      return { name, url: new URL(name, folder).href };
    }),
  };
}
