import { isObject, textOf, type JsonObject } from "./json.ts";
import { normalId, normalVersion, places } from "./names.ts";
import { type RegistrationLeaf } from "./registration.ts";

/** Where addresses lead to. */
export interface LinkScope {
  /** Our own, without a slash at its end. */
  readonly base: string;
  /** Those of the upstreams, such as `https://packages.example`: no address may lead there. */
  readonly origins: readonly string[];
}

/** A version in a page, with our addresses only. */
export function localLeaf(leaf: RegistrationLeaf, name: string, scope: LinkScope): JsonObject {
  const { version } = leaf;
  return {
    ...withoutLinks(leaf.raw, scope),
    "@id": `${scope.base}/${places.leaf(name, version)}`,
    "@type": "Package",
    catalogEntry: localEntry(leaf.entry, { name, version, scope }),
    packageContent: `${scope.base}/${places.archive(name, version)}`,
    registration: `${scope.base}/${places.registration(name)}`,
  };
}

/** What is told of a version, with our addresses only. */
export function localEntry(
  entry: JsonObject,
  { name, version, scope }: { readonly name: string; readonly version: string; readonly scope: LinkScope },
): JsonObject {
  return {
    ...withoutLinks(entry, scope),
    ...besideLinks(entry, { name, version, scope }),
    "@id": `${scope.base}/${places.catalog(name, version)}`,
    ...(entry["packageContent"] === undefined
      ? {}
      : { packageContent: `${scope.base}/${places.archive(name, version)}` }),
  };
}

/** The addresses of what lies beside an archive upstream, and therefore here. */
function besideLinks(
  entry: JsonObject,
  { name, version, scope }: { readonly name: string; readonly version: string; readonly scope: LinkScope },
): JsonObject {
  const files = { iconUrl: "icon", licenseUrl: "license", readmeUrl: "readme" };
  const links = Object.entries(files).flatMap(([field, file]) => {
    const path = URL.parse(textOf(entry[field]) ?? "")?.pathname.toLowerCase() ?? "";
    const isBeside = path.endsWith(`/${encodeURIComponent(name).toLowerCase()}/${version}/${file}`);
    return isBeside ? [[field, `${scope.base}/${places.beside(name, version, file)}`]] : [];
  });
  return Object.fromEntries(links) as JsonObject;
}

/** An object of a search's answer, with our addresses only. */
export function localFound(found: JsonObject, name: string, scope: LinkScope): JsonObject {
  const registration = `${scope.base}/${places.registration(name)}`;
  const version = normalVersion(textOf(found["version"]) ?? "") ?? "";
  return {
    ...withoutLinks(found, scope),
    ...besideLinks(found, { name, version, scope }),
    "@id": registration,
    "@type": "Package",
    registration,
  };
}

/**
 * Leaves out every name by which linked data calls itself, and every address of an upstream; the registrations of
 * dependencies become ours.
 *
 * One address that is forgotten sends clients past the mirror.
 */
export function withoutLinks(object: JsonObject, scope: LinkScope): JsonObject {
  const id = normalId(textOf(object["id"]) ?? "");
  const kept = Object.entries(object).flatMap(([key, value]): [string, unknown][] => {
    if (key === "@id" || key === "@context") return [];
    if (key === "registration") return id === undefined ? [] : [[key, `${scope.base}/${places.registration(id)}`]];
    if (typeof value === "string" && isUpstream(value, scope)) return [];
    return [[key, cleaned(value, scope)]];
  });
  return Object.fromEntries(kept);
}

function cleaned(value: unknown, scope: LinkScope): unknown {
  if (Array.isArray(value))
    return (value as unknown[])
      .filter((item) => typeof item !== "string" || !isUpstream(item, scope))
      .map((item) => cleaned(item, scope));
  return isObject(value) ? withoutLinks(value, scope) : value;
}

function isUpstream(text: string, scope: LinkScope): boolean {
  return scope.origins.some((origin) => origin !== "" && text.startsWith(origin));
}
