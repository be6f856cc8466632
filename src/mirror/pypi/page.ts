import { Failure } from "../../base/errors.ts";
import type { SourceDocument } from "../format.ts";
import { readHtmlLinks, readHtmlMeta } from "./html-page.ts";
import { isDistribution, normalName, versionOfFile } from "./names.ts";

/** An object of JSON whose members nobody vouches for. */
export type JsonObject = Record<string, unknown>;

/**
 * The page of a project, however it was written: in the shape of the JSON form, members that are not named here kept.
 *
 * Source: PEP 691, 700, 714, 740 and 792.
 */
export interface ProjectPage {
  readonly name: string;
  readonly files: readonly PageFile[];
  readonly [member: string]: unknown;
}

/** On pages of what was published here: the names of files that were here once. Clients do not get it. */
export const removedMember = "_removed-files";

/** Not in PEP 503, but some indexes tell in HTML too when a file came; without it the age of versions would be unknown. */
export const uploadTimeAttribute = "data-upload-time";

/** A file on a page. */
export interface PageFile {
  readonly filename: string;
  /** Absolute. */
  readonly url: string;
  readonly hashes: Readonly<Record<string, string>>;
  readonly "requires-python"?: string | null;
  /** Whether its metadata can be had at its address with `.metadata`, and which digests that has. */
  readonly "core-metadata"?: boolean | Readonly<Record<string, string>>;
  readonly "gpg-sig"?: boolean;
  /** The reason, or true where none is given. */
  readonly yanked?: boolean | string;
  readonly size?: number;
  readonly "upload-time"?: string;
  readonly provenance?: string | null;
  readonly [member: string]: unknown;
}

/**
 * Reads the page of a project, HTML or JSON; links in it may be relative.
 *
 * Files that are no distributions of the project are left out: no client could use them.
 *
 * @throws Failure `upstream_unreachable` where it is no page, or another project's
 */
export function readPage(document: SourceDocument, project?: string): ProjectPage {
  const page = isJson(document) ? readJson(document) : readHtml(document, project);
  const name = normalName(page.name);
  if (project !== undefined && name !== project)
    throw new Failure("upstream_unreachable", `Cannot read the page of "${project}": it is of "${name.slice(0, 200)}"`);
  const files = page.files.filter(
    (file) => isDistribution(file.filename) && versionOfFile(name, file.filename) !== undefined,
  );
  return { ...page, files };
}

/** Reads the list of all projects: their names as they are shown. @throws Failure `upstream_unreachable` */
export function readList(document: SourceDocument): readonly string[] {
  if (!isJson(document)) return readHtmlLinks(textOf(document)).map((link) => link.text.trim());
  const projects = parseObject(document)["projects"];
  return (Array.isArray(projects) ? projects.filter(isObject) : []).flatMap(({ name }) =>
    typeof name === "string" ? [name] : [],
  );
}

function isJson(document: SourceDocument): boolean {
  if (/[/+]json\b/.test(document.mediaType)) return true;
  return !document.mediaType.includes("html") && /^\s*\{/.test(document.bytes.toString("utf8", 0, 100));
}

function textOf(document: SourceDocument): string {
  return document.bytes.toString("utf8");
}

/** Reads a document that is a JSON object. @throws Failure `upstream_unreachable` */
export function parseObject(document: SourceDocument): JsonObject {
  try {
    const parsed: unknown = JSON.parse(textOf(document));
    if (isObject(parsed)) return parsed;
  } catch {
    // Said below.
  }
  throw new Failure("upstream_unreachable", `Cannot read a page of the package index: it is no JSON object`);
}

/** Whether a value of JSON is an object and no list. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function readJson(document: SourceDocument): ProjectPage {
  const parsed = parseObject(document);
  const { name, files } = parsed;
  if (typeof name !== "string" || !Array.isArray(files))
    throw new Failure("upstream_unreachable", "Cannot read a page of the package index: it has no name or no files");
  const read = files.filter(isObject).flatMap((file) => {
    // What was published here has no address that it came from; its files have.
    const url = typeof file["url"] === "string" ? URL.parse(file["url"], document.url || undefined) : null;
    if (url === null || typeof file["filename"] !== "string") return [];
    const hashes = isObject(file["hashes"]) ? hexOnly(file["hashes"]) : {};
    // Before PEP 714 the member had another name.
    const metadata = file["core-metadata"] ?? file["dist-info-metadata"];
    return [
      {
        ...file,
        filename: file["filename"],
        url: url.href,
        hashes,
        ...(metadata === undefined
          ? {}
          : { "core-metadata": isObject(metadata) ? hexOnly(metadata) : metadata === true }),
      },
    ];
  });
  return { ...parsed, name, files: read };
}

function hexOnly(record: JsonObject): Record<string, string> {
  const kept = Object.entries(record).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string" && /^[0-9a-f]{32,128}$/i.test(entry[1]),
  );
  return Object.fromEntries(kept);
}

/** HTML does not tell the project: the page is what was asked for. Its name is the last segment of the address. */
function readHtml(document: SourceDocument, project: string | undefined): ProjectPage {
  const text = textOf(document);
  const name = project ?? lastSegment(new URL(document.url.replace(/\/index\.html?$/, "/"))) ?? "";
  const meta = readHtmlMeta(text);
  const base = meta.base === undefined ? document.url : new URL(meta.base, document.url).href;
  const files = readHtmlLinks(text).flatMap((link): PageFile[] => {
    const url = URL.parse(link.href, base);
    if (url === null || !/^https?:$/.test(url.protocol)) return [];
    const hash = /^#(md5|sha1|sha224|sha256|sha384|sha512)=([0-9a-f]+)$/i.exec(url.hash);
    url.hash = "";
    const metadata = link.attributes.get("data-core-metadata") ?? link.attributes.get("data-dist-info-metadata");
    const requires = link.attributes.get("data-requires-python");
    const signature = link.attributes.get("data-gpg-sig");
    const yanked = link.attributes.get("data-yanked");
    const provenance = link.attributes.get("data-provenance");
    const uploaded = link.attributes.get(uploadTimeAttribute);
    return [
      {
        filename: lastSegment(url) ?? "",
        url: url.href,
        hashes: hash === null ? {} : { [hash[1]!.toLowerCase()]: hash[2]!.toLowerCase() },
        ...(requires === undefined ? {} : { "requires-python": requires }),
        ...(metadata === undefined ? {} : { "core-metadata": readMetadataMark(metadata) }),
        ...(signature === undefined ? {} : { "gpg-sig": signature === "true" }),
        ...(yanked === undefined ? {} : { yanked: yanked === "" ? true : yanked }),
        ...(provenance === undefined ? {} : { provenance }),
        ...(uploaded === undefined || Number.isNaN(Date.parse(uploaded)) ? {} : { "upload-time": uploaded }),
      },
    ];
  });
  return { meta: { "api-version": "1.0" }, name, files, ...meta.status };
}

function readMetadataMark(text: string): boolean | Record<string, string> {
  const found = /^([a-z0-9]+)=([0-9a-f]+)$/i.exec(text);
  return found === null ? text === "true" : { [found[1]!.toLowerCase()]: found[2]!.toLowerCase() };
}

function lastSegment(url: URL): string | undefined {
  const segment = url.pathname.split("/").findLast((part) => part !== "");
  try {
    return segment === undefined ? undefined : decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
