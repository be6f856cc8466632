import {
  type PackageFacts,
  type SourceDocument,
  type Subject,
  type UpstreamReader,
  type VersionFacts,
} from "../format.ts";
import { readObject, textOf } from "./json.ts";
import { normalId, places } from "./names.ts";
import { readLeaves } from "./locate.ts";
import { pagesOf, type RegistrationLeaf } from "./registration.ts";

/** What a registration index says by itself; the versions of pages that it leaves elsewhere are missing. */
export function facts(document: SourceDocument): PackageFacts {
  const leaves = pagesOf(readObject(document)).flatMap((page) => page.leaves ?? []);
  const name = normalId(textOf(leaves[0]?.entry["id"]) ?? "") ?? "";
  return { name, versions: leaves.map((leaf) => versionFacts(name, leaf)) };
}

/** What an upstream says of all versions of a package. */
export async function factsOf(subject: Subject, reader: UpstreamReader): Promise<PackageFacts | undefined> {
  const leaves = await readLeaves(reader, subject.name);
  if (leaves === undefined) return undefined;
  return { name: subject.name, versions: leaves.map((leaf) => versionFacts(subject.name, leaf)) };
}

function versionFacts(name: string, leaf: RegistrationLeaf): VersionFacts {
  const { version, publishedAt } = leaf;
  return {
    version,
    ...(publishedAt === undefined ? {} : { publishedAt }),
    isPrerelease: version.includes("-"),
    files: [{ name: `${name}.${version}.nupkg`, url: leaf.archiveUrl ?? places.archive(name, version) }],
  };
}
