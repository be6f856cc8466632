import { type Ask, type FileAsk, type MirrorRequest, type RepositorySettings } from "../format.ts";
import { archiveKey, normalId, normalVersion } from "./names.ts";

/** Most answers of a search, and how far one may page: what the public gallery allows. */
const takeLimit = 1000;
const skipLimit = 3000;

/** Tells the question for ids from that for packages; upstreams do not get it. */
export const completionMark = "mintmark-completion";

/** What a path below a repository means. Source: NuGet documentation, "NuGet Server API". */
export function classify(request: MirrorRequest, kind: RepositorySettings["kind"]): Ask {
  const parts = decoded(request.path);
  if (parts === undefined) return unknown;
  const [root, area, ...rest] = parts;
  if (request.path === "v3/index.json" || request.path === "index.json") return resourceIndex(kind);
  if (root !== "v3") return unknown;
  switch (area) {
    case "flat":
      return classifyFlat(rest);
    case "registrations":
      return classifyRegistration(rest);
    case "catalog": {
      const found = packageOf(rest[0], rest[1]?.replace(/\.json$/, ""));
      if (found === undefined || rest.length !== 2) return unknown;
      return { kind: "document", source: `catalog/${found.name}/${found.version}`, variant: "catalog", subject: found };
    }
    case "search":
      return rest.length === 0 ? search("search", request.query) : unknown;
    case "autocomplete":
      return rest.length === 0 ? autocomplete(request.query) : unknown;
    default:
      return unknown;
  }
}

const unknown: Ask = { kind: "refused", status: 404, reason: "A NuGet source has nothing at this path" };

/** The parts of a path; undefined where a part hides a slash or climbs. */
function decoded(path: string): readonly string[] | undefined {
  try {
    const parts = path.split("/").map((part) => decodeURIComponent(part));
    return parts.some((part) => part.includes("/") || part.includes("\\") || part === "..") ? undefined : parts;
  } catch {
    return undefined;
  }
}

function packageOf(id: string | undefined, version: string | undefined): { name: string; version: string } | undefined {
  const name = id === undefined ? undefined : normalId(id);
  const normal = version === undefined ? undefined : normalVersion(version);
  return name === undefined || normal === undefined ? undefined : { name, version: normal };
}

/** Types of resources and where they stand here; several names of one kind are versions of its protocol. */
const resources: readonly { readonly path: string; readonly types: readonly string[]; readonly isWrite?: boolean }[] = [
  { path: "v3/flat/", types: ["PackageBaseAddress/3.0.0"] },
  {
    path: "v3/registrations/",
    types: [
      "RegistrationsBaseUrl",
      "RegistrationsBaseUrl/3.0.0-beta",
      "RegistrationsBaseUrl/3.0.0-rc",
      "RegistrationsBaseUrl/3.4.0",
      "RegistrationsBaseUrl/3.6.0",
    ],
  },
  {
    path: "v3/search",
    types: [
      "SearchQueryService",
      "SearchQueryService/3.0.0-beta",
      "SearchQueryService/3.0.0-rc",
      "SearchQueryService/3.5.0",
    ],
  },
  {
    path: "v3/autocomplete",
    types: [
      "SearchAutocompleteService",
      "SearchAutocompleteService/3.0.0-beta",
      "SearchAutocompleteService/3.0.0-rc",
      "SearchAutocompleteService/3.5.0",
    ],
  },
  { path: "v3/package", types: ["PackagePublish/2.0.0"], isWrite: true },
];

/** Our own list of resources: what is not in it, clients do not ask for. */
function resourceIndex(kind: RepositorySettings["kind"]): Ask {
  const body = (base: string): string =>
    JSON.stringify({
      version: "3.0.0",
      resources: resources
        .filter((resource) => resource.isWrite !== true || kind === "hosted")
        .flatMap(({ path, types }) => types.map((type) => ({ "@id": `${base}/${path}`, "@type": type }))),
    });
  return { kind: "fixed", status: 200, mediaType: "application/json", body };
}

function classifyFlat(rest: readonly string[]): Ask {
  const [id = "", second, file] = rest;
  const name = normalId(id);
  if (name === undefined) return unknown;
  if (rest.length === 2 && second === "index.json")
    return { kind: "document", source: `flat/${name}`, variant: "versions", subject: { name } };
  const subject = packageOf(id, second);
  if (rest.length !== 3 || file === undefined || subject === undefined) return unknown;
  const { version } = subject;
  const lower = file.toLowerCase();
  const fileAsk = (key: string, mediaType: string): FileAsk => ({
    kind: "file",
    key,
    lifetime: "immutable",
    subject,
    mediaType,
  });
  if (lower.endsWith(".nupkg") && packageFile(lower, name, version))
    return fileAsk(archiveKey(name, version), "application/octet-stream");
  if (lower === `${name}.nuspec`) return fileAsk(`flat/${name}/${version}/${name}.nuspec`, "application/xml");
  // What readers of a package page are shown; never a type that a browser would run.
  if (lower === "icon") return fileAsk(`flat/${name}/${version}/icon`, "application/octet-stream");
  if (lower === "readme" || lower === "license")
    return fileAsk(`flat/${name}/${version}/${lower}`, "text/plain; charset=utf-8");
  return unknown;
}

/** Whether a file is `<id>.<version>.nupkg`, its version written in any form. */
function packageFile(file: string, name: string, version: string): boolean {
  const written = file.slice(name.length + 1, -".nupkg".length);
  return file.startsWith(`${name}.`) && normalVersion(written) === version;
}

function classifyRegistration(rest: readonly string[]): Ask {
  const [id = "", second = "", lower, upper] = rest;
  const name = normalId(id);
  if (name === undefined) return unknown;
  if (rest.length === 2 && second === "index.json")
    return { kind: "document", source: `registrations/${name}`, variant: "index", subject: { name } };
  if (rest.length === 4 && second === "page" && lower !== undefined && upper?.endsWith(".json") === true) {
    const [from, to] = [normalVersion(lower), normalVersion(upper.slice(0, -".json".length))];
    if (from === undefined || to === undefined) return unknown;
    const source = `registrations/${name}/page/${from}/${to}`;
    return { kind: "document", source, variant: "page", subject: { name } };
  }
  const subject = packageOf(id, second.replace(/\.json$/, ""));
  if (rest.length !== 2 || subject === undefined || !second.endsWith(".json")) return unknown;
  return { kind: "document", source: `registrations/${name}/${subject.version}`, variant: "leaf", subject };
}

function search(kind: "search" | "autocomplete", query: URLSearchParams): Ask {
  const words = (query.get("q") ?? "").trim().slice(0, 200);
  const packageType = (query.get("packageType") ?? "").trim().slice(0, 100);
  const asked = new URLSearchParams({
    q: words,
    skip: String(bounded(query.get("skip"), 0, skipLimit)),
    take: String(bounded(query.get("take"), 20, takeLimit)),
    prerelease: String(query.get("prerelease")?.toLowerCase() === "true"),
    semVerLevel: "2.0.0",
    ...(kind === "autocomplete" ? { [completionMark]: "true" } : {}),
    ...(packageType === "" ? {} : { packageType }),
  });
  const mentions = words.split(/[\s:]+/).flatMap((word) => normalId(word) ?? []);
  return { kind: "document", source: `search?${asked.toString()}`, variant: kind, hostedSource: "search", mentions };
}

/** By `id` it lists versions, which the flat container knows, else it finds ids. */
function autocomplete(query: URLSearchParams): Ask {
  const id = query.get("id");
  if (id === null) return search("autocomplete", query);
  const name = normalId(id);
  if (name === undefined) return unknown;
  const isAll = query.get("prerelease")?.toLowerCase() === "true";
  return {
    kind: "document",
    source: `flat/${name}`,
    variant: isAll ? "completions" : "stable completions",
    subject: { name },
  };
}

function bounded(text: string | null, standard: number, limit: number): number {
  return text !== null && /^\d{1,6}$/.test(text) ? Math.min(Number(text), limit) : standard;
}
