import { createGunzip, createZstdDecompress } from "node:zlib";
import { Failure } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { readTar } from "../base/tar.ts";
import type { Descriptor, Manifest } from "../model/oci.ts";
import type { BlobStore } from "../store/blobs.ts";

/**
 * Reads one regular file as a container of the image would see it: the topmost layer that names it decides.
 *
 * Undefined where no layer holds it or a later one removed it. Files above 64 MiB are refused.
 *
 * Source: OCI image spec, layer.md "Whiteouts".
 *
 * @throws Failure `too_large`, `archive_hostile`
 */
export async function fileInImage(blobs: BlobStore, manifest: Manifest, path: string): Promise<Buffer | undefined> {
  for (const layer of manifest.layers.toReversed()) {
    const found = await fileInLayer(blobs, layer, path);
    if (found !== undefined) return found === "removed" ? undefined : found;
  }
  return undefined;
}

/**
 * Reads all regular files of an image whose paths have a form, as {@link fileInImage} does, in one go over its layers.
 *
 * @throws Failure `too_large`, `archive_hostile`
 */
export async function filesInImage(blobs: BlobStore, manifest: Manifest, form: RegExp): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const layer of manifest.layers) {
    const found = new Map<string, Buffer>();
    const gone = new Set<string>();
    for await (const { header, body } of readTar(await openLayer(blobs, layer))) {
      const { path, kind, sizeBytes } = header;
      if (/(?:^|\/)\.wh\./.test(path)) gone.add(path);
      else if (kind === "file" && form.test(path)) found.set(path, await collect(body(), path, sizeBytes));
    }
    if (gone.size > 0)
      for (const path of files.keys())
        if (
          whiteoutsOf(path)
            .values()
            .some((mark) => gone.has(mark))
        )
          files.delete(path);
    for (const [path, content] of found) files.set(path, content);
  }
  return files;
}

async function fileInLayer(blobs: BlobStore, layer: Descriptor, path: string): Promise<Buffer | "removed" | undefined> {
  const removers = whiteoutsOf(path);
  let isRemoved = false;
  for await (const { header, body } of readTar(await openLayer(blobs, layer))) {
    if (header.path === path && header.kind === "file") return await collect(body(), header.path, header.sizeBytes);
    if (removers.has(header.path)) isRemoved = true;
  }
  return isRemoved ? "removed" : undefined;
}

/** The marks that would remove a path or any folder that it lies in. */
function whiteoutsOf(path: string): Set<string> {
  const parts = path.split("/");
  const marks = parts.map((part, at) => [...parts.slice(0, at), `.wh.${part}`].join("/"));
  const opaque = parts.slice(1).map((_, at) => [...parts.slice(0, at + 1), ".wh..wh..opq"].join("/"));
  return new Set([...marks, ...opaque]);
}

/** The size of all layers as tar archives. */
export async function unpackedBytes(blobs: BlobStore, { layers }: Manifest): Promise<number> {
  let sum = 0;
  for (const layer of layers) for await (const chunk of await openLayer(blobs, layer)) sum += chunk.length;
  return sum;
}

/** Unpacks a layer, as its media type says. */
export async function openLayer(
  blobs: BlobStore,
  { digest, mediaType }: Descriptor,
): Promise<AsyncIterable<Uint8Array>> {
  const packed = await blobs.open(digest);
  if (!mediaType.includes("zstd") && !mediaType.includes("gzip")) return packed;
  const decoder = mediaType.includes("zstd")
    ? createZstdDecompress({ chunkSize: limits.chunkBytes })
    : createGunzip({ chunkSize: limits.chunkBytes });
  packed.on("error", (error) => decoder.destroy(error));
  // Whoever has found what it looked for reads no further.
  decoder.on("close", () => packed.destroy());
  return packed.pipe(decoder);
}

async function collect(body: AsyncIterable<Buffer>, path: string, sizeBytes: number): Promise<Buffer> {
  if (sizeBytes > limits.debControlBytes)
    throw new Failure(
      "too_large",
      `Cannot read "${path}" of the image: it is larger than ${limits.debControlBytes} bytes`,
    );
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}
