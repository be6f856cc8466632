import { type Rendered, type RenderInput } from "../format.ts";
import { compareVersions } from "../version-order.ts";
import { localEntry, localLeaf, withoutLinks, type LinkScope } from "./links.ts";
import { readObject, textOf, type JsonObject } from "./json.ts";
import { normalVersion, places } from "./names.ts";
import { pageOf, pagesOf, type RegistrationLeaf, type RegistrationPage } from "./registration.ts";
import { renderFound } from "./search.ts";

/** Makes NuGet's documents: all members' versions, all addresses our own, without what is withheld. */
export function render(input: RenderInput): Rendered {
  const documents = input.documents.map((document) => ({ ...document, content: readObject(document) }));
  const contents = documents.map((document) => document.content);
  const name = input.source.split("?", 1)[0]!.split("/")[1] ?? "";
  const upstreams = documents.filter((document) => !document.isHosted);
  const scope: LinkScope = { base: input.base, origins: upstreams.map((document) => originOf(document.url)) };
  const bytes = JSON.stringify(make());
  return { bytes: Buffer.from(bytes), mediaType: "application/json" };

  function make(): unknown {
    switch (input.variant) {
      case "versions":
        return { versions: mergedVersions(contents, input.withheld) };
      case "completions":
      case "stable completions":
        return completions(mergedVersions(contents, input.withheld), input.variant === "completions");
      case "index":
        return registrationIndex(contents, { name, scope, withheld: input.withheld });
      case "page":
        return registrationPage(contents, { name, scope, withheld: input.withheld });
      case "leaf":
        return leafDocument(contents[0]!, { name, scope, version: input.source.split("/").at(-1)! });
      case "catalog":
        return localEntry(contents[0]!, { name, version: input.source.split("/").at(-1)!, scope });
      default:
        return renderFound(documents, { kind: input.variant, source: input.source, scope });
    }
  }
}

function originOf(url: string): string {
  return URL.parse(url)?.origin ?? "";
}

interface PackageScope {
  readonly name: string;
  readonly scope: LinkScope;
  readonly withheld: ReadonlyMap<string, string>;
}

function mergedVersions(contents: readonly JsonObject[], withheld: ReadonlyMap<string, string>): string[] {
  const versions = contents
    .flatMap((content) => (Array.isArray(content["versions"]) ? (content["versions"] as unknown[]) : []))
    .flatMap((version) => normalVersion(textOf(version) ?? "") ?? [])
    .filter((version) => isOffered(withheld, version));
  return [...new Set(versions)].toSorted(compareVersions);
}

function isOffered(withheld: ReadonlyMap<string, string>, version: string): boolean {
  return !withheld.has(version) && !withheld.has("*");
}

function completions(versions: readonly string[], isAll: boolean): unknown {
  const kept = versions.filter((version) => isAll || !version.includes("-"));
  return { totalHits: kept.length, data: kept };
}

function registrationIndex(contents: readonly JsonObject[], options: PackageScope): unknown {
  const { name, scope } = options;
  const id = `${scope.base}/${places.registration(name)}`;
  const seen = new Set<string>();
  const items = contents
    .flatMap(pagesOf)
    .flatMap((page) => indexPage(page, seen, options) ?? [])
    .toSorted((a, b) => compareVersions(a.lower, b.lower));
  return { "@id": id, "@type": ["catalog:CatalogRoot", "PackageRegistration"], count: items.length, items };
}

/** A page in an index: with its leaves as it had them, or with our address of it. */
function indexPage(
  page: RegistrationPage,
  seen: Set<string>,
  options: PackageScope,
): (JsonObject & { lower: string }) | undefined {
  const { name, scope } = options;
  const parent = `${scope.base}/${places.registration(name)}`;
  if (page.leaves === undefined) {
    const count = typeof page.raw["count"] === "number" ? page.raw["count"] : 1;
    const id = `${scope.base}/${places.page(name, page.lower, page.upper)}`;
    return { "@id": id, "@type": "catalog:CatalogPage", count, parent, lower: page.lower, upper: page.upper };
  }
  const leaves = page.leaves.filter(({ version }) => isOffered(options.withheld, version) && !seen.has(version));
  if (leaves.length === 0) return undefined;
  for (const { version } of leaves) seen.add(version);
  const id = `${parent}#page/${page.lower}/${page.upper}`;
  return { ...filledPage(leaves, page, options), "@id": id };
}

/** A page that stands alone. */
function registrationPage(contents: readonly JsonObject[], options: PackageScope): unknown {
  const pages = contents.flatMap((content) => pageOf(content) ?? []);
  const [first] = pages;
  const seen = new Set<string>();
  const leaves = pages
    .flatMap((page) => page.leaves ?? [])
    .filter(({ version }) => isOffered(options.withheld, version) && !seen.has(version) && seen.add(version));
  if (first === undefined) return { count: 0, items: [] };
  const id = `${options.scope.base}/${places.page(options.name, first.lower, first.upper)}`;
  return { ...filledPage(leaves, first, options), "@id": id };
}

function filledPage(
  leaves: readonly RegistrationLeaf[],
  page: RegistrationPage,
  { name, scope }: PackageScope,
): JsonObject & { lower: string } {
  return {
    "@type": "catalog:CatalogPage",
    count: leaves.length,
    parent: `${scope.base}/${places.registration(name)}`,
    lower: page.lower,
    upper: page.upper,
    items: leaves.map((leaf) => localLeaf(leaf, name, scope)),
  };
}

function leafDocument(
  content: JsonObject,
  options: { readonly name: string; readonly version: string; readonly scope: LinkScope },
): unknown {
  const { name, version, scope } = options;
  return {
    ...withoutLinks(content, scope),
    "@id": `${scope.base}/${places.leaf(name, version)}`,
    catalogEntry: `${scope.base}/${places.catalog(name, version)}`,
    packageContent: `${scope.base}/${places.archive(name, version)}`,
    registration: `${scope.base}/${places.registration(name)}`,
  };
}
