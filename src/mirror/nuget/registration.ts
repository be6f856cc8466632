import { compareVersions } from "../version-order.ts";
import { isObject, objectsOf, textOf, type JsonObject } from "./json.ts";
import { normalVersion } from "./names.ts";

/** A page of a registration: a range of versions, with its leaves or with the address of them. */
export interface RegistrationPage {
  /** As upstream wrote it. */
  readonly raw: JsonObject;
  /** Where it lies, where its leaves are not here. */
  readonly url: string | undefined;
  /** Normal versions; both of the range. */
  readonly lower: string;
  readonly upper: string;
  readonly leaves: readonly RegistrationLeaf[] | undefined;
}

/** One version in a page. */
export interface RegistrationLeaf {
  readonly raw: JsonObject;
  readonly entry: JsonObject;
  /** Normal. */
  readonly version: string;
  readonly archiveUrl: string | undefined;
  readonly catalogUrl: string | undefined;
  /** Undefined for unlisted versions, which the public gallery dates to the year 1900. */
  readonly publishedAt: number | undefined;
}

/** The pages of a registration index; those without a range or without content are left out. */
export function pagesOf(index: JsonObject): readonly RegistrationPage[] {
  return objectsOf(index["items"]).flatMap((raw) => pageOf(raw) ?? []);
}

/** Reads a page, as it stands in an index or alone. */
export function pageOf(raw: JsonObject): RegistrationPage | undefined {
  const leaves = Array.isArray(raw["items"])
    ? objectsOf(raw["items"]).flatMap((leaf) => leafOf(leaf) ?? [])
    : undefined;
  const versions = leaves?.map((leaf) => leaf.version).toSorted(compareVersions) ?? [];
  const lower = normalVersion(textOf(raw["lower"]) ?? "") ?? versions[0];
  const upper = normalVersion(textOf(raw["upper"]) ?? "") ?? versions.at(-1);
  const url = textOf(raw["@id"])?.replace(/#.*$/, "");
  if (lower === undefined || upper === undefined || (leaves === undefined && url === undefined)) return undefined;
  return { raw, url, lower, upper, leaves };
}

/** Whether a version may be in a page. */
export function isInPage(page: RegistrationPage, version: string): boolean {
  return compareVersions(page.lower, version) <= 0 && compareVersions(version, page.upper) <= 0;
}

function leafOf(raw: JsonObject): RegistrationLeaf | undefined {
  const entry = isObject(raw["catalogEntry"]) ? raw["catalogEntry"] : {};
  const version = normalVersion(textOf(entry["version"]) ?? "");
  if (version === undefined) return undefined;
  const published = Date.parse(textOf(entry["published"]) ?? "");
  return {
    raw,
    entry,
    version,
    archiveUrl: textOf(raw["packageContent"]) ?? textOf(entry["packageContent"]),
    catalogUrl: textOf(entry["@id"]),
    publishedAt: Number.isNaN(published) || new Date(published).getUTCFullYear() <= 1900 ? undefined : published,
  };
}
