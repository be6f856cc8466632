import { Failure } from "../../base/errors.ts";
import type { SourceDocument } from "../format.ts";

/** An object of JSON whose members nobody vouches for. */
export type JsonObject = Record<string, unknown>;

/** The document of a package: what a registry says of all its versions. Members that are not named here are kept as they are. */
export interface Packument {
  readonly name: string;
  _rev?: string;
  "dist-tags": Record<string, string>;
  versions: Record<string, Manifest>;
  /** Instants in ISO 8601: `created`, `modified`, each version's, and `unpublished` where the package is gone. */
  time: JsonObject;
  [member: string]: unknown;
}

/** What a packument says of one version. */
export interface Manifest {
  name?: string;
  version?: string;
  deprecated?: unknown;
  dist?: Dist;
  scripts?: unknown;
  [member: string]: unknown;
}

/** What a packument says of a tarball. */
interface Dist {
  tarball?: string;
  integrity?: string;
  shasum?: string;
  unpackedSize?: number;
  attestations?: JsonObject;
  [member: string]: unknown;
}

/**
 * Reads the document of a package; nothing of it is lost.
 *
 * @throws Failure `upstream_unreachable` where it is no packument, or another package's
 */
export function parsePackument(document: SourceDocument, name?: string): Packument {
  const parsed = readObject(document.bytes);
  if (parsed === undefined || typeof parsed["name"] !== "string" || !isObject(parsed["versions"] ?? {}))
    throw new Failure(
      "upstream_unreachable",
      `Cannot read the document of "${name ?? "a package"}": it is no packument`,
    );
  if (name !== undefined && parsed["name"] !== name)
    throw new Failure("upstream_unreachable", `Cannot read the document of "${name}": it is of "${parsed["name"]}"`);
  for (const member of ["dist-tags", "versions", "time"]) if (!isObject(parsed[member])) parsed[member] = {};
  const packument = parsed as unknown as Packument;
  for (const [version, manifest] of Object.entries(packument.versions))
    if (!isObject(manifest)) delete packument.versions[version];
  for (const [tag, version] of Object.entries(packument["dist-tags"]))
    if (typeof version !== "string") delete packument["dist-tags"][tag];
  return packument;
}

/** Reads a JSON object; undefined where the bytes are none. */
export function readObject(bytes: Buffer): JsonObject | undefined {
  try {
    const parsed: unknown = JSON.parse(bytes.toString("utf8"));
    return isObject(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a value of JSON is an object and no list. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A member of its own: a package or a version may be called `constructor`. */
export function ownMember<T>(record: Record<string, T>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}
