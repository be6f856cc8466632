import { type SourceDocument } from "../format.ts";
import { compareVersions } from "../version-order.ts";
import { objectsOf, textOf, type JsonObject } from "./json.ts";
import { localFound, type LinkScope } from "./links.ts";
import { normalId, normalVersion, places } from "./names.ts";

type ReadDocument = SourceDocument & { readonly content: JsonObject };

/** Answers a search or a completion: from the list of what is published here, and with what upstreams answered. */
export function renderFound(
  documents: readonly ReadDocument[],
  options: { readonly kind: string; readonly source: string; readonly scope: LinkScope },
): unknown {
  const query = new URLSearchParams(options.source.slice(options.source.indexOf("?")));
  const isCompletion = options.kind === "autocomplete";
  const answers = documents.map((document) =>
    document.isHosted ? found(document.content, query) : told(document.content),
  );
  const seen = new Set<string>();
  const results = answers
    .flatMap((answer) => answer.packages)
    .filter((entry) => !seen.has(entry.name) && seen.add(entry.name))
    .slice(0, Number(query.get("take") ?? 20))
    .map((entry) => (isCompletion ? entry.id : localResult(entry, options.scope)));
  return { totalHits: answers.reduce((sum, answer) => sum + answer.total, 0), data: results };
}

interface FoundPackage {
  readonly id: string;
  /** Normal. */
  readonly name: string;
  readonly raw: JsonObject;
}

/** What an upstream answered: objects to a search, ids to a completion. */
function told(content: JsonObject): { packages: readonly FoundPackage[]; total: number } {
  const entries = Array.isArray(content["data"]) ? (content["data"] as unknown[]) : [];
  const packages = entries.flatMap((entry) => {
    const raw = typeof entry === "string" ? { id: entry } : (entry as JsonObject);
    const id = textOf(raw?.["id"]);
    const name = id === undefined ? undefined : normalId(id);
    return id === undefined || name === undefined ? [] : [{ id, name, raw }];
  });
  return { packages, total: typeof content["totalHits"] === "number" ? content["totalHits"] : packages.length };
}

function found(list: JsonObject, query: URLSearchParams): { packages: readonly FoundPackage[]; total: number } {
  const words = (query.get("q") ?? "")
    .toLowerCase()
    .replaceAll(/\b(?:packageid|id|version|title|tags|author|description|summary|owner):/g, "")
    .split(/\s+/)
    .filter((word) => word !== "");
  const isAll = query.get("prerelease") === "true";
  const packages = told(list).packages.flatMap((entry) => {
    const text = ["id", "title", "description"].map((field) => textOf(entry.raw[field]) ?? "");
    const tags = Array.isArray(entry.raw["tags"]) ? (entry.raw["tags"] as unknown[]).map(String) : [];
    const haystack = [...text, ...tags].join(" ").toLowerCase();
    if (!words.every((word) => haystack.includes(word))) return [];
    const versions = objectsOf(entry.raw["versions"]).filter(
      (one) => one["listed"] !== false && (isAll || !(textOf(one["version"]) ?? "").includes("-")),
    );
    const newest = versions
      .map((one) => textOf(one["version"]) ?? "")
      .toSorted(compareVersions)
      .at(-1);
    return newest === undefined ? [] : [{ ...entry, raw: { ...entry.raw, version: newest, versions } }];
  });
  const skip = Number(query.get("skip") ?? 0);
  return { packages: packages.slice(skip), total: packages.length };
}

function localResult(entry: FoundPackage, scope: LinkScope): JsonObject {
  const versions = objectsOf(entry.raw["versions"]).flatMap((one) => {
    const version = normalVersion(textOf(one["version"]) ?? "");
    if (version === undefined) return [];
    const downloads = typeof one["downloads"] === "number" ? one["downloads"] : 0;
    return { "@id": `${scope.base}/${places.leaf(entry.name, version)}`, version: one["version"], downloads };
  });
  return { ...localFound(entry.raw, entry.name, scope), versions };
}
