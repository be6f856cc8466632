import { link, mkdir, readdir, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { nowMs } from "../../base/clock.ts";
import { Failure, systemCodeOf } from "../../base/errors.ts";
import { digestHex, type Digest } from "../../model/digest.ts";
import { mediaTypes, type Descriptor, type ImageConfig, type Index, type Manifest } from "../../model/oci.ts";
import type { BlobStore } from "../../store/blobs.ts";
import { removeFolder } from "../chamber/remove-folder.ts";
import { runChamber } from "../chamber/run-chamber.ts";
import { openBuildahStore } from "./buildah.ts";

/** Finds images by name: in our registry, its proxy caches included. Handed in by the pipeline. */
export interface BaseSource {
  /** A manifest or an index with its bytes, its blobs brought into the store; undefined where nobody has it. */
  find(reference: string): Promise<{ readonly digest: Digest; readonly bytes: Buffer } | undefined>;
}

/** A base image for one architecture. */
export interface BaseImage {
  readonly reference: string;
  readonly digest: Digest;
  readonly manifest: Manifest;
  readonly config: ImageConfig;
}

interface FindInput {
  readonly references: readonly string[];
  readonly architecture: string;
  readonly source: BaseSource;
  readonly blobs: BlobStore;
}

/** Finds the bases as they are today. @throws Failure `not_found` with the name */
export async function findBases({ references, architecture, source, blobs }: FindInput): Promise<BaseImage[]> {
  const bases: BaseImage[] = [];
  for (const reference of references) {
    const found = await source.find(reference);
    if (found === undefined)
      throw new Failure("not_found", `Cannot find the base image "${reference}"`, {
        hint: "Name an image of this registry, or one of a project that caches another registry (docs/how-to/proxy-cache.md)",
      });
    await blobs.put(found.bytes, { expected: found.digest });
    const digest = await ofArchitecture(found, { reference, architecture, source });
    const base = await readBase(blobs, { reference, digest });
    requireArchitecture(base, architecture);
    bases.push(base);
  }
  return bases;
}

/** Also an image without an index may be of another architecture. */
function requireArchitecture({ reference, config }: BaseImage, architecture: string): void {
  if (config.architecture === architecture) return;
  throw new Failure(
    "not_found",
    `Cannot use the base image "${reference}": it is for linux/${config.architecture}, not for linux/${architecture}`,
    { hint: "Build the base for this architecture too: name both in its `architectures`" },
  );
}

interface Wish {
  readonly reference: string;
  readonly architecture: string;
  readonly source: BaseSource;
}

async function ofArchitecture(
  found: { readonly digest: Digest; readonly bytes: Buffer },
  { reference, architecture, source }: Wish,
): Promise<Digest> {
  const parsed = JSON.parse(found.bytes.toString("utf8")) as Partial<Index>;
  if (!Array.isArray(parsed.manifests)) return found.digest;
  const fitting = (parsed.manifests as readonly Descriptor[]).find(
    ({ platform }) => platform?.os === "linux" && platform.architecture === architecture,
  );
  const name = reference.replace(/@.*$/, "").replace(/:[^:/]*$/, "");
  const child = fitting === undefined ? undefined : await source.find(`${name}@${fitting.digest}`);
  if (child !== undefined) return child.digest;
  throw new Failure("not_found", `Cannot use the base image "${reference}": it has no part for linux/${architecture}`);
}

/** Reads a base that the store holds. @throws Failure `not_found` where a part of it is missing */
export async function readBase(
  blobs: BlobStore,
  { reference, digest }: { readonly reference: string; readonly digest: Digest },
): Promise<BaseImage> {
  const parse = async (blob: Digest): Promise<unknown> => JSON.parse((await blobs.read(blob)).toString("utf8"));
  try {
    const manifest = (await parse(digest)) as Manifest;
    const config = (await parse(manifest.config.digest)) as ImageConfig;
    for (const layer of manifest.layers) await blobs.localPath(layer.digest);
    return { reference, digest, manifest, config };
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== "not_found") throw error;
    throw new Failure("not_found", `Cannot use the base image "${reference}": the store lacks a part of ${digest}`, {
      hint: "Pull the image once through this registry, or build it again",
      cause: error,
    });
  }
}

/** What the Containerfile for Buildah calls a base. */
export function baseName(digest: Digest): string {
  return `localhost/mintmark/base:${digestHex(digest).slice(0, 40)}`;
}

interface LayOutInput {
  readonly bases: readonly BaseImage[];
  /** `cache/bases` of the data folder. */
  readonly folder: string;
  readonly blobs: BlobStore;
  readonly signal: AbortSignal;
  readonly onLine: (line: string) => void;
}

/** The store's own records name its folder, so it is made where it stays, and this file is written last. */
const wholeMark = "whole";

/** Bases that are kept laid out; each takes as much room as it has unpacked. */
const keptBases = 6;

/** Layers of one mount that can lie in a store other than the build's own: their names must fit into a page. */
const shownLayersMax = 75;

/** Bases that are laid out. */
export interface LaidOutBases {
  /** Graph roots of their stores. */
  readonly roots: readonly string[];
  /** Those that the build lays out itself. */
  readonly large: readonly BaseImage[];
}

/**
 * Lays bases out for Buildah, each once.
 *
 * Buildah is given folders in OCI layout and needs no network for it.
 */
export async function layOutBases({ bases, folder, blobs, signal, onLine }: LayOutInput): Promise<LaidOutBases> {
  await mkdir(folder, { recursive: true });
  const roots: string[] = [];
  const isLarge = ({ manifest }: BaseImage): boolean => manifest.layers.length > shownLayersMax;
  for (const base of bases) {
    if (isLarge(base)) continue;
    const store = join(folder, digestHex(base.digest));
    if ((await readdir(store).catch((): string[] => [])).includes(wholeMark))
      await utimes(store, nowMs() / 1000, nowMs() / 1000);
    else {
      onLine(`laying out the base "${base.reference}", ${base.manifest.layers.length} layers`);
      await layOutOnce(base, { store, blobs, signal });
    }
    roots.push(join(store, "graph"));
  }
  await forgetOthers(folder, new Set(bases.map(({ digest }) => digestHex(digest))));
  return { roots: [...new Set(roots)], large: bases.filter(isLarge) };
}

const underWay = new Map<string, Promise<void>>();

/** Builds that run side by side mostly stand on one base: the second waits for the first, and tries itself if that failed. */
async function layOutOnce(base: BaseImage, parts: Parameters<typeof layOut>[1]): Promise<void> {
  const { store } = parts;
  const other = underWay.get(store);
  if (other !== undefined) {
    const isLaidOut = await other.then(
      () => true,
      () => false,
    );
    return isLaidOut ? undefined : await layOutOnce(base, parts);
  }
  const own = layOut(base, parts).finally(() => underWay.delete(store));
  underWay.set(store, own);
  await own;
}

async function layOut(
  base: BaseImage,
  { store, blobs, signal }: { readonly store: string; readonly blobs: BlobStore; readonly signal: AbortSignal },
): Promise<void> {
  await removeFolder(store);
  const layout = join(store, "layout");
  try {
    await mkdir(store);
    await writeLayout(base, layout, blobs);
    const { environment } = await openBuildahStore(store, []);
    await runChamber({ kind: "import-base", layout, name: baseName(base.digest), environment }, { signal });
    await writeFile(join(store, wholeMark), "");
  } catch (error) {
    await removeFolder(store);
    throw error;
  } finally {
    await rm(layout, { recursive: true, force: true });
  }
}

/** Writes a folder in OCI layout whose blobs are those of the store. */
export async function writeLayout({ digest, manifest }: BaseImage, layout: string, blobs: BlobStore): Promise<void> {
  const folder = join(layout, "blobs/sha256");
  await mkdir(folder, { recursive: true });
  for (const blob of new Set([digest, manifest.config.digest, ...manifest.layers.map((layer) => layer.digest)]))
    await place(await blobs.localPath(blob), join(folder, digestHex(blob)));
  await writeFile(join(layout, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  const size = (await blobs.stat(digest))!.sizeBytes;
  const mediaType = manifest.mediaType ?? mediaTypes.manifest;
  await writeFile(
    join(layout, "index.json"),
    JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType, digest, size }] }),
  );
}

async function place(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (systemCodeOf(error) !== "EXDEV" && systemCodeOf(error) !== "EPERM") throw error;
    await symlink(from, to);
  }
}

/** The oldest go. */
async function forgetOthers(folder: string, used: ReadonlySet<string>): Promise<void> {
  const others: { readonly name: string; readonly usedMs: number }[] = [];
  for (const name of await readdir(folder))
    if (!used.has(name)) others.push({ name, usedMs: (await stat(join(folder, name))).mtimeMs });
  others.sort((a, b) => b.usedMs - a.usedMs);
  for (const { name } of others.slice(Math.max(0, keptBases - used.size))) await removeFolder(join(folder, name));
}
