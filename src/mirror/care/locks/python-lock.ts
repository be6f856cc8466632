import { simpleTypes } from "../../pypi/accept.ts";
import { parseToml, tableIn, tablesIn, textIn, type TomlTable } from "../../detect/toml.ts";
import { isProjectName, normalName, normalVersion, versionOfFile } from "../../pypi/names.ts";
import type { LockWishes, Skipped, Wish } from "./wish.ts";

interface Pin {
  readonly name: string;
  readonly version: string;
  /** SHA-256 in lower-case hex. */
  readonly hashes: readonly string[];
  /** Whether the hashes are of the files for every machine there is; then those for ours are taken. */
  readonly isForAll?: boolean;
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

/**
 * Reads the lock of Poetry, uv or PDM, or a `pylock.toml`: they name the files of each package for every machine.
 *
 * Source: PEP 751; for the others their own files, which share their form.
 */
export function readPythonLock(name: string, text: string): LockWishes {
  const lock = parseToml(text);
  const wishes: Wish[] = [];
  const skipped: Skipped[] = [];
  for (const entry of [...tablesIn(lock, "package"), ...tablesIn(lock, "packages")]) {
    const [project, version] = [textIn(entry, "name") ?? "", textIn(entry, "version")];
    const reason = foreignSource(entry);
    // A project's own entry has no version, or stands for the folder itself.
    if (version === undefined || reason === "") continue;
    if (!isProjectName(project) || reason !== undefined)
      skipped.push({ title: `${project} ${version}`, reason: reason ?? "its name is none" });
    else wishes.push(pageWish({ name: normalName(project), version, hashes: lockedHashes(entry), isForAll: true }));
  }
  return { kind: name, wishes, skipped };
}

/** Why a package comes from no index; empty for the project itself. */
function foreignSource(entry: TomlTable): string | undefined {
  const source = tableIn(entry, "source");
  if (["virtual", "editable"].some((key) => key in source) || "directory" in entry) return "";
  const kind = textIn(source, "type");
  const isForeign =
    ["git", "url", "path", "directory"].some((key) => key in source) ||
    ["vcs", "archive", "git", "path"].some((key) => key in entry) ||
    (kind !== undefined && kind !== "legacy");
  return isForeign ? "comes from no index" : undefined;
}

function lockedHashes(entry: TomlTable): string[] {
  const files = [...tablesIn(entry, "files"), ...tablesIn(entry, "wheels"), tableIn(entry, "sdist")];
  return files.flatMap((file) => {
    const hash = textIn(file, "hash")?.replace(/^sha256:/, "") ?? textIn(tableIn(file, "hashes"), "sha256") ?? "";
    return /^[0-9a-f]{64}$/i.test(hash) ? [hash.toLowerCase()] : [];
  });
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
  const locked = all.filter(({ sha256 }) => sha256 !== undefined && pin.hashes.includes(sha256));
  const files = pin.hashes.length === 0 ? usual(all) : pin.isForAll === true ? usual(locked) : locked;
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
