import { simpleTypes } from "../../pypi/accept.ts";
import { isProjectName, normalName, normalVersion, versionOfFile } from "../../pypi/names.ts";
import type { LockWishes, Skipped, Wish } from "./wish.ts";

interface Pin {
  readonly name: string;
  readonly version: string;
  /** SHA-256 in lower-case hex. */
  readonly hashes: readonly string[];
}

/**
 * Reads the pins of a requirements file: `name==version`, with or without hashes.
 *
 * Source: pip's documentation, "Requirements File Format".
 */
export function readRequirements(text: string): LockWishes {
  const wishes: Wish[] = [];
  const skipped: Skipped[] = [];
  for (const line of text.replaceAll(/\\\r?\n/g, " ").split(/\r?\n/)) {
    const requirement = line.replace(/(?:^|\s)#.*$/, "").trim();
    if (requirement === "" || requirement.startsWith("-")) continue;
    const match =
      /^([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*={2,3}\s*([^\s;,*]+)\s*(?:;[^-]*)?((?:\s*--hash=\S+)*)\s*$/.exec(
        requirement,
      );
    const [, name = "", version = "", rest = ""] = match ?? [];
    if (match === null || !isProjectName(name))
      skipped.push({ title: requirement.slice(0, 80), reason: "names no single version" });
    else wishes.push(pageWish({ name: normalName(name), version, hashes: hashesIn(rest) }));
  }
  return { kind: "requirements.txt", wishes, skipped };
}

function hashesIn(text: string): string[] {
  return text
    .matchAll(/--hash=sha256:([0-9a-fA-F]{64})/g)
    .map((match) => match[1]!.toLowerCase())
    .toArray();
}

/** The page of a project tells its files; those that the pin means are asked for then. */
function pageWish(pin: Pin): Wish {
  return {
    format: "pypi",
    title: `${pin.name} ${pin.version}`,
    paths: [`simple/${pin.name}/`],
    accept: simpleTypes.json,
    follow: (body) => filesOf(pin, JSON.parse(body.toString("utf8"))),
  };
}

interface PageFile {
  readonly filename: string;
  readonly path: string;
  readonly sha256: string | undefined;
}

function filesOf(pin: Pin, page: unknown): Wish[] {
  const wanted = normalVersion(pin.version);
  const all = readFiles(page).filter(({ filename }) => versionIn(pin.name, filename) === wanted);
  const files =
    pin.hashes.length > 0
      ? all.filter(({ sha256 }) => sha256 !== undefined && pin.hashes.includes(sha256))
      : usual(all);
  return files.flatMap(({ filename, path, sha256 }): Wish[] => [
    { format: "pypi", title: filename, paths: [path], ...(sha256 === undefined ? {} : { sha256 }) },
    ...(filename.endsWith(".whl")
      ? [{ format: "pypi" as const, title: `${filename}.metadata`, paths: [`${path}.metadata`], isOptional: true }]
      : []),
  ]);
}

function versionIn(name: string, filename: string): string | undefined {
  const version = versionOfFile(name, filename);
  return version === undefined ? undefined : normalVersion(version);
}

/** Without hashes nobody says for which machine: wheels for any, else those for Linux, and the source. */
function usual(files: readonly PageFile[]): readonly PageFile[] {
  const universal = files.filter(({ filename }) => filename.endsWith("-none-any.whl"));
  if (universal.length > 0) return universal;
  return files.filter(({ filename }) => !filename.endsWith(".whl") || /-(?:many|musl)?linux/.test(filename));
}

/** Our own pages name files below the repository; the way there is what follows `/packages/` or the like. */
function readFiles(page: unknown): PageFile[] {
  const files = (page as { files?: unknown } | null)?.files;
  if (!Array.isArray(files)) return [];
  return files.flatMap((file: unknown): PageFile[] => {
    const { filename, url, hashes } = (file ?? {}) as {
      filename?: unknown;
      url?: unknown;
      hashes?: { sha256?: unknown };
    };
    if (typeof filename !== "string" || typeof url !== "string") return [];
    const path = new URL(url, "http://mirror/mirror/repository/simple/project/").pathname.replace(
      /^\/mirror\/[^/]+\//,
      "",
    );
    const sha256 = typeof hashes?.sha256 === "string" ? hashes.sha256 : undefined;
    return [{ filename, path, sha256 }];
  });
}
