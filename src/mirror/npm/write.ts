import type { Publication, Shelf, WriteRefusal, WriteRequest } from "../format.ts";
import { readRequestBody } from "../request-body.ts";
import { splitPath } from "./classify.ts";
import { ownMember, type Packument, parsePackument, readObject } from "./packument.ts";
import { isTagName, parsePackageName } from "./package-name.ts";
import { publish } from "./publish.ts";
import { refuse } from "./refuse.ts";
import { publication, type Shelved } from "./shelved.ts";
import { deprecate, removePackage, removeVersions } from "./unpublish.ts";

/** A tarball in base64 inside JSON: npm cannot publish more than a JavaScript string holds. */
const publishBytes = 384 * 1024 * 1024;

const documentBytes = 64 * 1024 * 1024;

/**
 * Takes what `npm publish`, `unpublish`, `deprecate` and `dist-tag` send.
 *
 * Source: npm registry API as libnpmpublish and npm use it; revisions follow CouchDB, which it once was.
 */
export async function write(request: WriteRequest, shelf: Shelf): Promise<Publication | WriteRefusal> {
  const segments = splitPath(request.path);
  if (segments === undefined) return refuse(400, "The path is not well formed");
  if (segments[0] === "-") return await writeSpecial(segments.slice(1), { request, shelf });
  const name = parsePackageName(segments[0] ?? "");
  if (name === undefined) return refuse(400, "The path names no package");
  const shelved = { name, shelf, packument: await readShelved(shelf, name) };
  const rest = segments.slice(1);
  if (rest.length === 0 && request.method === "PUT") return await putPackage(request, shelved);
  const revision = rest.at(-2) === "-rev" ? rest.at(-1) : undefined;
  if (revision === undefined) return refuse(405, `${request.method} means nothing at this path`);
  if (shelved.packument === undefined) return refuse(404, `"${name}" was never published here`);
  return await changeRevision(request, { ...shelved, packument: shelved.packument }, { revision, rest });
}

async function readShelved(shelf: Shelf, name: string): Promise<Packument | undefined> {
  const bytes = await shelf.read(name);
  if (bytes === undefined) return undefined;
  return parsePackument({ bytes, mediaType: "application/json", url: shelf.base, isHosted: true }, name);
}

/** A publication brings a tarball with it; without one, what was published before is deprecated, or no more so. */
async function putPackage(
  request: WriteRequest,
  shelved: Omit<Shelved, "packument"> & { readonly packument: Packument | undefined },
): Promise<Publication | WriteRefusal> {
  const body = readObject(await readRequestBody(request, publishBytes));
  if (body === undefined) return refuse(400, "The body is no JSON object");
  if (body["name"] !== shelved.name) return refuse(400, `The body is not of "${shelved.name}"`);
  if (body["_attachments"] !== undefined) return await publish(body, shelved);
  if (shelved.packument === undefined) return refuse(404, `"${shelved.name}" was never published here`);
  return await deprecate(body, { ...shelved, packument: shelved.packument });
}

async function changeRevision(
  request: WriteRequest,
  shelved: Shelved,
  { revision, rest }: { revision: string; rest: readonly string[] },
): Promise<Publication | WriteRefusal> {
  const { packument } = shelved;
  if (revision !== packument._rev) return refuse(409, `"${shelved.name}" was changed by somebody else: try again`);
  if (request.method === "DELETE" && rest.length === 2) return await removePackage(shelved);
  if (request.method === "DELETE" && rest[0] === "-" && rest.length === 4)
    // npm takes the version out of the document first, and its tarball went with it.
    return await publication(shelved, { status: 200, files: [], removed: [] });
  if (request.method !== "PUT" || rest.length !== 2) return refuse(405, `${request.method} means nothing at this path`);
  const body = readObject(await readRequestBody(request, documentBytes));
  return await removeVersions(body?.["versions"], shelved);
}

async function writeSpecial(
  segments: readonly string[],
  { request, shelf }: { request: WriteRequest; shelf: Shelf },
): Promise<Publication | WriteRefusal> {
  const [first, name, third, tag] = segments;
  if (first === "package" && third === "dist-tags" && name !== undefined && tag !== undefined && segments.length === 4)
    return await changeTag({ name, tag }, { request, shelf });
  if (first === "user" || segments.join("/") === "v1/login")
    return refuse(501, "Signing in by npm is not offered: put a personal token into .npmrc as _authToken");
  return refuse(501, `"/-/${segments.join("/").slice(0, 100)}" is not offered by this registry`);
}

async function changeTag(
  { name, tag }: { name: string; tag: string },
  { request, shelf }: { request: WriteRequest; shelf: Shelf },
): Promise<Publication | WriteRefusal> {
  const packument = parsePackageName(name) === undefined ? undefined : await readShelved(shelf, name);
  if (packument === undefined) return refuse(404, `"${name.slice(0, 200)}" was never published here`);
  const tags = packument["dist-tags"];
  if (request.method === "DELETE") {
    if (tag === "latest") return refuse(400, 'The tag "latest" cannot be removed');
    if (!Object.hasOwn(tags, tag)) return refuse(404, `"${name}" has no tag "${tag}"`);
    delete tags[tag];
  } else {
    const version = readTagged(await readRequestBody(request, 1024));
    if (version === undefined || ownMember(packument.versions, version) === undefined)
      return refuse(404, `"${name}" has no version "${version ?? ""}"`);
    if (!isTagName(tag)) return refuse(400, `"${tag.slice(0, 100)}" cannot be a tag`);
    tags[tag] = version;
  }
  return await publication({ name, shelf, packument }, { status: 200, files: [], removed: [] });
}

/** A version as a JSON string. */
function readTagged(bytes: Buffer): string | undefined {
  try {
    const parsed: unknown = JSON.parse(bytes.toString("utf8"));
    return typeof parsed === "string" ? parsed : undefined;
  } catch {
    return undefined;
  }
}
