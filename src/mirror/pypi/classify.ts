import type { Ask, DocumentAsk, FileAsk, MirrorRequest, RefusedAsk } from "../format.ts";
import { wantedVariant } from "./accept.ts";
import { isDistribution, isProjectName, normalName, versionOfFile } from "./names.ts";

/** The source of the list of all projects. */
export const listSource = "simple/";

/** The source of the page of a project, by its normal name. */
export function pageSource(project: string): string {
  return `simple/${project}/`;
}

/** The source of the legacy document of a project, or of one version of it. */
function legacySource(project: string, version: string | undefined): string {
  return version === undefined ? `pypi/${project}/json` : `pypi/${project}/${version}/json`;
}

/** The key of a file, and of what hangs on it by an ending. */
export function fileKey(project: string, file: string): string {
  return `${project}/${file}`;
}

/** The address of a file of ours. */
export function fileAddress(base: string, project: string, file: string): string {
  return `${base}/packages/${project}/${encodeURIComponent(file)}`;
}

/** The ending of a wheel's metadata. Source: PEP 658. */
export const metadataEnd = ".metadata";

/** The ending under which we keep the provenance of a file. */
export const provenanceEnd = ".provenance";

/** What a read from a Python package index means. Source: the simple repository API (PEP 503, 658, 691, 740). */
export function classify(request: MirrorRequest): Ask {
  const segments = splitPath(request.path);
  if (segments === undefined) return refused(400, "The path is not well formed");
  const [first, second, third] = segments;
  if (first === "simple" && segments.length <= 2) return classifySimple(second, request);
  if (first === "packages") return classifyFile(segments.slice(1));
  if (first === "integrity" && segments.length === 5 && segments[4] === "provenance")
    return fileAsk(normalName(second!), `${segments[3]!}${provenanceEnd}`);
  if (first === "pypi" && second !== undefined && isProjectName(second) && segments.at(-1) === "json") {
    const project = normalName(second);
    const version = segments.length === 4 ? third : undefined;
    if (segments.length === 3 || (version !== undefined && isVersionText(version)))
      return {
        kind: "document",
        source: legacySource(project, version),
        variant: "legacy",
        subject: { name: project },
      };
  }
  if (first === undefined)
    return { kind: "fixed", status: 200, mediaType: "text/plain", body: (base) => `${base}/${listSource}\n` };
  return refused(404, "There is nothing at this path of a package index: its projects are below simple/");
}

/** What can stand in an address as a version, whatever its form. */
function isVersionText(text: string): boolean {
  return /^[A-Z0-9](?:[A-Z0-9.!+_-]{0,127})$/i.test(text);
}

function splitPath(path: string): string[] | undefined {
  try {
    const segments = path.split("/").filter((segment) => segment !== "");
    const decoded = segments.map((segment) => decodeURIComponent(segment));
    return decoded.some((segment) => /[\p{Cc}/\\]/u.test(segment)) ? undefined : decoded;
  } catch {
    return undefined;
  }
}

/** With and without a slash at the end, and for any form of the name: a redirect would cost each client a second request. */
function classifySimple(name: string | undefined, request: MirrorRequest): DocumentAsk | RefusedAsk {
  const format = request.query.get("format");
  const variant = wantedVariant(format === null ? request.accept : format.replaceAll(" ", "+"));
  if (name === undefined) return { kind: "document", source: listSource, variant };
  if (!isProjectName(name)) return refused(404, `"${name.slice(0, 100)}" is no project's name`);
  const project = normalName(name);
  return { kind: "document", source: pageSource(project), variant, subject: { name: project } };
}

/** `packages/<project>/<file>`, or with whatever a lock file of another index has between the two. */
function classifyFile(segments: readonly string[]): FileAsk | RefusedAsk {
  const file = segments.at(-1) ?? "";
  const isHashed = segments.length === 4 && /^[0-9a-f]{2}$/.test(segments[0]!) && /^[0-9a-f]{60}$/.test(segments[2]!);
  if (isHashed) return fileAsk(projectOfFile(file), file);
  if (segments.length < 2 || segments.length > 3 || !isProjectName(segments[0]!))
    return refused(404, "Files are at packages/PROJECT/FILE");
  return fileAsk(normalName(segments[0]!), file);
}

/** The project that a file's name begins with: up to the first hyphen before a number. */
function projectOfFile(file: string): string {
  const wheel = /^([^-]+)-.*\.whl(?:\.metadata|\.provenance)?$/.exec(file)?.[1];
  return normalName(wheel ?? /^(.+?)-v?\d/i.exec(file)?.[1] ?? "");
}

function fileAsk(project: string, name: string): FileAsk | RefusedAsk {
  const end = [metadataEnd, provenanceEnd].find((candidate) => name.endsWith(candidate)) ?? "";
  const file = name.slice(0, name.length - end.length);
  const version = isDistribution(file) ? versionOfFile(project, file) : undefined;
  if (version === undefined) return refused(404, `"${file.slice(0, 200)}" is no file of "${project}"`);
  return {
    kind: "file",
    key: fileKey(project, name),
    lifetime: end === provenanceEnd ? "mutable" : "immutable",
    subject: { name: project, version },
    mediaType: end === provenanceEnd ? "application/vnd.pypi.integrity.v1+json" : "application/octet-stream",
  };
}

function refused(status: RefusedAsk["status"], reason: string): RefusedAsk {
  return { kind: "refused", status, reason };
}
