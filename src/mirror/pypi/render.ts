import type { Rendered, RenderInput } from "../format.ts";
import { type SimpleVariant, simpleTypes } from "./accept.ts";
import { fileAddress, listSource } from "./classify.ts";
import { escapeHtml } from "./html-page.ts";
import { renderLegacy } from "./legacy-document.ts";
import { normalName, versionOfFile } from "./names.ts";
import {
  isObject,
  type JsonObject,
  type PageFile,
  type ProjectPage,
  readList,
  readPage,
  removedMember,
  uploadTimeAttribute,
} from "./page.ts";

/**
 * Makes what pip and its like get of a project, HTML or JSON from the same page.
 *
 * Only addresses change. Files of withheld versions stay on the page as yanked, with the reason: no client takes them by
 * itself, and whoever asks for that very version is told why it is refused.
 *
 * @throws Failure `upstream_unreachable`
 */
export function render(input: RenderInput): Rendered {
  const variant = input.variant as SimpleVariant | "legacy";
  if (variant === "legacy") return renderLegacy(input);
  const mediaType = variant === "html" ? "text/html; charset=utf-8" : simpleTypes[variant];
  if (input.source === listSource) {
    const names = mergeLists(input);
    const text = variant === "json" ? jsonList(names) : htmlList(names, input.base);
    return { bytes: Buffer.from(text), mediaType };
  }
  const page = ourPage(input);
  return { bytes: Buffer.from(variant === "json" ? JSON.stringify(page) : htmlPage(page)), mediaType };
}

function mergeLists({ documents }: RenderInput): readonly string[] {
  const names = new Map<string, string>();
  for (const document of documents)
    for (const name of readList(document)) if (!names.has(normalName(name))) names.set(normalName(name), name);
  return [...names].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, name]) => name);
}

function jsonList(names: readonly string[]): string {
  return JSON.stringify({ meta: { "api-version": "1.0" }, projects: names.map((name) => ({ name })) });
}

function htmlList(names: readonly string[], base: string): string {
  const links = names.map((name) => `<a href="${base}/simple/${normalName(name)}/">${escapeHtml(name)}</a><br/>`);
  return html({ title: "Simple index", head: [], links });
}

/**
 * The page of a project, of all members of a group, with our addresses: of the same file the first member's counts.
 *
 * What is withheld is marked as yanked, so that clients take something else. Where nothing else is left, nothing is
 * marked: clients then choose as ever, and print why the file is refused, where they would only say that there is none.
 */
function ourPage({ documents, source, base, withheld }: RenderInput): ProjectPage {
  const project = source.slice(listSource.length, -1);
  const pages = documents.map((document) => readPage(document, project));
  const files = new Map<string, PageFile>();
  for (const page of pages)
    for (const file of page.files) if (!files.has(file.filename)) files.set(file.filename, file);
  const versions = new Set([...files.values()].map((file) => versionOfFile(project, file.filename)!));
  const isAll = withheld.has("*") || [...versions].every((version) => withheld.has(version));
  const ours = [...files.values()].map((file) => {
    const version = versionOfFile(project, file.filename)!;
    return ourFile(file, { project, version, base, reason: isAll ? undefined : withheld.get(version) });
  });
  const listed = pages.flatMap((page) => (Array.isArray(page["versions"]) ? (page["versions"] as unknown[]) : []));
  const { [removedMember]: _, ...first } = pages[0]!;
  return {
    ...first,
    meta: mergeMeta(pages, ours),
    name: project,
    versions: [...new Set(listed.length > 0 && pages.length === 1 ? listed : versions)],
    files: ours,
  };
}

/** The oldest form of the members; where a file's size is not known, the form that does not need it. */
function mergeMeta(pages: readonly ProjectPage[], files: readonly PageFile[]): JsonObject {
  const metas = pages.map((page) => (isObject(page["meta"]) ? page["meta"] : {}));
  const minors = metas.map((meta) => Number(/^1\.(\d+)$/.exec(String(meta["api-version"]))?.[1] ?? 0));
  const minor = files.every((file) => typeof file.size === "number") ? Math.min(...minors) : 0;
  return { ...metas[0], "api-version": `1.${minor}` };
}

interface FilePlace {
  readonly project: string;
  readonly version: string;
  readonly base: string;
  /** Why the version is withheld, where it is. */
  readonly reason: string | undefined;
}

function ourFile(file: PageFile, { project, version, base, reason }: FilePlace): PageFile {
  const metadata = file["core-metadata"];
  const name = encodeURIComponent(file.filename);
  return {
    ...file,
    url: fileAddress(base, project, file.filename),
    // Both names of PEP 658's mark: clients before PEP 714 read only the older one.
    ...(metadata === undefined ? {} : { "core-metadata": metadata, "dist-info-metadata": metadata }),
    ...(reason === undefined ? {} : { yanked: `withheld: ${reason}` }),
    ...(typeof file.provenance === "string"
      ? { provenance: `${base}/integrity/${project}/${encodeURIComponent(version)}/${name}/provenance` }
      : {}),
  };
}

function htmlPage(page: ProjectPage): string {
  const status = isObject(page["project-status"]) ? page["project-status"] : {};
  const meta = [
    ["pypi:repository-version", String((page["meta"] as JsonObject)["api-version"])],
    ["pypi:project-status", status["status"]],
    ["pypi:project-status-reason", status["reason"]],
  ].flatMap(([name, content]) =>
    typeof content === "string" ? [`<meta name="${String(name)}" content="${escapeHtml(content)}">`] : [],
  );
  return html({ title: `Links for ${page.name}`, head: meta, links: page.files.map(htmlLink) });
}

function htmlLink(file: PageFile): string {
  const hash = ["sha256", "sha512", "sha384", "sha224", "sha1", "md5"].find((name) => Object.hasOwn(file.hashes, name));
  const attributes: [string, string][] = [
    ["href", hash === undefined ? file.url : `${file.url}#${hash}=${file.hashes[hash]}`],
  ];
  const requires = file["requires-python"];
  if (typeof requires === "string") attributes.push(["data-requires-python", requires]);
  const mark = metadataMark(file);
  if (mark !== undefined) attributes.push(["data-dist-info-metadata", mark], ["data-core-metadata", mark]);
  if (typeof file["gpg-sig"] === "boolean") attributes.push(["data-gpg-sig", String(file["gpg-sig"])]);
  if (file.yanked !== undefined && file.yanked !== false)
    attributes.push(["data-yanked", file.yanked === true ? "" : String(file.yanked)]);
  if (typeof file.provenance === "string") attributes.push(["data-provenance", file.provenance]);
  const uploaded = file["upload-time"];
  if (typeof uploaded === "string") attributes.push([uploadTimeAttribute, uploaded]);
  const written = attributes.map(([name, value]) => `${name}="${escapeHtml(value)}"`).join(" ");
  return `<a ${written}>${escapeHtml(file.filename)}</a><br/>`;
}

function metadataMark(file: PageFile): string | undefined {
  const metadata = file["core-metadata"];
  if (metadata === undefined || metadata === false) return undefined;
  const [algorithm, value] = metadata === true ? [] : (Object.entries(metadata)[0] ?? []);
  return algorithm === undefined ? "true" : `${algorithm}=${value}`;
}

function html({ title, head, links }: { title: string; head: readonly string[]; links: readonly string[] }): string {
  const lines = [
    "<!DOCTYPE html>",
    "<html>",
    "<head>",
    ...head,
    `<title>${escapeHtml(title)}</title>`,
    "</head>",
    "<body>",
    `<h1>${escapeHtml(title)}</h1>`,
    ...links,
    "</body>",
    "</html>",
  ];
  return `${lines.join("\n")}\n`;
}
