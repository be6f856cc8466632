import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { Failure, systemCodeOf } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { digestHex, parseDigest, type Digest } from "../model/digest.ts";
import { mediaTypes, type Descriptor } from "../model/oci.ts";
import { bounds } from "./bounds.ts";
import type { ImageSource, SourceManifest } from "./sign.ts";
import { isIndexType, parseIndex, parseJson, parseManifest, type ParsedIndex } from "./manifest-form.ts";

/**
 * Opens an OCI layout folder as a source, so that an exported image verifies without a registry.
 *
 * Repository names are not looked at: a layout holds one repository. Tags are the annotation
 * `org.opencontainers.image.ref.name` in `index.json`; referrers are the manifests listed there whose subject is the
 * image. Source: OCI image spec, image-layout.md.
 *
 * @throws Failure `not_found` where the folder is no layout
 */
export async function layoutSource(folder: string): Promise<ImageSource> {
  const index = await readIndex(folder);
  const blobPath = (digest: Digest): string => join(folder, "blobs", digest.slice(0, 6), digestHex(digest));
  async function readManifestAt(digest: Digest, mediaType: string | undefined): Promise<SourceManifest | undefined> {
    const bytes = await readUpTo(blobPath(digest), limits.manifestBytes);
    return bytes === undefined ? undefined : { digest, mediaType: mediaType ?? typeWithin(bytes), bytes };
  }
  return {
    async getManifest(_repository, reference) {
      const digest = parseDigest(reference);
      if (digest !== undefined)
        return readManifestAt(digest, index.manifests.find((entry) => entry.digest === digest)?.mediaType);
      const entry = index.manifests.find(
        ({ annotations }) => annotations?.["org.opencontainers.image.ref.name"] === reference,
      );
      return entry === undefined ? undefined : readManifestAt(entry.digest, entry.mediaType);
    },
    async getBlob(_repository, digest) {
      const found = await sizeOf(blobPath(digest));
      return found === undefined ? undefined : createReadStream(blobPath(digest), { highWaterMark: limits.chunkBytes });
    },
    async referrers(_repository, subject) {
      const found: Descriptor[] = [];
      for (const entry of index.manifests) {
        if (isIndexType(entry.mediaType)) continue;
        const read = await readManifestAt(entry.digest, entry.mediaType);
        const manifest = read === undefined ? undefined : parseManifest(read.bytes, read.mediaType);
        const { mediaType, digest, size } = entry;
        if (manifest?.subject?.digest === subject)
          found.push({ mediaType, digest, size, artifactType: manifest.artifactType ?? manifest.config.mediaType });
      }
      return found;
    },
  };
}

async function readIndex(folder: string): Promise<ParsedIndex> {
  const path = join(folder, "index.json");
  const bytes = await readUpTo(path, bounds.layoutIndexBytes);
  if (bytes === undefined)
    throw new Failure("not_found", `Cannot open the OCI layout "${folder}": it has no index.json`, {
      hint: "Name a folder as `skopeo copy … oci:FOLDER` makes it",
    });
  const index = parseIndex(bytes, mediaTypes.index);
  if (index === undefined)
    throw new Failure("not_found", `Cannot open the OCI layout "${folder}": index.json is not an OCI index`);
  return index;
}

/** The media type that a manifest claims for itself: a child of an index is not listed in `index.json`. */
function typeWithin(bytes: Buffer): string {
  const json = parseJson(bytes);
  const claimed = json !== null && typeof json === "object" && "mediaType" in json ? json.mediaType : undefined;
  return typeof claimed === "string" ? claimed : mediaTypes.manifest;
}

async function readUpTo(path: string, limitBytes: number): Promise<Buffer | undefined> {
  const sizeBytes = await sizeOf(path);
  if (sizeBytes === undefined) return undefined;
  if (sizeBytes > limitBytes)
    throw new Failure("too_large", `Cannot read "${path}": it is larger than ${limitBytes} bytes`);
  return readFile(path);
}

/** Bytes of a regular file; undefined where there is none, and for pipes and devices, which could stop a reader. */
async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const found = await stat(path);
    return found.isFile() ? found.size : undefined;
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(systemCodeOf(error) ?? "")) return undefined;
    throw error;
  }
}
