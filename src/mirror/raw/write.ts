import { Failure } from "../../base/errors.ts";
import { type Publication, type Shelf, type WriteRefusal, type WriteRequest } from "../format.ts";
import { mediaTypeOf } from "./media-types.ts";
import { isPlainPath } from "./rules.ts";

/** A file that is put here. */
const fileBytes = 16 * 1024 * 1024 * 1024;

/** Takes files by PUT and drops them by DELETE; what is here is not replaced, so that a pinned digest stays right. */
export async function write(request: WriteRequest, shelf: Shelf): Promise<Publication | WriteRefusal> {
  const { method, path } = request;
  if (!isPlainPath(path)) return refused(400, "The path is not that of a file");
  if (method === "PUT") return await put(request, shelf);
  if (method !== "DELETE") return refused(405, "Files are put with PUT and dropped with DELETE");
  if ((await shelf.fileDigest(path)) === undefined) return refused(404, `"${path}" is not here`);
  return changed(path, { removed: [path], files: [], status: 204 });
}

async function put({ path, body }: WriteRequest, shelf: Shelf): Promise<Publication | WriteRefusal> {
  const known = await shelf.fileDigest(path);
  try {
    const { digest, sizeBytes } = await shelf.put(body, fileBytes);
    if (known !== undefined && known !== digest)
      return refused(409, `"${path}" is here already, with other content: drop it first, or use another path`);
    const file = { key: path, digest, sizeBytes, mediaType: mediaTypeOf(path), subject: { name: path } };
    return changed(path, { removed: [], files: [file], status: known === undefined ? 201 : 200 });
  } catch (error) {
    if (error instanceof Failure && error.code === "too_large") return refused(413, error.message);
    throw error;
  }
}

function changed(
  path: string,
  change: Pick<Publication, "removed" | "files"> & { readonly status: number },
): Publication {
  const { removed, files, status } = change;
  const answer = { status, mediaType: "text/plain; charset=utf-8", body: "" };
  return { subject: { name: path }, files, documents: [], removed, answer };
}

function refused(status: number, message: string): WriteRefusal {
  return { refused: true, status, mediaType: "text/plain; charset=utf-8", body: `${message}\n` };
}
