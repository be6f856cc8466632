import { createHash, type Hash } from "node:crypto";
import type { Shelf, WriteRequest } from "../format.ts";
import { partText, readForm } from "../multipart.ts";
import { isDistribution, isProjectName, normalName, normalVersion, versionOfFile } from "./names.ts";

/** A long description is a field too. */
const fieldBytes = 4 * 1024 * 1024;

/** All fields together, the file aside. */
const fieldCount = 500;

/** The digests that a form may give of its file, by its field. blake2b with 32 bytes is not to be had from Node. */
const digestFields = { sha256_digest: "sha256", md5_digest: "md5" } as const;

/** A distribution as it was sent, on the shelf, checked against what the form says of it. */
export interface Upload {
  /** In normal form. */
  readonly project: string;
  /** As it was given. */
  readonly shownName: string;
  readonly version: string;
  readonly file: string;
  readonly requiresPython: string | undefined;
  readonly stored: Awaited<ReturnType<Shelf["put"]>>;
  /** Of the file, in hex. */
  readonly sha256: string;
}

/**
 * Reads the form of an upload, as twine, uv, Poetry and flit send it. The file goes to the shelf while it comes.
 *
 * Source: PyPI documentation, "Upload API"; the fields are those of the core metadata.
 *
 * @returns the reason where the form is not taken
 */
export async function readUpload(request: WriteRequest, shelf: Shelf): Promise<Upload | string> {
  const fields = new Map<string, string>();
  let content: Pick<Upload, "file" | "stored"> | undefined;
  const hashes = new Map<string, Hash>(Object.values(digestFields).map((name) => [name, createHash(name)]));
  for await (const part of readForm(request.body, request.headers["content-type"])) {
    if (part.name === "content" && part.fileName !== undefined) {
      if (content !== undefined) return "The form has two files";
      content = { file: part.fileName, stored: await shelf.put(hashed(part.body, hashes)) };
    } else if (part.fileName === undefined && fields.size < fieldCount) {
      const text = await partText(part, fieldBytes);
      if (!fields.has(part.name)) fields.set(part.name, text);
    }
  }
  if (fields.get(":action") !== "file_upload") return 'Only the action "file_upload" is taken';
  if (fields.has("attestations")) return "Attestations are not taken: nobody here vouches for who published";
  if (content === undefined) return "The form has no file";
  for (const [field, algorithm] of Object.entries(digestFields)) {
    const [given, actual] = [fields.get(field)?.toLowerCase(), hashes.get(algorithm)!.copy().digest("hex")];
    if (given !== undefined && given !== "" && given !== actual)
      return `The file has the ${algorithm} ${actual}, but the form says ${given}`;
  }
  return checkNames(fields, { ...content, sha256: hashes.get("sha256")!.digest("hex") });
}

function checkNames(
  fields: ReadonlyMap<string, string>,
  content: Pick<Upload, "file" | "stored" | "sha256">,
): Upload | string {
  const shownName = fields.get("name") ?? "";
  if (!isProjectName(shownName)) return `"${shownName.slice(0, 100)}" is no project's name`;
  const [project, version] = [normalName(shownName), normalVersion(fields.get("version") ?? "")];
  const { file } = content;
  if (!/^[A-Za-z0-9_.+!-]{1,255}$/.test(file) || !isDistribution(file))
    return `"${file.slice(0, 100)}" is no name of a distribution`;
  if (versionOfFile(project, file) !== version)
    return `"${file}" is no file of version ${version.slice(0, 100)} of "${project}"`;
  return { ...content, project, shownName, version, requiresPython: fields.get("requires_python") };
}

async function* hashed(body: AsyncIterable<Uint8Array>, hashes: ReadonlyMap<string, Hash>): AsyncGenerator<Uint8Array> {
  for await (const piece of body) {
    for (const hash of hashes.values()) hash.update(piece);
    yield piece;
  }
}
