import { Failure } from "../../base/errors.ts";
import { type Claim, type DocumentAsk, type FileAsk, type Location, type UpstreamReader } from "../format.ts";
import { completionMark } from "./classify.ts";
import { objectsOf, readObject, textOf, type JsonObject } from "./json.ts";
import { places } from "./names.ts";
import { isInPage, pageOf, pagesOf, type RegistrationLeaf, type RegistrationPage } from "./registration.ts";

/** Where an upstream keeps something: at addresses that its own list of resources begins. */
export async function locate(ask: FileAsk | DocumentAsk, reader: UpstreamReader): Promise<Location | undefined> {
  if (ask.kind === "file") return await locateFile(ask, reader);
  const { source } = ask;
  if (source === "index.json") return { url: indexUrl(reader.address) };
  const [kind, name = "", third, lower, upper] = source.split("?", 1)[0]!.split("/");
  switch (kind) {
    case "flat":
      return below(await resource(reader, "PackageBaseAddress/"), `${encodeURIComponent(name)}/index.json`);
    case "registrations":
      if (third === "page") return await locatePage(reader, { name, lower, upper });
      return below(
        await resource(reader, "RegistrationsBaseUrl"),
        `${encodeURIComponent(name)}/${third ?? "index"}.json`,
      );
    case "catalog": {
      const url = (await findLeaf(reader, name, third ?? ""))?.catalogUrl;
      return url === undefined ? undefined : { url };
    }
    case "search":
      return await locateSearch(reader, new URLSearchParams(source.slice("search?".length)));
    default:
      return undefined;
  }
}

async function locateSearch(reader: UpstreamReader, query: URLSearchParams): Promise<Location | undefined> {
  const isCompletion = query.has(completionMark);
  query.delete(completionMark);
  const url = await resource(reader, isCompletion ? "SearchAutocompleteService" : "SearchQueryService");
  return url === undefined ? undefined : { url: `${url}?${query.toString()}` };
}

/** The versions of a package, from the index and from the pages that it leaves elsewhere. */
export async function readLeaves(reader: UpstreamReader, name: string): Promise<RegistrationLeaf[] | undefined> {
  const index = await reader.read(`registrations/${name}`);
  if (index === undefined) return undefined;
  const leaves: RegistrationLeaf[] = [];
  for (const page of pagesOf(readObject({ bytes: index, url: places.registration(name) })))
    leaves.push(...(await leavesOf(reader, name, page)));
  return leaves;
}

/** People give a source's address as its `index.json`, or as the folder of it. */
function indexUrl(address: string): string {
  return address.endsWith(".json/") ? address.slice(0, -1) : `${address}index.json`;
}

/** Newer protocols first: `Versioned` is that of the newest. */
function typeRank(type: string): number {
  if (type.endsWith("/Versioned")) return 1000;
  const [, major = "0", minor = "0"] = /\/(\d+)\.(\d+)/.exec(type) ?? [];
  return Number(major) * 100 + Number(minor);
}

/** The address of the newest resource of a kind; a kind ends with a slash where it has no plain form. */
async function resource(reader: UpstreamReader, kind: string): Promise<string | undefined> {
  const index = await upstreamIndex(reader);
  const found = objectsOf(index["resources"])
    .map((entry) => ({ url: textOf(entry["@id"]), type: textOf(entry["@type"]) ?? "" }))
    .filter(({ type }) => type === kind || type.startsWith(kind.endsWith("/") ? kind : `${kind}/`))
    .toSorted((a, b) => typeRank(b.type) - typeRank(a.type));
  return found[0]?.url;
}

async function upstreamIndex(reader: UpstreamReader): Promise<JsonObject> {
  const bytes = await reader.read("index.json");
  if (bytes !== undefined) return readObject({ bytes, url: indexUrl(reader.address) });
  throw new Failure("upstream_unreachable", `The NuGet source "${reader.address}" has no index.json`, {
    hint: "The upstream must be the address of a v3 source, as clients have it",
  });
}

function below(base: string | undefined, path: string): Location | undefined {
  return base === undefined ? undefined : { url: `${base.replace(/\/*$/, "/")}${path}` };
}

async function locatePage(
  reader: UpstreamReader,
  wanted: { readonly name: string; readonly lower: string | undefined; readonly upper: string | undefined },
): Promise<Location | undefined> {
  const index = await reader.read(`registrations/${wanted.name}`);
  if (index === undefined) return undefined;
  const page = pagesOf(readObject({ bytes: index, url: places.registration(wanted.name) })).find(
    ({ lower, upper, leaves }) => leaves === undefined && lower === wanted.lower && upper === wanted.upper,
  );
  return page?.url === undefined ? undefined : { url: page.url };
}

async function leavesOf(
  reader: UpstreamReader,
  name: string,
  page: RegistrationPage,
): Promise<readonly RegistrationLeaf[]> {
  if (page.leaves !== undefined) return page.leaves;
  const bytes = await reader.read(`registrations/${name}/page/${page.lower}/${page.upper}`);
  return bytes === undefined ? [] : (pageOf(readObject({ bytes, url: page.url ?? name }))?.leaves ?? []);
}

async function findLeaf(reader: UpstreamReader, name: string, version: string): Promise<RegistrationLeaf | undefined> {
  const index = await reader.read(`registrations/${name}`);
  if (index === undefined) return undefined;
  for (const page of pagesOf(readObject({ bytes: index, url: places.registration(name) }))) {
    if (!isInPage(page, version)) continue;
    const leaf = (await leavesOf(reader, name, page)).find((entry) => entry.version === version);
    if (leaf !== undefined) return leaf;
  }
  return undefined;
}

async function locateFile(ask: FileAsk, reader: UpstreamReader): Promise<Location | undefined> {
  const { name, version } = ask.subject ?? {};
  if (name === undefined || version === undefined) return undefined;
  const file = ask.key.slice(ask.key.lastIndexOf("/") + 1);
  const isArchive = file.endsWith(".nupkg");
  const leaf = isArchive ? await findLeaf(reader, name, version) : undefined;
  const base = await resource(reader, "PackageBaseAddress/");
  const id = encodeURIComponent(name);
  const flatFile = file.startsWith(`${name}.`) ? `${id}${file.slice(name.length)}` : file;
  const url = below(base, `${id}/${version}/${flatFile}`)?.url ?? leaf?.archiveUrl;
  if (url === undefined) return undefined;
  const claim = leaf?.catalogUrl === undefined ? undefined : await catalogClaim(reader, name, version);
  return {
    url,
    ...(claim === undefined ? {} : { claim }),
    ...(leaf?.publishedAt === undefined ? {} : { publishedAt: leaf.publishedAt }),
  };
}

/** The hash stands in the catalog alone; a source that offers none tells no hash. */
async function catalogClaim(reader: UpstreamReader, name: string, version: string): Promise<Claim | undefined> {
  if ((await resource(reader, "Catalog/")) === undefined) return undefined;
  const bytes = await reader.read(`catalog/${name}/${version}`);
  return bytes === undefined ? undefined : claimOf(readObject({ bytes, url: places.catalog(name, version) }));
}

/** What a catalog leaf says of the archive. Source: NuGet documentation, "Catalog resource", package details. */
function claimOf(catalog: JsonObject): Claim | undefined {
  const hash = Buffer.from(textOf(catalog["packageHash"]) ?? "", "base64");
  const algorithm = textOf(catalog["packageHashAlgorithm"])?.toUpperCase();
  if (algorithm === "SHA512" && hash.length === 64) return { algorithm: "sha512", value: hash.toString("hex") };
  if (algorithm === "SHA256" && hash.length === 32) return { algorithm: "sha256", value: hash.toString("hex") };
  return undefined;
}
