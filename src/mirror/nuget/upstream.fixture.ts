import { createHash } from "node:crypto";
import { writeZip } from "../../base/zip.fixture.ts";

/** A version that the upstream of a test has. */
export interface FixtureVersion {
  readonly version: string;
  readonly published?: string;
  /** Where the package is not what the catalog says. */
  readonly poisoned?: Buffer;
}

/** Makes a package as `dotnet pack` does, in what a mirror reads of it. */
export function makePackage(id: string, version: string, metadata = ""): Buffer {
  const nuspec = `\uFEFF<?xml version="1.0" encoding="utf-8"?>
<package xmlns="http://schemas.example/nuspec.xsd">
  <metadata minClientVersion="2.12">
    <id>${id}</id><version>${version}</version><authors>Ann &amp; Bob</authors>
    <description>About ${id}</description><tags>one, two three</tags>
    <license type="expression">MIT</license>
    ${metadata}
  </metadata>
</package>`;
  return writeZip(
    [
      [`${id}.nuspec`, nuspec],
      ["lib/net8.0/a.dll", "MZ"],
      ["content/other.nuspec", "<not/>"],
    ],
    { deflate: true, wide: false },
  );
}

/** Where the upstream of a test is, without a slash at its end, and the id of its one package. */
interface FixtureSource {
  readonly origin: string;
  readonly id: string;
}

/** The answers of a NuGet v3 source with one package, by path; its first versions are in a page of their own. */
export function upstreamAnswers(
  origin: string,
  id: string,
  versions: readonly FixtureVersion[],
): Readonly<Record<string, string | Buffer>> {
  const name = id.toLowerCase();
  const source = { origin, id };
  const half = Math.ceil(versions.length / 2);
  const [early, late] = [versions.slice(0, half), versions.slice(half)];
  const pages = [pageOf(source, early, false), ...(late.length > 0 ? [pageOf(source, late, true)] : [])];
  const index = { "@context": { "@base": `${origin}/` }, count: pages.length, items: pages };
  const earlyPath = `/reg/${name}/page/${early[0]!.version}/${early.at(-1)!.version}.json`;
  return {
    "/v3/index.json": JSON.stringify(resourcesOf(origin)),
    [`/flat/${name}/index.json`]: JSON.stringify({ versions: versions.map((one) => one.version.toLowerCase()) }),
    [`/reg/${name}/index.json`]: JSON.stringify(index),
    [earlyPath]: JSON.stringify(pageOf(source, early, true)),
    "/query": JSON.stringify(searchAnswer(source, versions)),
    "/complete": JSON.stringify({ totalHits: 1, data: [id] }),
    ...Object.fromEntries(versions.flatMap((one) => versionAnswers(source, one))),
  };
}

function resourcesOf(origin: string): object {
  const resource = (path: string, type: string): object => ({ "@id": `${origin}${path}`, "@type": type });
  return {
    version: "3.0.0",
    resources: [
      resource("/flat/", "PackageBaseAddress/3.0.0"),
      resource("/old/", "RegistrationsBaseUrl"),
      resource("/reg/", "RegistrationsBaseUrl/3.6.0"),
      resource("/query", "SearchQueryService"),
      resource("/complete", "SearchAutocompleteService/3.5.0"),
      resource("/catalog/index.json", "Catalog/3.0.0"),
    ],
  };
}

function pageOf(source: FixtureSource, part: readonly FixtureVersion[], hasItems: boolean): object {
  const registration = `${source.origin}/reg/${source.id.toLowerCase()}`;
  const [lower, upper] = [part[0]!.version, part.at(-1)!.version];
  return {
    "@id": `${registration}/page/${lower}/${upper}.json`,
    "@type": "catalog:CatalogPage",
    count: part.length,
    lower,
    upper,
    parent: `${registration}/index.json`,
    ...(hasItems ? { items: part.map((one) => leafOf(source, one)) } : {}),
  };
}

function leafOf({ origin, id }: FixtureSource, one: FixtureVersion): object {
  const name = id.toLowerCase();
  const version = one.version.toLowerCase();
  const dependency = { id: "Other.Lib", range: "[1.0.0, )", registration: `${origin}/reg/other.lib/index.json` };
  return {
    "@id": `${origin}/reg/${name}/${version}.json`,
    "@type": "Package",
    catalogEntry: {
      "@id": `${origin}/catalog/${name}.${version}.json`,
      "@type": "PackageDetails",
      id,
      version: one.version,
      published: one.published ?? "2024-01-02T03:04:05Z",
      listed: true,
      iconUrl: `${origin}/flat/${name}/${version}/icon`,
      projectUrl: "https://project.example/",
      dependencyGroups: [
        {
          "@id": `${origin}/catalog/${name}.json#group`,
          targetFramework: "net8.0",
          dependencies: [{ "@id": `${origin}/x`, ...dependency }],
        },
      ],
      deprecation: { "@id": `${origin}/catalog/${name}.json#deprecation`, reasons: ["Legacy"] },
    },
    packageContent: `${origin}/flat/${name}/${version}/${name}.${version}.nupkg`,
    registration: `${origin}/reg/${name}/index.json`,
  };
}

function versionAnswers(source: FixtureSource, one: FixtureVersion): [string, string | Buffer][] {
  const name = source.id.toLowerCase();
  const version = one.version.toLowerCase();
  const bytes = makePackage(source.id, one.version);
  const catalog = {
    "@id": `${source.origin}/catalog/${name}.${version}.json`,
    id: source.id,
    version: one.version,
    packageHash: createHash("sha512").update(bytes).digest("base64"),
    packageHashAlgorithm: "SHA512",
  };
  return [
    [`/flat/${name}/${version}/${name}.${version}.nupkg`, one.poisoned ?? bytes],
    [`/flat/${name}/${version}/${name}.nuspec`, "<package/>"],
    [`/catalog/${name}.${version}.json`, JSON.stringify(catalog)],
    [`/reg/${name}/${version}.json`, JSON.stringify({ ...leafOf(source, one), catalogEntry: catalog["@id"] })],
  ];
}

function searchAnswer({ origin, id }: FixtureSource, versions: readonly FixtureVersion[]): object {
  const registration = `${origin}/reg/${id.toLowerCase()}/index.json`;
  const found = {
    "@id": registration,
    registration,
    id,
    version: versions.at(-1)!.version,
    description: "From upstream",
    versions: versions.map((one) => ({ version: one.version, downloads: 7, "@id": `${registration}/x.json` })),
  };
  return { "@context": { "@base": `${origin}/` }, totalHits: 1, data: [found] };
}

/** A form as `dotnet nuget push` sends it. */
export function pushForm(bytes: Buffer): {
  readonly headers: { readonly "content-type": string };
  readonly body: Buffer;
} {
  const head = "--q-z\r\nContent-Type: application/octet-stream\r\nContent-Disposition: form-data; name=package; ";
  const body = Buffer.concat([
    Buffer.from(`${head}filename=package.nupkg; filename*=utf-8''package.nupkg\r\n\r\n`),
    bytes,
    Buffer.from("\r\n--q-z--\r\n"),
  ]);
  return { headers: { "content-type": 'multipart/form-data; boundary="q-z"' }, body };
}
