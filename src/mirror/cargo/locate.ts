import { Failure } from "../../base/errors.ts";
import type { DocumentAsk, FileAsk, Location, UpstreamReader } from "../format.ts";
import { findLine, type IndexLine } from "./lines.ts";
import { crateKey, indexPath, indexPrefix } from "./names.ts";

/** Where an upstream registry keeps an index file or an archive; archives lie where its own `config.json` says. */
export async function locate(ask: FileAsk | DocumentAsk, reader: UpstreamReader): Promise<Location | undefined> {
  if (ask.kind === "document") return await locateDocument(ask.source, reader);
  const { name, version } = ask.subject ?? {};
  if (name === undefined || version === undefined) return undefined;
  const index = await reader.read(indexPath(name));
  const line = index === undefined ? undefined : findLine(index, version);
  if (line === undefined || crateKey(line.name) !== name) return undefined;
  const { dl } = await upstreamConfig(reader);
  if (dl === undefined)
    throw new Failure("upstream_unreachable", `The registry "${reader.address}" names no downloads`);
  return {
    url: downloadUrl(dl, line),
    ...(line.checksum === undefined ? {} : { claim: { algorithm: "sha256", value: line.checksum } }),
    ...(line.publishedAt === undefined ? {} : { publishedAt: line.publishedAt }),
  };
}

async function locateDocument(source: string, reader: UpstreamReader): Promise<Location | undefined> {
  if (!source.startsWith("search?")) return { url: source };
  const { api } = await upstreamConfig(reader);
  if (api === undefined) return undefined;
  return {
    url: `${api.replace(/\/+$/, "")}/api/v1/crates${source.slice("search".length)}`,
    accept: "application/json",
  };
}

/**
 * Fills in the `dl` of a registry's `config.json`.
 *
 * Source: The Cargo Book, "Index Format", index configuration.
 */
export function downloadUrl(template: string, line: Pick<IndexLine, "name" | "version" | "checksum">): string {
  const { name, version, checksum } = line;
  const values: Readonly<Record<string, string | undefined>> = {
    "{crate}": name,
    "{version}": version,
    "{prefix}": indexPrefix(name),
    "{lowerprefix}": indexPrefix(name.toLowerCase()),
    "{sha256-checksum}": checksum,
  };
  const filled = template.replaceAll(/\{[a-z\d-]+\}/g, (placeholder) => values[placeholder] ?? placeholder);
  return filled === template ? `${template}/${name}/${version}/download` : filled;
}

async function upstreamConfig(reader: UpstreamReader): Promise<{ dl?: string; api?: string }> {
  const bytes = await reader.read("config.json");
  let config: unknown;
  try {
    config = JSON.parse(bytes?.toString("utf8") ?? "");
  } catch (error) {
    throw new Failure("upstream_unreachable", `The registry "${reader.address}" has no readable config.json`, {
      hint: "The upstream must be the address of a sparse Cargo index",
      cause: error,
    });
  }
  const { dl, api } = (config ?? {}) as Readonly<Record<string, unknown>>;
  return { ...(typeof dl === "string" ? { dl } : {}), ...(typeof api === "string" ? { api } : {}) };
}
