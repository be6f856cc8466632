import type { Ask, DocumentAsk, FixedAsk, MirrorRequest, RefusedAsk } from "../format.ts";
import { parsePackageName, versionOfTarball } from "./package-name.ts";

/** The source of the keys that a registry signs with. */
export const keysSource = "-/npm/v1/keys";

/** What the source of every search begins with, and of the list that a hosted repository keeps for searches. */
export const searchSource = "-/v1/search";

/** The key of the attestations of a version. */
export function attestationsKey(name: string, version: string): string {
  return `attestations/${name}@${version}`;
}

/** The key of a tarball. */
export function tarballKey(name: string, file: string): string {
  return `${name}/-/${file}`;
}

/** What a read from an npm registry means. Source: npm registry API, as the clients npm, yarn, pnpm and bun use it. */
export function classify(request: MirrorRequest): Ask {
  const segments = splitPath(request.path);
  if (segments === undefined) return refused(400, "The path is not well formed");
  const [first, ...rest] = segments;
  if (first === undefined) return fixed(() => '{"db_name":"registry"}');
  if (first === "-") return classifySpecial(rest, request);
  const name = parsePackageName(first);
  if (name === undefined) return refused(404, `"${first.slice(0, 100)}" is no package name`);
  if (rest.length === 0)
    return { kind: "document", source: name, variant: packumentVariant(request), subject: { name } };
  if (rest[0] === "-") return classifyTarball(name, rest.slice(1));
  if (rest.length === 1) return { kind: "document", source: name, variant: `version:${rest[0]}`, subject: { name } };
  return refused(404, "There is nothing at this path of a package");
}

/** The segments of a path, decoded, with a scope and its name as one; undefined where an escape is wrong. */
export function splitPath(path: string): string[] | undefined {
  const segments: string[] = [];
  let scope: string | undefined;
  try {
    for (const raw of path.split("/")) {
      if (raw === "") continue;
      const segment = decodeURIComponent(raw);
      if (/[\p{Cc}\\]/u.test(segment)) return undefined;
      if (scope === undefined && segment.startsWith("@") && !segment.includes("/")) scope = segment;
      else {
        segments.push(scope === undefined ? segment : `${scope}/${segment}`);
        scope = undefined;
      }
    }
  } catch {
    return undefined;
  }
  return scope === undefined ? segments : [...segments, scope];
}

const abbreviatedType = "application/vnd.npm.install-v1+json";

/** npm, yarn, pnpm and bun name the short form first when they install; `npm view` does not name it. */
function packumentVariant(request: MirrorRequest): string {
  if (request.query.has("write")) return "write";
  return request.accept.includes(abbreviatedType) ? "abbreviated" : "full";
}

function classifyTarball(name: string, segments: readonly string[]): Ask {
  // Some registries repeat the scope before the file.
  const file = segments.at(-1)?.split("/").at(-1);
  const version = file === undefined ? undefined : versionOfTarball(name, file);
  if (segments.length !== 1 || file === undefined || version === undefined)
    return refused(404, `This is no tarball of "${name}"`);
  return {
    kind: "file",
    key: tarballKey(name, file),
    lifetime: "immutable",
    subject: { name, version },
    mediaType: "application/octet-stream",
  };
}

function classifySpecial(segments: readonly string[], request: MirrorRequest): Ask {
  const path = segments.join("/");
  if (path === "ping") return fixed(() => "{}");
  if (path === "whoami") return fixed((_, actor) => JSON.stringify({ username: actor ?? "anonymous" }));
  if (path === "npm/v1/keys") return { kind: "document", source: keysSource, variant: "keys" };
  if (path === "v1/search") return classifySearch(request.query);
  if (path.startsWith("npm/v1/attestations/")) return classifyAttestations(path.slice("npm/v1/attestations/".length));
  if (segments[0] === "package" && segments[2] === "dist-tags" && segments.length === 3) {
    const name = parsePackageName(segments[1]!);
    if (name !== undefined) return { kind: "document", source: name, variant: "dist-tags", subject: { name } };
  }
  if (path.startsWith("npm/v1/security/")) return refused(405, "An audit is asked by POST");
  return refused(501, `"/-/${path.slice(0, 100)}" is not offered by this registry`);
}

function classifyAttestations(text: string): Ask {
  const at = text.lastIndexOf("@");
  const name = at > 0 ? parsePackageName(text.slice(0, at)) : undefined;
  const version = text.slice(at + 1);
  if (name === undefined || !/^[0-9A-Za-z.+-]{1,256}$/.test(version))
    return refused(404, "Attestations are asked for by name@version");
  return {
    kind: "file",
    key: attestationsKey(name, version),
    lifetime: "mutable",
    subject: { name, version },
    mediaType: "application/json",
  };
}

const searchParameters = ["text", "size", "from", "quality", "popularity", "maintenance"] as const;

function classifySearch(query: URLSearchParams): DocumentAsk | RefusedAsk {
  const text = (query.get("text") ?? "").trim().slice(0, 500);
  if (text === "") return refused(400, "A search needs a text");
  const kept = new URLSearchParams();
  for (const name of searchParameters) {
    const value = name === "text" ? text : query.get(name);
    if (value !== null && value.length <= 500) kept.set(name, value);
  }
  const words = text.split(/\s+/).map((word) => word.replace(/^(?:not:)?(?:scope|author|maintainer|keywords):/, ""));
  const scopes = words.map((word) => `@${word.replace(/^@/, "")}/`);
  return {
    kind: "document",
    source: `${searchSource}?${kept.toString()}`,
    hostedSource: searchSource,
    variant: `search:${kept.toString()}`,
    mentions: [...new Set([text, ...words, ...scopes.map((scope) => `${scope}x`)])],
  };
}

function fixed(body: FixedAsk["body"]): FixedAsk {
  return { kind: "fixed", status: 200, mediaType: "application/json", body };
}

function refused(status: RefusedAsk["status"], reason: string): RefusedAsk {
  return { kind: "refused", status, reason };
}
