import { createWriteStream } from "node:fs";
import { mkdir, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { Failure } from "../../base/errors.ts";
import { readTar } from "../../base/tar.ts";
import { digestHex, parseDigest, type Digest } from "../../model/digest.ts";
import type { ImageConfig, Index, Manifest } from "../../model/oci.ts";
import type { BlobStore } from "../../store/blobs.ts";
import { openLayer } from "./image-tree.ts";
import type { TestedImage } from "./structure.ts";

/**
 * The image of a manifest whose blobs are in the store.
 *
 * @throws Failure `not_found` where a layer is not there
 */
export async function storedImage(blobs: BlobStore, manifest: Manifest): Promise<TestedImage> {
  const config = JSON.parse((await blobs.read(manifest.config.digest)).toString("utf8")) as ImageConfig;
  return { config, layers: await Promise.all(manifest.layers.map(({ digest }) => blobs.localPath(digest))) };
}

/** What `docker save` writes beside the layers. Source: Docker image specification v1.2, "Combined Image JSON". */
interface SavedImage {
  readonly Config: string;
  readonly Layers: readonly string[];
}

/**
 * The image in a folder or tar archive, in OCI layout or as `docker save` writes it; one image is expected.
 *
 * @param workFolder where an archive is unpacked to; the caller removes it
 * @throws Failure `not_found`, `archive_hostile`, `usage` where there is more than one image
 */
export async function imageInFile(path: string, workFolder: string): Promise<TestedImage> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw new Failure("not_found", `Cannot find the image "${path}"`);
  if (!found.isDirectory()) await unpackArchive(path, workFolder);
  const folder = found.isDirectory() ? path : workFolder;
  const saved = await readJson<SavedImage[]>(join(folder, "manifest.json"));
  const index = await readJson<Index>(join(folder, "index.json"));
  if (index !== undefined) return await imageOfIndex(folder, path, index);
  if (saved === undefined)
    throw new Failure("not_found", `Cannot find an image in "${path}": it holds no index.json and no manifest.json`);
  const [image, ...others] = saved;
  if (image === undefined || others.length > 0) throw several(path);
  const config = await readJson<ImageConfig>(inside(folder, image.Config));
  if (config === undefined) throw incomplete(path);
  return { config, layers: image.Layers.map((layer) => inside(folder, layer)) };
}

async function imageOfIndex(folder: string, path: string, index: Index): Promise<TestedImage> {
  const [one, ...others] = index.manifests.filter(({ artifactType }) => artifactType === undefined);
  if (one === undefined || others.length > 0) throw several(path);
  const manifest = await readJson<Manifest & Partial<Index>>(blobPath(folder, one.digest));
  if (manifest === undefined) throw incomplete(path);
  if (manifest.manifests !== undefined) return await imageOfIndex(folder, path, manifest as unknown as Index);
  const config = await readJson<ImageConfig>(blobPath(folder, manifest.config.digest));
  if (config === undefined) throw incomplete(path);
  return { config, layers: manifest.layers.map(({ digest }) => blobPath(folder, digest)) };
}

function blobPath(folder: string, digest: string): string {
  const parsed: Digest | undefined = parseDigest(digest);
  if (parsed === undefined) throw incomplete(folder);
  return join(folder, "blobs", parsed.split(":")[0]!, digestHex(parsed));
}

function several(path: string): Failure {
  return new Failure("usage", `Cannot test "${path}": it does not hold exactly one image`);
}

function incomplete(path: string): Failure {
  return new Failure("not_found", `Cannot read the image "${path}": it is not complete`);
}

/** A path of an archive's own list; one that leads out of the folder is the archive's fault. */
function inside(folder: string, name: string): string {
  if (name.startsWith("/") || name.split("/").includes(".."))
    throw new Failure("archive_hostile", `Cannot read the image: it names "${name}"`);
  return join(folder, name);
}

async function readJson<Value>(path: string): Promise<Value | undefined> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as Value);
}

/** Only plain files; links to them are written as their own copies by nobody that we know. */
async function unpackArchive(path: string, folder: string): Promise<void> {
  for await (const { header, body } of readTar(await openLayer(path))) {
    if (header.kind !== "file") continue;
    const target = inside(folder, header.path);
    await mkdir(dirname(target), { recursive: true });
    await pipeline(body(), createWriteStream(target, { flags: "w" }));
  }
}
