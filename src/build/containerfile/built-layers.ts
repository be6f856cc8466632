import { createReadStream } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { limits } from "../../base/limits.ts";
import { readTar, type TarHeader } from "../../base/tar.ts";
import type { BlobStore } from "../../store/blobs.ts";
import { putLayer, type Compression, type Layer, type LayerEntry } from "../layers/layer.ts";
import { normaliseContent } from "../layers/normalise.ts";
import { canonicalKeystore } from "./java-keystore.ts";
import { isWhiteout, leftOutReason } from "./left-out.ts";

interface BuiltLayerInput {
  /** What GNU tar read of the overlay's folder of one layer. */
  readonly tar: string;
  readonly epochSeconds: number;
  /** Paths, without a slash at their beginning, where files of the build were shown over the image's own. */
  readonly mountPoints: readonly string[];
  /** Bytes that must not be found in any file. */
  readonly forbidden: Buffer;
  readonly compression: Compression;
  readonly createdBy: string;
  readonly blobs: BlobStore;
  readonly signal: AbortSignal;
}

/** A normalised layer, and what must be said of it. */
interface BuiltLayer {
  /** Undefined where nothing of it is left. */
  readonly layer: Layer | undefined;
  /** Paths of files that hold what is forbidden. */
  readonly traces: readonly string[];
}

/**
 * Writes what one instruction made as a layer of ours: the same on every machine, day and account.
 *
 * Times are clamped, never set, and the times inside Python's bytecode with them; what differs from build to build is
 * left out or made equal; an overlay's marks become those of OCI.
 */
export async function builtLayer(input: BuiltLayerInput): Promise<BuiltLayer> {
  const file = await open(input.tar);
  try {
    return await layerOf(input, openWindow(file));
  } finally {
    await file.close();
  }
}

async function layerOf(input: BuiltLayerInput, bytes: Bytes): Promise<BuiltLayer> {
  const { tar, epochSeconds, compression, createdBy, blobs, signal } = input;
  const entries = new Map<string, LayerEntry>();
  const traces: string[] = [];
  const source = createReadStream(tar, { highWaterMark: limits.chunkBytes });
  for await (const { header, body, bodyOffset } of readTar(source)) {
    if (header.path === "" || leftOutReason(header) !== undefined || isMountPoint(header, input)) continue;
    const seen = await look(body(), header, input.forbidden);
    if (seen.isTrace) traces.push(header.path);
    const content = changed(header, seen.content, epochSeconds);
    for (const entry of entriesOf(header, { bytes, bodyOffset, content, epochSeconds }))
      entries.set(entry.header.path, entry);
  }
  dropLooseEnds(entries, input.mountPoints);
  if (entries.size === 0) return { layer: undefined, traces };
  const layer = await putLayer({ entries: [...entries.values()], compression, createdBy, blobs, signal });
  return { layer, traces };
}

/** An empty file that was only there to be mounted over. */
function isMountPoint({ path, kind, sizeBytes }: TarHeader, { mountPoints }: BuiltLayerInput): boolean {
  return kind === "file" && sizeBytes === 0 && mountPoints.includes(path);
}

/** Folders that every system has. */
const standing: ReadonlySet<string> = new Set(["etc", "root", "run", "usr", "var"]);

/** Folders made for mount points, and hard links to what was left out. */
function dropLooseEnds(entries: Map<string, LayerEntry>, mountPoints: readonly string[]): void {
  for (const [path, { header }] of entries)
    if (header.kind === "hardlink" && !entries.has(header.link)) entries.delete(path);
  for (const point of mountPoints)
    for (let folder = dirname(point); folder !== "."; folder = dirname(folder)) {
      const isEmpty = ![...entries.keys()].some((path) => path.startsWith(`${folder}/`));
      if (isEmpty && !standing.has(folder)) entries.delete(folder);
    }
}

/** Files that are looked into are small; of bytecode the head says enough. */
const contentForm =
  /^etc\/(?:shadow|machine-id)$|^var\/lib\/dpkg\/(?:status$|triggers\/)|^etc\/ssl\/certs\/java\/cacerts$|\.jks$/;
const bytecodeForm = /\.pyc$/;
const bytecodeHead = 16;

interface Seen {
  readonly isTrace: boolean;
  /** All of it, or the head, where its bytes may have to change. */
  readonly content: Buffer | undefined;
}

async function look(body: AsyncIterable<Buffer>, { path, sizeBytes }: TarHeader, forbidden: Buffer): Promise<Seen> {
  const isWanted = contentForm.test(path) && sizeBytes <= limits.recipeFileBytes;
  const kept: Buffer[] = [];
  let isTrace = false;
  let tail = Buffer.alloc(0);
  for await (const chunk of body) {
    if (isWanted || (bytecodeForm.test(path) && kept.length === 0)) kept.push(Buffer.from(chunk));
    isTrace ||=
      Buffer.concat([tail, chunk.subarray(0, forbidden.length)]).includes(forbidden) || chunk.includes(forbidden);
    tail = Buffer.from(chunk.subarray(Math.max(0, chunk.length - forbidden.length)));
  }
  const content = kept.length === 0 ? undefined : Buffer.concat(kept);
  return { isTrace, content: isWanted ? (content ?? Buffer.alloc(0)) : content?.subarray(0, bytecodeHead) };
}

/** Bytes that take the place of the first ones of a file. */
interface Change {
  readonly head: Buffer;
  /** How many bytes of the file they replace. */
  readonly replaced: number;
}

function changed(
  { path, kind, sizeBytes }: TarHeader,
  content: Buffer | undefined,
  epochSeconds: number,
): Change | undefined {
  if (kind !== "file" || content === undefined) return undefined;
  if (bytecodeForm.test(path)) {
    const head = clampedBytecode(content, epochSeconds);
    return head === undefined ? undefined : { head, replaced: head.length };
  }
  const canonical =
    path === "etc/shadow"
      ? clampedDays(content, epochSeconds)
      : (canonicalKeystore(content, epochSeconds) ?? normaliseContent(path, content, epochSeconds));
  return canonical.equals(content) ? undefined : { head: canonical, replaced: sizeBytes };
}

/**
 * Bytecode that is checked by the time of its source tells that time: it is clamped as the source's is.
 *
 * Source: PEP 552, "Specification".
 */
function clampedBytecode(head: Buffer, epochSeconds: number): Buffer | undefined {
  if (head.length < bytecodeHead || head.readUInt32LE(4) !== 0 || head.readUInt32LE(8) <= epochSeconds)
    return undefined;
  const clamped = Buffer.from(head);
  clamped.writeUInt32LE(epochSeconds, 8);
  return clamped;
}

const secondsPerDay = 86_400;

/** The day of a password's last change is never later than the lock's. Source: shadow(5). */
function clampedDays(content: Buffer, epochSeconds: number): Buffer {
  const last = Math.floor(epochSeconds / secondsPerDay);
  const lines = content
    .toString("latin1")
    .split("\n")
    .map((line) => {
      const fields = line.split(":");
      if (fields.length < 3 || fields[2] === "" || Number(fields[2]) <= last) return line;
      fields[2] = String(last);
      return fields.join(":");
    });
  return Buffer.from(lines.join("\n"), "latin1");
}

/** Reads from one place of a file up to another. */
type Bytes = (start: number, end: number) => AsyncGenerator<Buffer>;

const windowBytes = 1024 * 1024;

/** Entries go into the layer nearly in the archive's order: a piece of it serves many small files. */
function openWindow(file: FileHandle): Bytes {
  let window = Buffer.alloc(0);
  let from = 0;
  return async function* (start, end) {
    for (let at = start; at < end;) {
      if (at < from || at >= from + window.length) {
        const fresh = Buffer.allocUnsafe(windowBytes);
        const { bytesRead } = await file.read(fresh, 0, windowBytes, at);
        if (bytesRead === 0) throw new Error("the archive of a layer became shorter");
        window = fresh.subarray(0, bytesRead);
        from = at;
      }
      const piece = window.subarray(at - from, end - from);
      at += piece.length;
      yield piece;
    }
  };
}

interface Body {
  readonly bytes: Bytes;
  readonly bodyOffset: number;
  readonly content: Change | undefined;
  readonly epochSeconds: number;
}

/** Source: OCI image spec, layer.md "Whiteouts". */
function entriesOf(header: TarHeader, { bytes, bodyOffset, content, epochSeconds }: Body): LayerEntry[] {
  if (isWhiteout(header))
    return [{ header: mark(`${parentOf(header.path)}.wh.${header.path.slice(parentOf(header.path).length)}`) }];
  const isOpaque = Object.entries(header.xattrs).some(
    ([name, value]) => name.endsWith("overlay.opaque") && value.startsWith("y"),
  );
  const xattrs = Object.fromEntries(
    Object.entries(header.xattrs).filter(([name]) => !name.includes("overlay.") && name !== "security.selinux"),
  );
  const sizeBytes =
    content === undefined ? header.sizeBytes : header.sizeBytes - content.replaced + content.head.length;
  const clean: TarHeader = {
    ...header,
    link: header.kind === "hardlink" ? header.link.replace(/^\.?\/+/, "") : header.link,
    mtimeSeconds: Math.min(header.mtimeSeconds, epochSeconds),
    sizeBytes,
    xattrs,
  };
  const entry: LayerEntry = {
    header: clean,
    content: async function* () {
      if (content !== undefined) yield content.head;
      yield* bytes(bodyOffset + (content?.replaced ?? 0), bodyOffset + header.sizeBytes);
    },
  };
  return isOpaque ? [entry, { header: mark(`${header.path}/.wh..wh..opq`) }] : [entry];
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/") + 1);
}

function mark(path: string): TarHeader {
  const none = { uid: 0, gid: 0, mtimeSeconds: 0, sizeBytes: 0, link: "", deviceMajor: 0, deviceMinor: 0, xattrs: {} };
  return { path, kind: "file", mode: 0o644, ...none };
}
