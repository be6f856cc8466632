import { createHash } from "node:crypto";
import { isoSeconds } from "../base/clock.ts";
import { readTar, type TarHeader } from "../base/tar.ts";
import type { ImageConfig, Manifest } from "../model/oci.ts";
import type { BlobStore } from "../store/blobs.ts";
import { openLayer } from "./image-files.ts";

/** One difference between two images. */
interface FileDifference {
  /** With a slash at its beginning. */
  readonly path: string;
  readonly kind: "added" | "removed" | "changed";
  /** What of it: `content`, `mode 0644 → 0755`, `time …` … */
  readonly what: string[];
}

/** What differs between two images. */
export interface ImageDifference {
  /** Differences of the configuration, a line each. */
  readonly config: string[];
  /** By path. */
  readonly files: FileDifference[];
  /** Layers that both have. */
  readonly sharedLayers: number;
}

/** An entry as a container would see it, as far as it can differ. */
interface Seen {
  readonly kind: string;
  readonly mode: number;
  readonly owner: string;
  readonly mtimeSeconds: number;
  readonly link: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly xattrs: string;
}

/**
 * Compares two images by what a container would see, down to the file.
 *
 * Layers that both begin with are not read. @throws Failure `not_found` for a part that the store lacks
 */
export async function imageDifference(blobs: BlobStore, before: Manifest, after: Manifest): Promise<ImageDifference> {
  let shared = 0;
  while (before.layers[shared] !== undefined && before.layers[shared]!.digest === after.layers[shared]?.digest)
    shared++;
  const [old, now] = [await files(blobs, before, shared), await files(blobs, after, shared)];
  const config = configDifferences(await configOf(blobs, before), await configOf(blobs, after));
  return { config, files: fileDifferences(old, now), sharedLayers: shared };
}

async function configOf(blobs: BlobStore, { config }: Manifest): Promise<ImageConfig> {
  return JSON.parse((await blobs.read(config.digest)).toString("utf8")) as ImageConfig;
}

/** What lies above the shared layers; what these hold is the same in both. */
async function files(blobs: BlobStore, { layers }: Manifest, shared: number): Promise<Map<string, Seen>> {
  const all = new Map<string, Seen>();
  for (const layer of layers.slice(shared))
    for await (const { header, body } of readTar(await openLayer(blobs, layer))) {
      if (header.path === "") continue;
      forgetBelow(all, header);
      const hash = createHash("sha256");
      for await (const chunk of body()) hash.update(chunk);
      all.set(header.path, seen(header, header.kind === "file" ? hash.digest("hex") : ""));
    }
  return all;
}

/** What an upper layer takes away is gone; the mark stays, since it may take away from the shared layers too. */
function forgetBelow(all: Map<string, Seen>, { path }: TarHeader): void {
  const found = /^(.*\/)?\.wh\.(.+)$/.exec(path);
  if (found === null) return;
  const [, folder = "", name = ""] = found;
  const gone = name === ".wh..opq" ? folder : `${folder}${name}`;
  for (const known of all.keys())
    if (known === gone || known.startsWith(gone.endsWith("/") ? gone : `${gone}/`)) all.delete(known);
}

function seen(header: TarHeader, sha256: string): Seen {
  const { kind, mode, uid, gid, mtimeSeconds, link, sizeBytes, xattrs } = header;
  return { kind, mode, owner: `${uid}:${gid}`, mtimeSeconds, link, sizeBytes, sha256, xattrs: JSON.stringify(xattrs) };
}

function fileDifferences(old: ReadonlyMap<string, Seen>, now: ReadonlyMap<string, Seen>): FileDifference[] {
  const paths = [...new Set([...old.keys(), ...now.keys()])].sort();
  return paths.flatMap((path): FileDifference[] => {
    const was = old.get(path);
    const is = now.get(path);
    const name = `/${path}`;
    if (was === undefined) return [{ path: name, kind: "added", what: [] }];
    if (is === undefined) return [{ path: name, kind: "removed", what: [] }];
    const what = aspects(was, is);
    return what.length === 0 ? [] : [{ path: name, kind: "changed", what }];
  });
}

function aspects(was: Seen, is: Seen): string[] {
  const octal = (mode: number): string => mode.toString(8).padStart(4, "0");
  const time = (seconds: number): string => isoSeconds(seconds * 1000);
  return [
    ...(was.kind === is.kind ? [] : [`kind ${was.kind} → ${is.kind}`]),
    ...(was.sha256 === is.sha256 ? [] : [`content, ${was.sizeBytes} → ${is.sizeBytes} bytes`]),
    ...(was.link === is.link ? [] : [`link ${was.link} → ${is.link}`]),
    ...(was.mode === is.mode ? [] : [`mode ${octal(was.mode)} → ${octal(is.mode)}`]),
    ...(was.owner === is.owner ? [] : [`owner ${was.owner} → ${is.owner}`]),
    ...(was.mtimeSeconds === is.mtimeSeconds ? [] : [`time ${time(was.mtimeSeconds)} → ${time(is.mtimeSeconds)}`]),
    ...(was.xattrs === is.xattrs ? [] : ["extended attributes"]),
  ];
}

/** Members by their paths; the layers are told by their files. */
function configDifferences(before: ImageConfig, after: ImageConfig): string[] {
  const old = new Map(members("", { ...before, rootfs: undefined }));
  const now = new Map(members("", { ...after, rootfs: undefined }));
  return [...new Set([...old.keys(), ...now.keys()])]
    .sort()
    .flatMap((name) =>
      old.get(name) === now.get(name) ? [] : [`${name}: ${old.get(name) ?? "none"} → ${now.get(name) ?? "none"}`],
    );
}

function members(prefix: string, value: unknown): [string, string][] {
  if (value === undefined) return [];
  if (value === null || typeof value !== "object") return [[prefix, JSON.stringify(value)]];
  return Object.entries(value).flatMap(([name, member]) => members(prefix === "" ? name : `${prefix}.${name}`, member));
}
