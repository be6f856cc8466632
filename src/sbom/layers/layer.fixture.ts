import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { tarEnd, tarHeaderBytes } from "../../base/tar-writer.ts";
import type { TarKind } from "../../base/tar.ts";
import { sha256Digest } from "../../model/digest.ts";
import type { LayerBlob } from "./layer-stream.ts";

/** One entry of a layer: a file by its content, a link by its target, a folder by neither. */
export interface FixtureEntry {
  readonly path: string;
  readonly content?: string | Buffer;
  readonly link?: string;
  readonly kind?: TarKind;
}

/** The bytes of a layer as tar. */
export function layerTar(entries: readonly FixtureEntry[]): Buffer {
  const parts = entries.flatMap(({ path, content, link, kind }) => {
    const body = Buffer.from(content ?? "");
    const header = tarHeaderBytes({
      path,
      kind: kind ?? (link !== undefined ? "symlink" : content === undefined ? "folder" : "file"),
      mode: 0o644,
      uid: 0,
      gid: 0,
      mtimeSeconds: 0,
      sizeBytes: body.length,
      link: link ?? "",
      deviceMajor: 0,
      deviceMinor: 0,
      xattrs: {},
    });
    return [header, body, Buffer.alloc((512 - (body.length % 512)) % 512)];
  });
  return Buffer.concat([...parts, tarEnd]);
}

/** Packs bytes as layers are. */
export const packings = {
  plain: (bytes: Buffer): Buffer => bytes,
  gzip: (bytes: Buffer): Buffer => gzipSync(bytes),
  zstd: (bytes: Buffer): Buffer => zstdCompressSync(bytes),
};

/** A layer of bytes, which come in small chunks as from a slow disk. */
export function layerOf(bytes: Buffer, chunkBytes = 4096): LayerBlob {
  return {
    digest: sha256Digest(createHash("sha256").update(bytes).digest("hex")),
    sizeBytes: bytes.length,
    async open() {
      const chunks = function* (): Generator<Buffer> {
        for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
      };
      return Readable.from(chunks(), { objectMode: false });
    },
  };
}

/** A dpkg database of packages and versions. */
export function dpkgStatus(packages: Readonly<Record<string, string>>): string {
  return Object.entries(packages)
    .map(
      ([name, version]) =>
        `Package: ${name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: ${version}\nDescription: a test\n`,
    )
    .join("\n");
}

/** os-release of Debian 12. */
export const debianRelease =
  'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n';
