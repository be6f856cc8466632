import type { Ask, MirrorRequest, Subject } from "../format.ts";
import { escapeModule, isCanonicalVersion, isModulePath, unescapeModule } from "./module-path.ts";

/** The media types of the protocol. */
export const mediaTypes = {
  text: "text/plain; charset=UTF-8",
  json: "application/json",
  zip: "application/zip",
} as const;

/**
 * What a path of the module proxy protocol means.
 *
 * Immutable: `.info`, `.mod` and `.zip` of canonical versions, full tiles of the checksum database and its records.
 * Mutable: `list`, `@latest`, `.info` of a branch or of `v1`, the database's newest tree head and tiles that still grow.
 * Source: go.dev/ref/mod, "GOPROXY protocol" and "Checksum database".
 */
export function classify(request: MirrorRequest): Ask {
  const path = decodePath(request.path);
  if (path === undefined) return refused("the path is not a path of the module proxy protocol");
  if (path.startsWith("sumdb/")) return classifySumdb(path.slice("sumdb/".length));
  const latest = /^(.+)\/@latest$/.exec(path);
  if (latest !== null) return withModule(latest[1]!, (name) => document(path, { name }));
  const found = /^(.+)\/@v\/([^/]+)$/.exec(path);
  if (found === null) return refused("the path is not a path of the module proxy protocol");
  return withModule(found[1]!, (name) => (found[2] === "list" ? document(path, { name }) : version(path, name)));
}

/**
 * Undoes percent-encoding; undefined where that gives a path that none may be.
 *
 * The path is an address of the upstream as it stands, so it has nothing that means something else there: `%`, `?`, `#`.
 */
export function decodePath(path: string): string | undefined {
  const segments = path.split("/").map((segment) => {
    try {
      return decodeURIComponent(segment);
    } catch {
      return "";
    }
  });
  return segments.every((text) => text !== "." && text !== ".." && /^[!"$&-.0->@-[\]-~]+$/.test(text))
    ? segments.join("/")
    : undefined;
}

function version(path: string, name: string): Ask {
  const found = /\/@v\/([^/]+)\.(info|mod|zip)$/.exec(path);
  if (found === null) return refused("a module has .info, .mod and .zip files and a list");
  const wanted = unescapeModule(found[1]!);
  if (wanted === undefined)
    return refused(`"${found[1]}" is not an escaped version: an upper-case letter is written !x`);
  if (isCanonicalVersion(wanted)) {
    const mediaType = { info: mediaTypes.json, mod: mediaTypes.text, zip: mediaTypes.zip }[found[2]!]!;
    return { kind: "file", key: path, lifetime: "immutable", subject: { name, version: wanted }, mediaType };
  }
  // A branch or a part of a version is a question; its answer names the version that the files are asked with.
  if (found[2] === "info") return document(path, { name });
  return refused(`"${wanted}" is not a canonical version: ask for its .info first`);
}

function withModule(escaped: string, make: (name: string) => Ask): Ask {
  const name = unescapeModule(escaped);
  if (name === undefined) return refused(`"${escaped}" is not an escaped path: an upper-case letter is written !x`);
  return isModulePath(name) ? make(name) : refused(`"${name}" is not a module path`);
}

function classifySumdb(path: string): Ask {
  const key = `sumdb/${path}`;
  const slash = path.indexOf("/");
  if (slash < 1) return refused("the path names no part of a checksum database");
  const rest = path.slice(slash + 1);
  if (rest === "supported" || rest === "latest")
    return { kind: "file", key, lifetime: "mutable", mediaType: mediaTypes.text };
  const lookup = /^lookup\/(.+)@([^@/]+)$/.exec(rest);
  if (lookup !== null) {
    const wanted = unescapeModule(lookup[2]!);
    if (wanted === undefined || !isCanonicalVersion(wanted)) return refused("a lookup asks for a canonical version");
    return withModule(lookup[1]!, (name) => ({
      kind: "file",
      key,
      lifetime: "immutable",
      subject: { name, version: wanted },
      mediaType: mediaTypes.text,
    }));
  }
  const tile = /^tile\/([1-9]\d?)\/(?:data|\d{1,2})\/(?:x\d{3}\/)*\d{3}(\.p\/[1-9]\d*)?$/.exec(rest);
  if (tile === null || Number(tile[1]) > 30) return refused("the path names no part of a checksum database");
  const lifetime = tile[2] === undefined ? "immutable" : "mutable";
  return { kind: "file", key, lifetime, mediaType: "application/octet-stream" };
}

function document(source: string, subject: Subject): Ask {
  return { kind: "document", source, variant: "full", subject };
}

function refused(reason: string): Ask {
  return { kind: "refused", status: 404, reason };
}

/** The key of a module's file or document. */
export function keyOf(module: string, file: "list" | { version: string; end: "info" | "mod" | "zip" }): string {
  const folder = `${escapeModule(module)}/@v`;
  return file === "list" ? `${folder}/list` : `${folder}/${escapeModule(file.version)}.${file.end}`;
}
