import type { RenderInput, SourceDocument } from "../format.ts";
import { isObject, type JsonObject, ownMember, type Packument, readObject } from "./packument.ts";

/**
 * The answer to a search: what was published here and fits, then what the upstreams found.
 *
 * A hosted repository gives the list of all that it has, in the shape of an answer.
 */
export function renderSearch({ documents, variant }: RenderInput): JsonObject {
  const query = new URLSearchParams(variant.slice("search:".length));
  const size = boundedNumber(query.get("size"), { fallback: 20, most: 250 });
  const from = boundedNumber(query.get("from"), { fallback: 0, most: 10_000 });
  const words = (query.get("text") ?? "").toLowerCase().split(/\s+/);
  const own = documents.filter((document) => document.isHosted).flatMap(objectsOf);
  const found = own.filter((object) => fits(object, words));
  const others = documents.filter((document) => !document.isHosted);
  const objects = [...found.slice(from, from + size), ...others.flatMap(objectsOf)].slice(0, size);
  const total = others.reduce((sum, document) => sum + totalOf(document), found.length);
  return { objects, total };
}

function boundedNumber(text: string | null, { fallback, most }: { fallback: number; most: number }): number {
  const value = text === null ? fallback : Number.parseInt(text, 10);
  return Number.isNaN(value) || value < 0 ? fallback : Math.min(value, most);
}

function objectsOf(document: SourceDocument): JsonObject[] {
  const objects = readObject(document.bytes)?.["objects"];
  return Array.isArray(objects) ? objects.filter(isObject) : [];
}

function totalOf(document: SourceDocument): number {
  const total = readObject(document.bytes)?.["total"];
  return typeof total === "number" ? total : 0;
}

function fits(object: JsonObject, words: readonly string[]): boolean {
  const subject = isObject(object["package"]) ? object["package"] : {};
  const text = JSON.stringify([subject["name"], subject["description"], subject["keywords"]]).toLowerCase();
  return words.every((word) => text.includes(word.replace(/^(?:scope|keywords|author|maintainer):/, "")));
}

/** The list of what a hosted repository has, with a package's entry renewed; without it where nothing of it is left. */
export function withSearchEntry(list: Buffer | undefined, packument: Packument): Buffer {
  const parsed = list === undefined ? undefined : readObject(list)?.["objects"];
  const others = (Array.isArray(parsed) ? parsed.filter(isObject) : []).filter(
    (object) => !isObject(object["package"]) || object["package"]["name"] !== packument.name,
  );
  const entry = searchEntry(packument);
  const objects = entry === undefined ? others : [...others, entry];
  return Buffer.from(JSON.stringify({ objects, total: objects.length }));
}

function searchEntry(packument: Packument): JsonObject | undefined {
  const version = ownMember(packument["dist-tags"], "latest");
  const manifest = version === undefined ? undefined : ownMember(packument.versions, version);
  if (version === undefined || manifest === undefined) return undefined;
  return {
    package: {
      name: packument.name,
      version,
      description: manifest["description"] ?? "",
      keywords: Array.isArray(manifest["keywords"]) ? manifest["keywords"] : [],
      date: ownMember(packument.time, version),
      links: {},
      maintainers: [],
    },
    score: { final: 1, detail: { quality: 1, popularity: 1, maintenance: 1 } },
    searchScore: 1,
  };
}
