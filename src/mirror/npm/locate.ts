import type { DocumentAsk, FileAsk, Location, UpstreamReader } from "../format.ts";
import { attestationsPath, packumentPath, tarballName } from "./package-name.ts";

/** Where an upstream keeps a document or a tarball. A tarball that its package's document does not name is not there. */
export async function locate(ask: FileAsk | DocumentAsk, reader: UpstreamReader): Promise<Location | undefined> {
  if (ask.kind === "document") {
    const url = ask.source.startsWith("-/") ? ask.source : packumentPath(ask.source);
    // The whole document, whoever asks: the short one does not say when a version was published.
    return { url, accept: "application/json" };
  }
  const { name, version } = ask.subject ?? {};
  if (name === undefined || version === undefined) return undefined;
  if (ask.key.startsWith("attestations/")) return { url: attestationsPath(name, version), accept: "application/json" };
  const facts = await reader.facts(name);
  const known = facts?.name === name ? facts.versions.find((candidate) => candidate.version === version) : undefined;
  const file = known?.files.find((candidate) => candidate.name === tarballName(name, version));
  if (file === undefined) return undefined;
  return {
    url: file.url,
    ...(file.claim === undefined ? {} : { claim: file.claim }),
    ...(known?.publishedAt === undefined ? {} : { publishedAt: known.publishedAt }),
  };
}
