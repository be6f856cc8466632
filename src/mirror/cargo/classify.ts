import type { Ask, MirrorRequest } from "../format.ts";
import { archiveKey, crateKey, indexPath, isCrateName, isCrateVersion } from "./names.ts";

/** Where our own `config.json` sends downloads to; without placeholders, Cargo adds `/{crate}/{version}/download`. */
const downloads = "api/v1/crates";

/** Most answers of a search: what the public registry allows. */
const searchLimit = 100;

/** What a path of a sparse registry and of its web interface means. Source: The Cargo Book, "Registries". */
export function classify(request: MirrorRequest): Ask {
  const { path } = request;
  if (path === "config.json")
    return {
      kind: "fixed",
      status: 200,
      mediaType: "application/json",
      body: (base) => JSON.stringify({ dl: `${base}/${downloads}`, api: base }),
    };
  if (path === downloads) return search(request.query);
  if (path.startsWith(`${downloads}/`)) return classifyApi(path.slice(downloads.length + 1).split("/"));
  const name = path.slice(path.lastIndexOf("/") + 1);
  if (!isCrateName(name) || indexPath(name) !== path) return unknown;
  return { kind: "document", source: path, variant: "index", subject: { name } };
}

const unknown: Ask = { kind: "refused", status: 404, reason: "A Cargo registry has nothing at this path" };

/** What follows `api/v1/crates/`. */
function classifyApi(parts: readonly string[]): Ask {
  const [name = "", second = "", action] = parts;
  if (parts.length === 2 && second === "owners")
    return {
      kind: "refused",
      status: 501,
      reason: "Owners of a crate are not kept: who may publish is set by repository",
    };
  if (parts.length !== 3 || !isCrateName(name)) return unknown;
  const version = second.replaceAll(/%2b/gi, "+");
  if (!isCrateVersion(version) || (action !== "download" && action !== "yank")) return unknown;
  if (action === "yank") return { kind: "refused", status: 405, reason: "Yanking is a DELETE, taking it back a PUT" };
  return {
    kind: "file",
    key: archiveKey(name, version),
    lifetime: "immutable",
    subject: { name: crateKey(name), version },
    mediaType: "application/gzip",
  };
}

function search(query: URLSearchParams): Ask {
  const words = (query.get("q") ?? "").trim().toLowerCase().slice(0, 100);
  const count = Math.min(Math.max(Number.parseInt(query.get("per_page") ?? "10", 10) || 10, 1), searchLimit);
  const source = `search?${new URLSearchParams({ q: words, per_page: String(count) }).toString()}`;
  const mentions = words.split(/\s+/).filter(isCrateName);
  return { kind: "document", source, variant: "search", hostedSource: "search", mentions };
}
