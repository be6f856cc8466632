import { posix } from "node:path";
import { Failure } from "../../base/errors.ts";
import { readTar, type TarHeader } from "../../base/tar.ts";
import { unpackLayer, type LayerBlob } from "./layer-stream.ts";

/** Which paths of an image are wanted; they have no slash at the beginning. */
export interface WantedPaths {
  /** Files whose bytes are wanted. */
  readonly files: ReadonlySet<string>;
  /** Folders of which every file's bytes are wanted; without a slash at the end. */
  readonly folders: readonly string[];
  /** Files of which it is enough to know that they are there. */
  readonly markers: ReadonlySet<string>;
}

/** What stands at a wanted path, or at a folder above one, when all layers lie on each other. */
export type ImageEntry =
  | { readonly kind: "file"; readonly bytes: Buffer }
  | { readonly kind: "marker" }
  | { readonly kind: "link"; readonly target: string }
  | { readonly kind: "other" };

/** A package database of a large image has a few MiB. */
const fileBytes = 64 * 1024 * 1024;
const allFilesBytes = 128 * 1024 * 1024;
/** Entries of all layers together; a full desktop has 400,000. */
const entriesMax = 3_000_000;
/** Container hosts take 128 layers, some builders make more. */
const layersMax = 500;

/**
 * Reads the wanted paths of an image as a container would see them: each layer in turn as a stream, whiteouts applied.
 *
 * Nothing is written anywhere; memory holds the wanted files and no more.
 * Source: OCI image spec, layer.md "Applying Changesets" and "Whiteouts".
 *
 * @throws Failure `archive_hostile`, `too_large`, `not_found` for a layer that is not here, or the signal's reason
 */
export async function readImageTree(
  layers: readonly LayerBlob[],
  wanted: WantedPaths,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, ImageEntry>> {
  if (layers.length > layersMax)
    throw new Failure("too_large", `Cannot read the image: it has more than ${layersMax} layers`);
  const interest = interestIn(wanted);
  const tree = new Map<string, ImageEntry>();
  let entryCount = 0;
  for (const layer of layers) {
    const packed = await layer.open();
    if (packed === undefined)
      throw new Failure("not_found", `Cannot read the image: the registry does not have its layer ${layer.digest}`);
    const changes = new LayerChanges(interest);
    try {
      for await (const entry of readTar(unpackLayer(layer, packed))) {
        signal.throwIfAborted();
        if (++entryCount > entriesMax)
          throw new Failure("too_large", `Cannot read the image: its layers have more than ${entriesMax} entries`);
        await changes.take(entry.header, () => entry.body());
      }
    } finally {
      // A layer that is refused may not have been read to its end, or at all.
      packed.destroy();
    }
    changes.applyTo(tree);
  }
  return tree;
}

type Interest = "file" | "marker" | "above" | undefined;

function interestIn({ files, folders, markers }: WantedPaths): (path: string) => Interest {
  const above = new Set<string>();
  for (const path of [...files, ...markers, ...folders.map((folder) => `${folder}/x`)])
    for (let at = path.indexOf("/"); at > 0; at = path.indexOf("/", at + 1)) above.add(path.slice(0, at));
  return (path) => {
    if (files.has(path)) return "file";
    if (markers.has(path)) return "marker";
    if (above.has(path)) return "above";
    return folders.some((folder) => path.startsWith(`${folder}/`)) ? "file" : undefined;
  };
}

/** What one layer changes; its removals concern the layers below it only. */
class LayerChanges {
  readonly #interest: (path: string) => Interest;
  readonly #added = new Map<string, ImageEntry>();
  /** These, but not what is below them. */
  readonly #replaced = new Set<string>();
  /** These and all below them. */
  readonly #gone = new Set<string>();
  /** All below these. */
  readonly #emptied = new Set<string>();
  #heldBytes = 0;

  constructor(interest: (path: string) => Interest) {
    this.#interest = interest;
  }

  async take(header: TarHeader, body: () => AsyncGenerator<Buffer>): Promise<void> {
    const path = plainPath(header.path);
    const { dir, base } = posix.parse(path);
    if (base === ".wh..wh..opq") this.#emptied.add(dir);
    else if (!base.startsWith(".wh.")) await this.#add(path, header, body);
    else if (!base.startsWith(".wh..wh.")) this.#gone.add(posix.join(dir, base.slice(4)));
  }

  applyTo(tree: Map<string, ImageEntry>): void {
    for (const path of tree.keys()) if (this.#removes(path)) tree.delete(path);
    for (const [path, entry] of this.#added) tree.set(path, entry);
    let heldBytes = 0;
    for (const entry of tree.values()) heldBytes += entry.kind === "file" ? entry.bytes.length : 0;
    if (heldBytes > allFilesBytes) throw tooMuch();
  }

  async #add(path: string, header: TarHeader, body: () => AsyncGenerator<Buffer>): Promise<void> {
    const kind = this.#interest(path);
    if (kind === undefined) return;
    // What is no folder hides whatever stood below its name; what is one hides a file of its name.
    if (header.kind === "folder") {
      this.#replaced.add(path);
      this.#added.delete(path);
      return;
    }
    this.#gone.add(path);
    for (const known of kind === "above" ? this.#added.keys() : [])
      if (known.startsWith(`${path}/`)) this.#added.delete(known);
    const entry = await entryOf({ header, kind, body, added: this.#added });
    this.#heldBytes += entryBytes + (entry.kind === "file" ? entry.bytes.length : 0);
    if (this.#heldBytes > allFilesBytes) throw tooMuch();
    this.#added.set(path, entry);
  }

  #removes(path: string): boolean {
    if (this.#replaced.has(path) || this.#emptied.has("")) return true;
    for (let at = path.length; at > 0; at = path.lastIndexOf("/", at - 1)) {
      if (this.#gone.has(path.slice(0, at))) return true;
      if (at < path.length && this.#emptied.has(path.slice(0, at))) return true;
    }
    return false;
  }
}

/** What an entry costs beside its bytes. */
const entryBytes = 500;

function tooMuch(): Failure {
  return new Failure("too_large", `Cannot read the image: its package databases have over ${allFilesBytes} bytes`);
}

interface Found {
  readonly header: TarHeader;
  readonly kind: "file" | "marker" | "above";
  readonly body: () => AsyncGenerator<Buffer>;
  readonly added: ReadonlyMap<string, ImageEntry>;
}

async function entryOf({ header, kind, body, added }: Found): Promise<ImageEntry> {
  if (header.kind === "symlink") return { kind: "link", target: header.link };
  // A hard link may name what came before it in the same layer; another has no bytes that we know.
  if (header.kind === "hardlink") return added.get(plainPath(header.link)) ?? { kind: "other" };
  if (header.kind !== "file" || kind === "above") return { kind: "other" };
  if (kind === "marker") return { kind: "marker" };
  if (header.sizeBytes > fileBytes)
    throw new Failure("too_large", `Cannot read the image: "${header.path}" is larger than ${fileBytes} bytes`);
  const chunks: Buffer[] = [];
  for await (const chunk of body()) chunks.push(Buffer.from(chunk));
  return { kind: "file", bytes: Buffer.concat(chunks) };
}

/** A path of an archive without detours; what leads out of the image is inside it for us, as it is for clients. */
function plainPath(path: string): string {
  const isPlain = !path.includes("//") && !/(?:^|\/)\.{1,2}(?:\/|$)/.test(path) && !path.startsWith("/");
  return isPlain ? path : posix.join("/", path).slice(1).replace(/\/+$/, "");
}
