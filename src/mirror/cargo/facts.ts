import { Failure } from "../../base/errors.ts";
import type { PackageFacts, SourceDocument, VersionFacts } from "../format.ts";
import { readLines, type IndexLine } from "./lines.ts";
import { archiveKey, crateKey } from "./names.ts";

/** What an index file says of its crate. @throws Failure `upstream_unreachable` where it is no index file */
export function facts(document: SourceDocument): PackageFacts {
  const lines = readLines(document.bytes);
  const [first] = lines;
  if (first === undefined && document.bytes.length > 0)
    throw new Failure("upstream_unreachable", `Cannot read the crate index "${document.url}": no line of it is JSON`);
  return { name: crateKey(first?.name ?? ""), versions: lines.map(versionFacts) };
}

function versionFacts(line: IndexLine): VersionFacts {
  const key = archiveKey(line.name, line.version);
  return {
    version: line.version,
    ...(line.publishedAt === undefined ? {} : { publishedAt: line.publishedAt }),
    isPrerelease: /^[\d.]+-/.test(line.version),
    files: [
      {
        name: key.slice(key.lastIndexOf("/") + 1),
        url: `api/v1/crates/${line.name}/${line.version}/download`,
        ...(line.checksum === undefined ? {} : { claim: { algorithm: "sha256", value: line.checksum } }),
      },
    ],
  };
}
