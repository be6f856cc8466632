import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { Failure } from "../../base/errors.ts";
import { type Publication, type Shelf, type WriteRefusal, type WriteRequest } from "../format.ts";
import { readForm } from "../multipart.ts";
import { compareVersions } from "../version-order.ts";
import { objectsOf, readObject, textOf, type JsonObject } from "./json.ts";
import { archiveKey, normalId, normalVersion } from "./names.ts";
import { readNuspec, type Nuspec } from "./nuspec.ts";

/** A package that is published here. */
const archiveBytes = 4 * 1024 * 1024 * 1024;

/**
 * Takes what `dotnet nuget push` sends, and unlists and lists versions.
 *
 * Source: NuGet documentation, "Push and Delete".
 */
export async function write(request: WriteRequest, shelf: Shelf): Promise<Publication | WriteRefusal> {
  const [root, area, id = "", version = "", ...rest] = request.path.replace(/\/$/, "").split("/");
  if (root !== "v3" || area !== "package" || rest.length > 0) return refused(404, "Packages are pushed to v3/package");
  try {
    if (id === "") {
      if (request.method === "PUT") return await push(request, shelf);
      return refused(405, "A package is pushed with PUT");
    }
    if (request.method === "DELETE" || request.method === "POST")
      return await list(shelf, { id, version, isListed: request.method === "POST" });
    return refused(405, "A version is unlisted with DELETE and listed with POST");
  } catch (error) {
    if (error instanceof Failure && ["usage", "archive_hostile", "too_large"].includes(error.code))
      return refused(error.status, error.message);
    throw error;
  }
}

async function push(request: WriteRequest, shelf: Shelf): Promise<Publication | WriteRefusal> {
  const stored = await takePackage(request, shelf);
  const nuspec = await readNuspec(stored.path);
  const name = nuspec.id.toLowerCase();
  const version = nuspec.version.toLowerCase();
  const key = archiveKey(name, version);
  const known = await shelf.fileDigest(key);
  if (known !== undefined) return refused(409, `The package "${nuspec.id}" ${nuspec.version} is here already`);
  const about = await shelf.put(nuspec.bytes);
  const subject = { name, version };
  const hash = await sha512Base64(stored.path);
  const entry = { ...nuspec.entry, listed: true };
  const catalog = { ...entry, packageHash: hash, packageHashAlgorithm: "SHA512", packageSize: stored.sizeBytes };
  const { digest, sizeBytes } = stored;
  const nuspecKey = `flat/${name}/${version}/${name}.nuspec`;
  return {
    subject,
    files: [
      { key, digest, sizeBytes, mediaType: "application/octet-stream", subject },
      { key: nuspecKey, digest: about.digest, sizeBytes: about.sizeBytes, mediaType: "application/xml", subject },
    ],
    documents: [
      ...(await listingDocuments(shelf, { nuspec, entry })),
      json(`registrations/${name}/${version}`, { listed: true }),
      json(`catalog/${name}/${version}`, catalog),
    ],
    removed: [],
    answer: { status: 201, mediaType: "text/plain; charset=utf-8", body: "" },
  };
}

/** The package is the one part of the form that a client sends; others come after it or not at all. */
async function takePackage(request: WriteRequest, shelf: Shelf): ReturnType<Shelf["put"]> {
  for await (const part of readForm(request.body, request.headers["content-type"]))
    if (part.name === "package" || part.fileName !== undefined) return await shelf.put(part.body, archiveBytes);
  throw new Failure("usage", "Cannot take the package: the form holds no file");
}

/** The documents that tell of all versions of a package, with a further one, and of all packages. */
async function listingDocuments(
  shelf: Shelf,
  { nuspec, entry }: { readonly nuspec: Nuspec; readonly entry: JsonObject },
): Promise<Publication["documents"]> {
  const name = nuspec.id.toLowerCase();
  const entries = [...(await entriesOf(shelf, name)), entry].toSorted((a, b) =>
    compareVersions(versionOf(a), versionOf(b)),
  );
  return [
    json(`flat/${name}`, { versions: entries.map(versionOf) }),
    json(`registrations/${name}`, registrationOf(entries)),
    await searchDocument(shelf, name, entries),
  ];
}

/** The versions that are here, in the form of catalog entries. */
async function entriesOf(shelf: Shelf, name: string): Promise<readonly JsonObject[]> {
  const source = `registrations/${name}`;
  const bytes = await shelf.read(source);
  if (bytes === undefined) return [];
  const pages = objectsOf(readObject({ bytes, url: source })["items"]);
  return pages.flatMap((page) => objectsOf(page["items"]).map((leaf) => leaf["catalogEntry"] as JsonObject));
}

function versionOf(entry: JsonObject): string {
  return normalVersion(textOf(entry["version"]) ?? "") ?? "";
}

/** All versions in one page. */
function registrationOf(entries: readonly JsonObject[]): JsonObject {
  const items = entries.map((catalogEntry) => ({ catalogEntry }));
  const lower = versionOf(entries[0] ?? {});
  const upper = versionOf(entries.at(-1) ?? {});
  return { count: 1, items: [{ count: items.length, lower, upper, items }] };
}

async function searchDocument(
  shelf: Shelf,
  name: string,
  entries: readonly JsonObject[],
): Promise<Publication["documents"][number]> {
  const bytes = await shelf.read("search");
  const listed = bytes === undefined ? [] : objectsOf(readObject({ bytes, url: "search" })["data"]);
  const { id, title, description, authors, tags, projectUrl, packageTypes } = entries.at(-1) ?? {};
  const versions = entries.map((entry) => ({ version: entry["version"], listed: entry["listed"] }));
  const found = { id, title, description, authors, tags, projectUrl, packageTypes, versions };
  const others = listed.filter((entry) => textOf(entry["id"])?.toLowerCase() !== name);
  const all = [...others, found].toSorted((a, b) => (String(a["id"]) < String(b["id"]) ? -1 : 1));
  return json("search", { data: all });
}

/** Unlisted versions are not found, but stay for those who name them. */
async function list(
  shelf: Shelf,
  change: { readonly id: string; readonly version: string; readonly isListed: boolean },
): Promise<Publication | WriteRefusal> {
  const [name, version] = [normalId(change.id), normalVersion(change.version)];
  const before = name === undefined ? [] : await entriesOf(shelf, name);
  const entry = before.find((other) => versionOf(other) === version);
  if (name === undefined || version === undefined || entry === undefined)
    return refused(404, `The package "${change.id}" ${change.version} is not here`);
  const { isListed } = change;
  const entries = before.map((other) => (other === entry ? { ...other, listed: isListed } : other));
  const catalogSource = `catalog/${name}/${version}`;
  const catalog = readObject({ bytes: (await shelf.read(catalogSource)) ?? Buffer.from("{}"), url: catalogSource });
  return {
    subject: { name, version },
    files: [],
    documents: [
      json(`registrations/${name}`, registrationOf(entries)),
      json(`registrations/${name}/${version}`, { listed: isListed }),
      json(catalogSource, { ...catalog, listed: isListed }),
      await searchDocument(shelf, name, entries),
    ],
    removed: [],
    answer: { status: isListed ? 200 : 204, mediaType: "text/plain; charset=utf-8", body: "" },
  };
}

async function sha512Base64(path: string): Promise<string> {
  const hash = createHash("sha512");
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(piece as Buffer);
  return hash.digest("base64");
}

function json(source: string, value: unknown): Publication["documents"][number] {
  return { source, bytes: Buffer.from(JSON.stringify(value)), mediaType: "application/json" };
}

function refused(status: number, message: string): WriteRefusal {
  const statusText = message.replaceAll(/[^ -~]+/g, " ").slice(0, 500);
  return { refused: true, status, mediaType: "text/plain; charset=utf-8", body: message, statusText };
}
