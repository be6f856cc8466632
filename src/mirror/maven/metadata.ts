import { childrenOf, escapeXml, type InvalidXml, readXml, textAt, type XmlElement } from "../xml.ts";
import { isSnapshot } from "./layout.ts";
import { compareMavenVersions } from "./version-order.ts";

/** What a `maven-metadata.xml` says: of an artifact, of a snapshot, or of a group's plugins. */
export interface MavenMetadata {
  readonly groupId?: string;
  readonly artifactId?: string;
  /** Of a snapshot. */
  readonly version?: string;
  readonly plugins: readonly { readonly name?: string; readonly prefix: string; readonly artifactId: string }[];
  readonly versions: readonly string[];
  readonly latest?: string;
  readonly release?: string;
  /** `yyyyMMddHHmmss` in UTC, as are all times here. */
  readonly lastUpdated?: string;
  readonly snapshot?: { readonly timestamp?: string; readonly buildNumber?: string; readonly isLocalCopy: boolean };
  readonly snapshotVersions: readonly SnapshotVersion[];
}

/** The newest file of a snapshot for one extension and classifier. */
interface SnapshotVersion {
  readonly extension: string;
  readonly classifier?: string;
  /** `1.0-20240102.030405-1`. */
  readonly value: string;
  readonly updated?: string;
}

/** A document lists as many versions as the artifact has; the largest known are under 1 MiB. */
const metadataBytes = 32 * 1024 * 1024;

/** Reads a document. Source: Maven, repository metadata model 1.1.0. */
export function readMetadata(bytes: Uint8Array): MavenMetadata | InvalidXml {
  if (bytes.length > metadataBytes) return { invalid: `it is larger than ${metadataBytes} bytes` };
  const root = readXml(bytes);
  if ("invalid" in root) return root;
  if (root.name !== "metadata") return { invalid: `its root is <${root.name}>, not <metadata>` };
  const versioning = root.children.find(({ name }) => name === "versioning");
  const at = (...path: readonly string[]): string | undefined => textAt(root, ...path) || undefined;
  return {
    ...defined({
      groupId: at("groupId"),
      artifactId: at("artifactId"),
      version: at("version"),
      latest: at("versioning", "latest"),
      release: at("versioning", "release"),
      lastUpdated: at("versioning", "lastUpdated"),
    }),
    plugins: readList(root, "plugins", "plugin").flatMap((plugin) => {
      const [prefix, artifactId, name] = ["prefix", "artifactId", "name"].map((field) => textAt(plugin, field));
      return prefix && artifactId ? [{ prefix, artifactId, ...defined({ name }) }] : [];
    }),
    versions: readList(versioning, "versions", "version")
      .map(({ text }) => text)
      .filter((text) => text !== ""),
    ...readSnapshot(versioning),
    snapshotVersions: readList(versioning, "snapshotVersions", "snapshotVersion").flatMap((entry) => {
      const [value, extension] = [textAt(entry, "value"), textAt(entry, "extension")];
      if (!value || !extension) return [];
      return [
        {
          value,
          extension,
          ...defined({ classifier: textAt(entry, "classifier"), updated: textAt(entry, "updated") }),
        },
      ];
    }),
  };
}

/**
 * Makes one document of several: all versions, all plugins by their prefix, of a snapshot's files the newest.
 *
 * Versions that are withheld are left out; then `latest` and `release` are the newest of what is left.
 */
export function mergeMetadata(
  documents: readonly MavenMetadata[],
  withheld: ReadonlySet<string> | ReadonlyMap<string, string> = new Set<string>(),
): MavenMetadata {
  const newest = documents.reduce((a, b) => ((b.lastUpdated ?? "") > (a.lastUpdated ?? "") ? b : a));
  const all = new Set(documents.flatMap(({ versions }) => versions));
  const versions = [...all].filter((version) => !withheld.has(version)).sort(compareMavenVersions);
  const plugins = new Map<string, MavenMetadata["plugins"][number]>();
  for (const plugin of documents.flatMap((document) => document.plugins))
    if (!plugins.has(plugin.prefix)) plugins.set(plugin.prefix, plugin);
  const isAsked = (field: "latest" | "release"): boolean => documents.some((document) => document[field] !== undefined);
  const first = documents[0]!;
  return {
    ...defined({
      groupId: first.groupId,
      artifactId: first.artifactId,
      version: first.version,
      latest: isAsked("latest") ? versions.at(-1) : undefined,
      release: isAsked("release") ? versions.findLast((version) => !isSnapshot(version)) : undefined,
      lastUpdated: newest.lastUpdated,
      snapshot: newestSnapshot(documents),
    }),
    plugins: [...plugins.values()],
    versions,
    snapshotVersions: mergeSnapshots(documents),
  };
}

/** Writes a document as Maven writes it. */
export function writeMetadata(metadata: MavenMetadata): string {
  const versioning = [
    ...leaf("latest", metadata.latest),
    ...leaf("release", metadata.release),
    ...(metadata.snapshot === undefined ? [] : block("snapshot", snapshotLines(metadata.snapshot))),
    ...block(
      "versions",
      metadata.versions.flatMap((version) => leaf("version", version)),
    ),
    ...leaf("lastUpdated", metadata.lastUpdated),
    ...block(
      "snapshotVersions",
      metadata.snapshotVersions.flatMap((entry) =>
        block("snapshotVersion", [
          ...leaf("classifier", entry.classifier),
          ...leaf("extension", entry.extension),
          ...leaf("value", entry.value),
          ...leaf("updated", entry.updated),
        ]),
      ),
    ),
  ];
  const plugins = metadata.plugins.flatMap(({ name, prefix, artifactId }) =>
    block("plugin", [...leaf("name", name), ...leaf("prefix", prefix), ...leaf("artifactId", artifactId)]),
  );
  const body = [
    ...leaf("groupId", metadata.groupId),
    ...leaf("artifactId", metadata.artifactId),
    ...leaf("version", metadata.version),
    ...block("plugins", plugins),
    ...block("versioning", versioning),
  ];
  const root = body.length === 0 ? ["<metadata/>"] : block("metadata", body);
  return `<?xml version="1.0" encoding="UTF-8"?>\n${root.join("\n")}\n`;
}

/** Of one extension and classifier the newest file counts, by the time that it has; its members' order comes second. */
function mergeSnapshots(documents: readonly MavenMetadata[]): readonly SnapshotVersion[] {
  const found = new Map<string, SnapshotVersion>();
  for (const entry of documents.flatMap(({ snapshotVersions }) => snapshotVersions)) {
    const key = JSON.stringify([entry.extension, entry.classifier ?? ""]);
    const known = found.get(key);
    if (known === undefined || (entry.updated ?? "") > (known.updated ?? "")) found.set(key, entry);
  }
  return [...found.values()];
}

function newestSnapshot(documents: readonly MavenMetadata[]): MavenMetadata["snapshot"] {
  const snapshots = documents.flatMap(({ snapshot }) => (snapshot === undefined ? [] : [snapshot]));
  const [first] = snapshots;
  return first && snapshots.reduce((a, b) => ((b.timestamp ?? "") > (a.timestamp ?? "") ? b : a), first);
}

function readSnapshot(versioning: XmlElement | undefined): Pick<MavenMetadata, "snapshot"> {
  const snapshot = versioning?.children.find(({ name }) => name === "snapshot");
  if (snapshot === undefined) return {};
  const [timestamp, buildNumber] = [textAt(snapshot, "timestamp"), textAt(snapshot, "buildNumber")];
  return {
    snapshot: { ...defined({ timestamp, buildNumber }), isLocalCopy: textAt(snapshot, "localCopy") === "true" },
  };
}

function readList(parent: XmlElement | undefined, list: string, entry: string): readonly XmlElement[] {
  if (parent === undefined) return [];
  return childrenOf(parent, list).flatMap((element) => childrenOf(element, entry));
}

function snapshotLines({ timestamp, buildNumber, isLocalCopy }: NonNullable<MavenMetadata["snapshot"]>): string[] {
  return [
    ...leaf("timestamp", timestamp),
    ...leaf("buildNumber", buildNumber),
    ...(isLocalCopy ? leaf("localCopy", "true") : []),
  ];
}

function leaf(name: string, text: string | undefined): string[] {
  return text === undefined ? [] : [`<${name}>${escapeXml(text)}</${name}>`];
}

/** An element with others in it, two spaces further right; nothing where it would be empty. */
function block(name: string, inner: readonly string[]): string[] {
  return inner.length === 0 ? [] : [`<${name}>`, ...inner.map((line) => `  ${line}`), `</${name}>`];
}

type Defined<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> };

/** Without the members that are undefined. */
function defined<T extends object>(fields: T): Defined<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<T>;
}
