import type { DocumentAsk, FileAsk, Location, UpstreamReader } from "../format.ts";
import { upstreamAccept } from "./accept.ts";
import { listSource, pageSource } from "./classify.ts";

/**
 * Where an upstream keeps a page or a file.
 *
 * The upstream's address is that of its simple index, whatever it is called there; what is not below the index is looked
 * for beside it, where the index is called `simple`.
 */
export async function locate(ask: FileAsk | DocumentAsk, reader: UpstreamReader): Promise<Location | undefined> {
  if (ask.kind === "document") return locateDocument(ask, reader.address);
  const { name, version } = ask.subject ?? {};
  if (name === undefined || version === undefined) return undefined;
  const known = (await reader.facts(pageSource(name)))?.versions.find((candidate) => candidate.version === version);
  const file = known?.files.find((candidate) => ask.key === `${name}/${candidate.name}`);
  if (file === undefined) return undefined;
  return {
    url: file.url,
    ...(file.claim === undefined ? {} : { claim: file.claim }),
    ...(known?.publishedAt === undefined ? {} : { publishedAt: known.publishedAt }),
  };
}

function locateDocument(ask: DocumentAsk, address: string): Location | undefined {
  if (ask.source.startsWith(listSource))
    return { url: new URL(ask.source.slice(listSource.length), address).href, accept: upstreamAccept };
  if (!address.endsWith("/simple/")) return undefined;
  return { url: new URL(`../${ask.source}`, address).href, accept: "application/json" };
}
