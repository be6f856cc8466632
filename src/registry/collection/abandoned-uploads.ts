import { Failure } from "../../base/errors.ts";
import { type Store } from "../../store/store.ts";
import { deleteUpload, listStaleUploads, touchUpload } from "../../store/upload-records.ts";

/** Uploads that are looked at in one go; what is more waits for the next. */
const uploadCount = 10_000;

/** Uploads that nobody has touched since an instant in milliseconds, with their sizes in bytes. */
export async function findAbandonedUploads(store: Store, untouchedSince: number): Promise<Map<string, number>> {
  // A crash between file and record leaves one without the other.
  const found = new Map(await store.blobs.uploads.stale(untouchedSince));
  for (const id of await listStaleUploads(store.db, { untouchedSince, limit: uploadCount }))
    if (!found.has(id)) found.set(id, (await store.blobs.uploads.sizeOf(id)) ?? 0);
  return found;
}

/** Drops the uploads that nobody has touched since an instant in milliseconds; an upload that is being written is not. */
export async function dropAbandonedUploads(
  store: Store,
  untouchedSince: number,
): Promise<{ readonly count: number; readonly sizeBytes: number }> {
  let count = 0;
  let sizeBytes = 0;
  for (const [id, bytes] of await findAbandonedUploads(store, untouchedSince)) {
    try {
      await store.blobs.uploads.abort(id);
    } catch (error) {
      if (!(error instanceof Failure && error.code === "conflict")) throw error;
      await touchUpload(store.db, id);
      continue;
    }
    await deleteUpload(store.db, id);
    count += 1;
    sizeBytes += bytes;
  }
  return { count, sizeBytes };
}
