import type { Claim, DocumentAsk, FileAsk, Location, Subject, UpstreamReader } from "../format.ts";
import { keyOf } from "./classify.ts";
import { readVersion } from "./facts.ts";
import { escapeModule } from "./module-path.ts";

/**
 * Where an upstream keeps something: under the same path.
 *
 * A zip and a `go.mod` come with the hash that the upstream's checksum database has of them, where it offers one, and
 * with the time of their version.
 */
export async function locate(ask: FileAsk | DocumentAsk, reader: UpstreamReader): Promise<Location> {
  if (ask.kind === "document") return { url: ask.source };
  const { key: url, subject } = ask;
  if (subject?.version === undefined || !/\/@v\/[^/]+\.(?:mod|zip)$/.test(url)) return { url };
  const module: Required<Subject> = { name: subject.name, version: subject.version };
  const [claim, publishedAt] = await Promise.all([findClaim(module, url, reader), findTime(module, reader)]);
  return { url, ...(claim === undefined ? {} : { claim }), ...(publishedAt === undefined ? {} : { publishedAt }) };
}

/**
 * Reads the record of a version in a checksum database.
 *
 * Source: golang.org/x/mod/sumdb, "lookup": the number of the record, its go.sum lines, an empty line, a signed tree head.
 */
export function claimOf(record: string, module: Required<Subject>, file: "mod" | "zip"): Claim | undefined {
  const wanted = `${module.name} ${module.version}${file === "mod" ? "/go.mod" : ""} h1:`;
  const line = record.split("\n").find((text) => text.startsWith(wanted));
  const value = line?.slice(wanted.length).trim();
  return value !== undefined && /^[A-Za-z0-9+/]{43}=$/.test(value) ? { algorithm: "h1", value } : undefined;
}

async function findClaim(module: Required<Subject>, url: string, reader: UpstreamReader): Promise<Claim | undefined> {
  const database = databaseOf(reader);
  if (database === undefined) return undefined;
  if ((await reader.read(`sumdb/${database}/supported`)) === undefined) return undefined;
  const version = `${escapeModule(module.name)}@${escapeModule(module.version)}`;
  const record = await reader.read(`sumdb/${database}/lookup/${version}`);
  return record === undefined
    ? undefined
    : claimOf(record.toString("utf8"), module, url.endsWith(".mod") ? "mod" : "zip");
}

/** The name of the database: as the repository says, or by the custom that `proxy.…` has its database at `sum.…`. */
function databaseOf(reader: UpstreamReader): string | undefined {
  if (reader.checksumDatabase !== undefined) return reader.checksumDatabase;
  const { hostname } = new URL(reader.address);
  return hostname.startsWith("proxy.") ? hostname.replace("proxy.", "sum.") : undefined;
}

async function findTime({ name, version }: Required<Subject>, reader: UpstreamReader): Promise<number | undefined> {
  const source = keyOf(name, { version, end: "info" });
  const bytes = await reader.read(source);
  if (bytes === undefined) return undefined;
  const time = Date.parse(readVersion({ bytes, url: source }).time ?? "");
  return Number.isNaN(time) ? undefined : time;
}
