import { nowIso } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import type { Publication, Shelf, Subject, WriteRefusal, WriteRequest } from "../format.ts";
import { decodePath, keyOf, mediaTypes } from "./classify.ts";
import { type ListedVersion, readList, writeList } from "./facts.ts";
import { moduleLimits, zipHash } from "./h1.ts";
import {
  compareModuleVersions,
  fitsPath,
  isCanonicalVersion,
  isDownloadable,
  isPrerelease,
  unescapeModule,
} from "./module-path.ts";

/**
 * Takes a module as a zip: `PUT {module}/@v/{version}.zip`, laid out as `go mod download` keeps it.
 *
 * Go has no upload of its own. `.mod` is taken out of the zip and `.info` says when it came. A version never changes:
 * the same bytes again are welcome, others are refused.
 */
export async function write(request: WriteRequest, shelf: Shelf): Promise<Publication | WriteRefusal> {
  if (request.method !== "PUT") return refusal(405, "a module is uploaded with PUT and is never removed by its client");
  const path = decodePath(request.path) ?? "";
  const found = /^(.+)\/@v\/([^/]+)\.zip$/.exec(path);
  const name = unescapeModule(found?.[1] ?? "");
  const version = unescapeModule(found?.[2] ?? "");
  if (!name || !version) return refusal(400, "upload to {module}/@v/{version}.zip, an upper-case letter written !x");
  if (!isDownloadable(name))
    return refusal(400, `"${name}" is no module path that go downloads: it begins with a host name`);
  if (!isCanonicalVersion(version)) return refusal(400, `"${version}" is not a version like v1.2.3`);
  if (!fitsPath(name, version))
    return refusal(400, `the version ${version} does not go with the module path "${name}"`);
  const subject = { name, version };
  const zip = await shelf.put(request.body, moduleLimits.zipBytes);
  const known = await shelf.fileDigest(path);
  if (known !== undefined && known !== zip.digest)
    return refusal(409, `${name}@${version} is here already with other bytes: publish a new version`);
  const module = await readModule(zip.path, subject);
  return "refused" in module ? module : await publication(subject, { zip, ...module }, shelf);
}

interface Upload {
  readonly zip: Awaited<ReturnType<Shelf["put"]>>;
  readonly goMod: Buffer;
  /** Of the zip. */
  readonly h1: string;
}

async function publication(subject: Required<Subject>, { zip, goMod, h1 }: Upload, shelf: Shelf): Promise<Publication> {
  const { name, version } = subject;
  const keys = { info: "", mod: "", zip: "" };
  for (const end of ["info", "mod", "zip"] as const) keys[end] = keyOf(name, { version, end });
  const list = readList((await shelf.read(keyOf(name, "list"))) ?? Buffer.alloc(0));
  const listed = list.find((other) => other.version === version) ?? { version, time: nowIso() };
  const versions = [...list.filter((other) => other.version !== version), listed];
  const about = Buffer.from(versionText(listed));
  const [storedMod, storedAbout] = [await shelf.put(goMod), await shelf.put(about)];
  const files = [
    { ...zip, key: keys.zip, mediaType: mediaTypes.zip },
    { ...storedMod, key: keys.mod, mediaType: mediaTypes.text },
    { ...storedAbout, key: keys.info, mediaType: mediaTypes.json },
  ];
  const latest = Buffer.from(versionText(latestOf(versions)));
  return {
    subject,
    files: files.map(({ key, digest, sizeBytes, mediaType }) => ({ key, digest, sizeBytes, mediaType, subject })),
    documents: [
      {
        source: keyOf(name, "list"),
        bytes: Buffer.from(writeList(versions, { withTimes: true })),
        mediaType: mediaTypes.text,
      },
      { source: keyOf(name, "list").replace(/@v\/list$/, "@latest"), bytes: latest, mediaType: mediaTypes.json },
      { source: keys.info, bytes: about, mediaType: mediaTypes.json },
    ],
    removed: [],
    answer: { status: 201, mediaType: mediaTypes.text, body: `${name} ${version} h1:${h1}\n` },
  };
}

/** Reads the zip whole: every name below `module@version/`, no two that differ in case only, and its `go.mod`. */
async function readModule(
  path: string,
  { name, version }: Required<Subject>,
): Promise<{ goMod: Buffer; h1: string } | WriteRefusal> {
  const prefix = `${name}@${version}/`;
  const folded = new Set<string>();
  let problem: string | undefined;
  let goMod: Buffer | undefined;
  let h1: string;
  try {
    h1 = await zipHash(path, (file, bytes) => {
      if (!file.startsWith(prefix) || /(?:^|\/)\.{1,2}(?:\/|$)|\\/.test(file))
        problem ??= `"${file}" is not below "${prefix}"`;
      const plain = file.toLowerCase();
      if (folded.has(plain)) problem ??= `"${file}" is in it twice, in upper or lower case`;
      folded.add(plain);
      if (file === `${prefix}go.mod`) goMod = bytes;
      if (file === `${prefix}go.mod` && bytes === undefined) problem ??= "its go.mod is larger than 16 MiB";
    });
  } catch (error) {
    if (error instanceof Failure && error.code === "archive_hostile")
      return refusal(400, error.message.replace(path, name));
    throw error;
  }
  if (folded.size === 0) problem ??= "it holds no file";
  if (problem !== undefined) return refusal(400, `the zip of ${name}@${version} is not a module: ${problem}`);
  const declared = /^[ \t]*module[ \t]+(?:"([^"\n]+)"|([^\s"]+))/m.exec(goMod?.toString("utf8") ?? "");
  const declaredName = declared?.[1] ?? declared?.[2];
  if (goMod !== undefined && declaredName !== name)
    return refusal(400, `the go.mod of the zip names the module "${declaredName ?? ""}", not "${name}"`);
  // What has none gets the one that go makes for it.
  return { goMod: goMod ?? Buffer.from(`module ${name}\n`), h1 };
}

function latestOf(versions: readonly ListedVersion[]): ListedVersion {
  const sorted = [...versions].sort((a, b) => compareModuleVersions(a.version, b.version));
  return sorted.findLast(({ version }) => !isPrerelease(version)) ?? sorted.at(-1)!;
}

function versionText({ version, time }: ListedVersion): string {
  return JSON.stringify({ Version: version, Time: time });
}

function refusal(status: number, reason: string): WriteRefusal {
  return { refused: true, status, mediaType: mediaTypes.text, body: `${reason}\n` };
}
