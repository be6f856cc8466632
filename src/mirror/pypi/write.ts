import { nowMs } from "../../base/clock.ts";
import { Failure } from "../../base/errors.ts";
import { sha256Hex } from "../../base/hash.ts";
import type { Publication, Shelf, WriteRefusal, WriteRequest } from "../format.ts";
import { readRequestBody } from "../request-body.ts";
import { simpleTypes } from "./accept.ts";
import { classify, fileAddress, fileKey, listSource, metadataEnd, pageSource } from "./classify.ts";
import { normalName, versionOfFile } from "./names.ts";
import { type PageFile, type ProjectPage, readList, readPage, removedMember } from "./page.ts";
import { refuse } from "./refuse.ts";
import { readUpload, type Upload } from "./upload-form.ts";
import { readWheelMetadata, type WheelMetadata } from "./wheel.ts";

/**
 * Takes what twine, uv and Poetry upload, at `legacy/` or at the repository itself; `DELETE` of a file removes it, and
 * `PATCH` with `{"yanked": "reason"}` or `{"yanked": false}` yanks it or takes that back.
 */
export async function write(request: WriteRequest, shelf: Shelf): Promise<Publication | WriteRefusal> {
  if (request.method === "POST") {
    if (!/^(?:legacy|simple)?\/?$/.test(request.path)) return refuse(404, "Uploads go to legacy/");
    const upload = await readUpload(request, shelf);
    return typeof upload === "string" ? refuse(400, upload) : await takeUpload(upload, shelf);
  }
  const ask = classify({ path: request.path, query: request.query, accept: "" });
  const name = ask.kind === "file" ? ask.subject?.name : undefined;
  if (ask.kind !== "file" || name === undefined || request.method === "PUT")
    return refuse(405, `${request.method} means nothing at this path`);
  return await changeFile(request, { shelf, project: name, file: ask.key.slice(name.length + 1) });
}

async function takeUpload(upload: Upload, shelf: Shelf): Promise<Publication | WriteRefusal> {
  const { project, version, file } = upload;
  const page = await readShelved(shelf, project);
  const before = page?.files.find((other) => other.filename === file);
  if (before !== undefined && before.hashes["sha256"] !== upload.sha256)
    return refuse(409, `The file "${file}" already exists with other bytes: files are never replaced`);
  if (before === undefined && removedFiles(page).includes(file))
    return refuse(409, `The file "${file}" was removed: its name is never given to other bytes`);
  const metadata = file.endsWith(".whl") ? await wheelOf(upload) : undefined;
  if (typeof metadata === "string") return refuse(400, metadata);
  const entry = before ?? describeFile(upload, { shelf, metadata });
  const keptMetadata = metadata === undefined ? undefined : await shelf.put(metadata.bytes);
  const subject = { name: project, version };
  const mediaType = "application/octet-stream";
  const { digest, sizeBytes } = upload.stored;
  return {
    subject,
    files: [
      { key: fileKey(project, file), digest, sizeBytes, mediaType, subject },
      ...(keptMetadata === undefined
        ? []
        : [
            {
              key: fileKey(project, file + metadataEnd),
              digest: keptMetadata.digest,
              sizeBytes: keptMetadata.sizeBytes,
              mediaType,
              subject,
            },
          ]),
    ],
    documents: [
      pageDocument({
        project,
        files: [...(page?.files.filter((other) => other !== before) ?? []), entry],
        before: page,
      }),
      await listDocument(shelf, upload),
    ],
    removed: [],
    answer: { status: 200, mediaType: "text/plain", body: "" },
  };
}

async function readShelved(shelf: Shelf, project: string): Promise<ProjectPage | undefined> {
  const bytes = await shelf.read(pageSource(project));
  if (bytes === undefined) return undefined;
  return readPage(
    { bytes, mediaType: simpleTypes.json, url: `${shelf.base}/${pageSource(project)}`, isHosted: true },
    project,
  );
}

/** What the wheel says of itself, or why it is not the wheel that the form speaks of. */
async function wheelOf({ stored, project, version }: Upload): Promise<WheelMetadata | string> {
  try {
    const metadata = await readWheelMetadata(stored.path);
    if (metadata.name === project && metadata.version === version) return metadata;
    return `The wheel says that it is version ${metadata.version} of "${metadata.name}"`;
  } catch (error) {
    if (error instanceof Failure && error.code === "archive_hostile") return error.message;
    throw error;
  }
}

function describeFile(
  upload: Upload,
  { shelf, metadata }: { shelf: Shelf; metadata: WheelMetadata | undefined },
): PageFile {
  const requires = metadata?.requiresPython ?? upload.requiresPython;
  return {
    filename: upload.file,
    url: fileAddress(shelf.base, upload.project, upload.file),
    hashes: { sha256: upload.sha256 },
    ...(requires === undefined || requires === "" ? {} : { "requires-python": requires }),
    ...(metadata === undefined ? {} : { "core-metadata": { sha256: sha256Hex(metadata.bytes) } }),
    size: upload.stored.sizeBytes,
    "upload-time": new Date(nowMs()).toISOString(),
    yanked: false,
  };
}

function removedFiles(page: ProjectPage | undefined): readonly string[] {
  const removed = page?.[removedMember];
  return Array.isArray(removed) ? removed.filter((name) => typeof name === "string") : [];
}

function pageDocument({
  project,
  files,
  before,
  removed = [],
}: {
  project: string;
  files: readonly PageFile[];
  before: ProjectPage | undefined;
  removed?: readonly string[];
}): Publication["documents"][number] {
  const page: ProjectPage = {
    meta: { "api-version": "1.1" },
    name: project,
    versions: [...new Set(files.map((file) => versionOfFile(project, file.filename)!))],
    files,
    [removedMember]: [...removedFiles(before), ...removed],
  };
  return { source: pageSource(project), bytes: Buffer.from(JSON.stringify(page)), mediaType: simpleTypes.json };
}

async function listDocument(shelf: Shelf, { shownName, project }: Upload): Promise<Publication["documents"][number]> {
  const bytes = await shelf.read(listSource);
  const document = { mediaType: simpleTypes.json, url: `${shelf.base}/${listSource}`, isHosted: true };
  const names = bytes === undefined ? [] : readList({ ...document, bytes });
  const known = names.some((name) => normalName(name) === project) ? names : [...names, shownName].sort();
  const list = { meta: { "api-version": "1.0" }, projects: known.map((name) => ({ name })) };
  return { source: listSource, bytes: Buffer.from(JSON.stringify(list)), mediaType: simpleTypes.json };
}

async function changeFile(
  request: WriteRequest,
  { shelf, project, file }: { shelf: Shelf; project: string; file: string },
): Promise<Publication | WriteRefusal> {
  const page = await readShelved(shelf, project);
  const entry = page?.files.find((other) => other.filename === file);
  if (page === undefined || entry === undefined) return refuse(404, `"${file}" was never uploaded here`);
  const isRemoval = request.method === "DELETE";
  const yanked = isRemoval ? false : yankedIn(await readRequestBody(request, 64 * 1024));
  if (yanked === undefined) return refuse(400, 'The body has to be {"yanked": REASON} or {"yanked": false}');
  const files = isRemoval
    ? page.files.filter((other) => other !== entry)
    : page.files.map((other) => (other === entry ? { ...other, yanked } : other));
  return {
    subject: { name: project, version: versionOfFile(project, file)! },
    files: [],
    documents: [pageDocument({ project, files, before: page, removed: isRemoval ? [file] : [] })],
    removed: isRemoval ? [fileKey(project, file), fileKey(project, file + metadataEnd)] : [],
    answer: { status: 200, mediaType: "text/plain", body: "" },
  };
}

function yankedIn(bytes: Buffer): boolean | string | undefined {
  try {
    const parsed: unknown = JSON.parse(bytes.toString("utf8"));
    const yanked = typeof parsed === "object" && parsed !== null && "yanked" in parsed ? parsed.yanked : undefined;
    return typeof yanked === "boolean" || typeof yanked === "string" ? yanked : undefined;
  } catch {
    return undefined;
  }
}
