import { readZipPieces } from "../../base/zip.ts";
import { Failure } from "../../base/errors.ts";
import { childrenOf, readXml, textAt, type XmlElement } from "../xml.ts";
import { type JsonObject } from "./json.ts";
import { normalId, properVersion } from "./names.ts";

/** What a package says of itself. */
export interface Nuspec {
  /** In its own case. */
  readonly id: string;
  /** With all its numbers, in its own case. */
  readonly version: string;
  /** As a registration tells it. */
  readonly entry: JsonObject;
  readonly bytes: Buffer;
}

const nuspecBytes = 4 * 1024 * 1024;

const zipBounds = { directoryBytes: 64 * 1024 ** 2, entryBytes: 4 * 1024 ** 3, totalBytes: 16 * 1024 ** 3 };

/**
 * Reads the `.nuspec` at the root of a package.
 *
 * Source: NuGet documentation, ".nuspec reference".
 *
 * @throws Failure `usage` where it is missing or wrong, `archive_hostile` where the package is no good zip archive
 */
export async function readNuspec(path: string): Promise<Nuspec> {
  const bytes = await nuspecOf(path);
  const root = readXml(bytes);
  if ("invalid" in root) throw wrong(root.invalid);
  const metadata = root.children.find((child) => child.name === "metadata");
  const id = textAt(root, "metadata", "id") ?? "";
  const version = properVersion(textAt(root, "metadata", "version") ?? "");
  if (metadata === undefined || normalId(id) === undefined) throw wrong(`"${id.slice(0, 100)}" is no id of a package`);
  if (version === undefined) throw wrong("it has no version");
  return { id, version, entry: { id, version, ...described(metadata) }, bytes };
}

async function nuspecOf(path: string): Promise<Buffer> {
  const found: Buffer[] = [];
  for await (const { name, sizeBytes, pieces } of readZipPieces(path, zipBounds)) {
    if (name.includes("/") || !name.toLowerCase().endsWith(".nuspec")) continue;
    if (sizeBytes > nuspecBytes) throw wrong(`it is larger than ${nuspecBytes} bytes`);
    const parts: Buffer[] = [];
    for await (const piece of pieces) parts.push(Buffer.from(piece));
    found.push(Buffer.concat(parts));
  }
  if (found.length !== 1) throw wrong(`the package has ${found.length} of them at its root`);
  return found[0]!;
}

function described(metadata: XmlElement): JsonObject {
  const plain = ["authors", "description", "title", "summary", "projectUrl", "licenseUrl", "iconUrl", "language"];
  const texts = plain.flatMap((field) => {
    const text = textAt(metadata, field);
    return text === undefined || text === "" ? [] : [[field, text.slice(0, 4000)]];
  });
  const license = childrenOf(metadata, "license")[0];
  const minClientVersion = metadata.attributes.get("minClientVersion");
  return {
    ...(Object.fromEntries(texts) as JsonObject),
    ...(license?.attributes.get("type") === "expression" ? { licenseExpression: license.text } : {}),
    ...(minClientVersion === undefined ? {} : { minClientVersion }),
    requireLicenseAcceptance: textAt(metadata, "requireLicenseAcceptance")?.toLowerCase() === "true",
    tags: (textAt(metadata, "tags") ?? "").split(/[\s,]+/).filter((tag) => tag !== ""),
    dependencyGroups: dependencyGroups(metadata),
    packageTypes: nested(metadata, "packageTypes", "packageType").map((type) => ({
      name: type.attributes.get("name"),
    })),
  };
}

/** Dependencies stand in groups by framework, or, in old packages, alone. */
function dependencyGroups(metadata: XmlElement): readonly JsonObject[] {
  const groups = nested(metadata, "dependencies", "group").map((group) => {
    const targetFramework = group.attributes.get("targetFramework");
    return { ...(targetFramework === undefined ? {} : { targetFramework }), ...dependenciesOf(group) };
  });
  const plain = childrenOf(metadata, "dependencies").filter((list) => childrenOf(list, "dependency").length > 0);
  return [...groups, ...plain.map(dependenciesOf)];
}

function dependenciesOf(list: XmlElement): JsonObject {
  const dependencies = childrenOf(list, "dependency").map(({ attributes }) => {
    const id = attributes.get("id") ?? "";
    if (normalId(id) === undefined) throw wrong(`it depends on "${id.slice(0, 100)}", which is no id of a package`);
    return { id, range: attributes.get("version") ?? "" };
  });
  return { dependencies };
}

function nested(element: XmlElement, list: string, item: string): readonly XmlElement[] {
  return childrenOf(element, list).flatMap((child) => childrenOf(child, item));
}

function wrong(state: string): Failure {
  return new Failure("usage", `Cannot read the .nuspec of the package: ${state}`);
}
