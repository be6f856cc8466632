import { Failure } from "../../base/errors.ts";
import { digestHex } from "../../model/digest.ts";
import type { Publication, Shelf, WriteRefusal, WriteRequest } from "../format.ts";
import { compareVersions } from "../version-order.ts";
import { checkArchive } from "./archive.ts";
import { findLine, readLines, type IndexLine } from "./lines.ts";
import { archiveKey, crateKey, indexPath, isCrateName, isCrateVersion } from "./names.ts";
import { indexLineOf, readUpload, type PublishedCrate } from "./publish.ts";
import { readFound } from "./render.ts";

/** An archive that is published here. */
const archiveBytes = 512 * 1024 * 1024;

/**
 * Takes what Cargo publishes, yanks and takes back.
 *
 * Source: The Cargo Book, "Web API".
 */
export async function write(request: WriteRequest, shelf: Shelf): Promise<Publication | WriteRefusal> {
  try {
    if (request.path === "api/v1/crates/new")
      return request.method === "PUT" ? await publish(request, shelf) : refused(405, "A crate is published with PUT");
    const [name = "", version = "", action] = request.path.replace(/^api\/v1\/crates\//, "").split("/");
    if (action === undefined && version === "owners")
      return refused(501, "Owners of a crate are not kept: who may publish is set by repository");
    const isYanked = request.method === "DELETE" && action === "yank";
    const isBack = request.method === "PUT" && action === "unyank";
    if ((isYanked || isBack) && request.path.startsWith("api/v1/crates/"))
      return await mark(shelf, { name, version: version.replaceAll(/%2b/gi, "+"), isYanked });
    return refused(404, "A Cargo registry takes nothing at this path");
  } catch (error) {
    if (error instanceof Failure && ["usage", "archive_hostile", "too_large"].includes(error.code))
      return refused(error.status, error.message);
    throw error;
  }
}

async function publish(request: WriteRequest, shelf: Shelf): Promise<Publication | WriteRefusal> {
  const { crate, archive } = await readUpload(request.body);
  const { name, vers: version } = crate;
  if (!isCrateName(name) || !isCrateVersion(version))
    return refused(400, `"${name}" ${version} is not a name and version of a crate`);
  const source = indexPath(name);
  const before = (await shelf.read(source)) ?? Buffer.alloc(0);
  const listed = readFound((await shelf.read("search")) ?? Buffer.alloc(0)).crates;
  const twin = listed.find((entry) => entry.name !== name && foldedName(entry.name) === foldedName(name));
  if (twin !== undefined) return refused(409, `The crate "${twin.name}" is here, which is too like "${name}"`);
  const precise = precisely(version);
  if (readLines(before).some((line) => precisely(line.version) === precise))
    return refused(409, `The crate "${name}" ${version} is here already: publish another version`);
  const stored = await shelf.put(archive, archiveBytes);
  await checkArchive(stored.path, `${name}-${version}`);
  const line = Buffer.from(`${JSON.stringify(indexLineOf(crate, digestHex(stored.digest)))}\n`);
  const subject = { name: crateKey(name), version };
  return {
    subject,
    files: [{ key: archiveKey(name, version), ...sized(stored), mediaType: "application/gzip", subject }],
    documents: [
      { source, bytes: Buffer.concat([before, line]), mediaType: "text/plain; charset=utf-8" },
      searchDocument(listed, crate),
    ],
    removed: [],
    answer: answered({ warnings: { invalid_categories: [], invalid_badges: [], other: [] } }),
  };
}

/** Cargo takes versions that differ in build metadata only for one. */
function precisely(version: string): string {
  return version.split("+", 1)[0]!;
}

/** `a_b` and `a-b` are one crate in Rust source. */
function foldedName(name: string): string {
  return crateKey(name).replaceAll("_", "-");
}

function sized(stored: Awaited<ReturnType<Shelf["put"]>>): Pick<Publication["files"][number], "digest" | "sizeBytes"> {
  return { digest: stored.digest, sizeBytes: stored.sizeBytes };
}

/** The list that searches are answered from, with the newest version of each crate. */
function searchDocument(
  listed: ReturnType<typeof readFound>["crates"],
  crate: PublishedCrate,
): Publication["documents"][number] {
  const old = listed.find((entry) => entry.name === crate.name);
  const isNewest = old === undefined || compareVersions(crate.vers, old.max_version) > 0;
  const entry = isNewest
    ? { name: crate.name, max_version: crate.vers, description: (crate.description ?? "").slice(0, 1000) }
    : old;
  const crates = [...listed.filter((other) => other !== old), entry].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return { source: "search", bytes: Buffer.from(JSON.stringify({ crates })), mediaType: "application/json" };
}

/** Yanked versions stay for those who have them in their lock file; new ones do not get them. */
async function mark(
  shelf: Shelf,
  change: { readonly name: string; readonly version: string; readonly isYanked: boolean },
): Promise<Publication | WriteRefusal> {
  const { name, version, isYanked } = change;
  const source = isCrateName(name) ? indexPath(name) : undefined;
  const before = source === undefined ? undefined : await shelf.read(source);
  const line = before === undefined ? undefined : findLine(before, version);
  if (source === undefined || before === undefined || line === undefined)
    return refused(404, `The crate "${name}" ${version} is not here`);
  const lines = readLines(before).map((other) => (other.version === version ? marked(other, isYanked) : other.raw));
  return {
    subject: { name: crateKey(name), version },
    files: [],
    documents: [
      {
        source,
        bytes: Buffer.concat(lines.flatMap((raw) => [raw, Buffer.from("\n")])),
        mediaType: "text/plain; charset=utf-8",
      },
    ],
    removed: [],
    answer: answered({ ok: true }),
  };
}

function marked(line: IndexLine, isYanked: boolean): Buffer {
  return Buffer.from(JSON.stringify({ ...(JSON.parse(line.raw.toString("utf8")) as object), yanked: isYanked }));
}

function answered(body: unknown): Publication["answer"] {
  return { status: 200, mediaType: "application/json", body: JSON.stringify(body) };
}

function refused(status: number, detail: string): WriteRefusal {
  return { refused: true, status, mediaType: "application/json", body: JSON.stringify({ errors: [{ detail }] }) };
}
