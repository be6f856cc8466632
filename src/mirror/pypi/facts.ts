import type { Claim, FileFacts, PackageFacts, SourceDocument, VersionFacts } from "../format.ts";
import { metadataEnd, provenanceEnd } from "./classify.ts";
import { isPrerelease, normalName, versionOfFile } from "./names.ts";
import { type PageFile, readPage } from "./page.ts";

/**
 * What the page of a project says: its versions with their files, and beside each file its metadata and provenance.
 *
 * A version was published when its last file was: whoever adds a file to an old version gets no older by it.
 *
 * @throws Failure `upstream_unreachable`
 */
export function facts(document: SourceDocument): PackageFacts {
  const page = readPage(document);
  const name = normalName(page.name);
  const byVersion = Map.groupBy(page.files, (file) => versionOfFile(name, file.filename)!);
  const versions = [...byVersion].map(([version, files]): VersionFacts => {
    const instants = files.map((file) => Date.parse(file["upload-time"] ?? ""));
    const publishedAt = Math.max(...instants);
    return {
      version,
      ...(Number.isNaN(publishedAt) ? {} : { publishedAt }),
      isPrerelease: isPrerelease(version),
      files: files.flatMap(fileFacts),
    };
  });
  return { name, versions };
}

function fileFacts(file: PageFile): FileFacts[] {
  const all = [factsOf({ name: file.filename, url: file.url, hashes: file.hashes, sizeBytes: file.size })];
  const metadata = file["core-metadata"];
  if (metadata !== undefined && metadata !== false)
    all.push(
      factsOf({
        name: `${file.filename}${metadataEnd}`,
        url: withEnd(file.url, metadataEnd),
        hashes: metadata === true ? {} : metadata,
      }),
    );
  if (typeof file.provenance === "string")
    all.push(factsOf({ name: `${file.filename}${provenanceEnd}`, url: file.provenance, hashes: {} }));
  return all;
}

function factsOf(known: {
  name: string;
  url: string;
  hashes: Readonly<Record<string, string>>;
  sizeBytes?: number | undefined;
}): FileFacts {
  const claim = claimOf(known.hashes);
  return {
    name: known.name,
    url: known.url,
    ...(claim === undefined ? {} : { claim }),
    ...(typeof known.sizeBytes === "number" ? { sizeBytes: known.sizeBytes } : {}),
  };
}

function claimOf(hashes: Readonly<Record<string, string>>): Claim | undefined {
  const algorithm = (["sha256", "sha512", "sha1", "md5"] as const).find((name) => Object.hasOwn(hashes, name));
  return algorithm === undefined ? undefined : { algorithm, value: hashes[algorithm]!.toLowerCase() };
}

/** The ending belongs to the path: after a query nobody would find it. */
function withEnd(address: string, end: string): string {
  const url = new URL(address);
  url.pathname += end;
  return url.href;
}
