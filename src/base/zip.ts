import { open, type FileHandle } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { crc32, createInflateRaw, inflateRawSync } from "node:zlib";
import { Failure, messageOf } from "./errors.ts";
import { limits } from "./limits.ts";

/** A file inside a zip archive. */
interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly flags: number;
  readonly crc: number;
  readonly packedBytes: number;
  readonly sizeBytes: number;
  readonly offset: number;
}

/** Bounds of an archive: what its directory may take in memory, and what one entry and all of them may unpack to. */
export interface ZipLimits {
  readonly directoryBytes: number;
  readonly entryBytes: number;
  readonly totalBytes: number;
}

/**
 * Reads the files of a zip archive one after another in the order of their bytes, one in memory at a time.
 *
 * Stored and deflated entries, ZIP64, checksums verified; folders are passed over.
 * Source: PKWARE APPNOTE 6.3.10 sections 4.3 and 4.5.3.
 *
 * @throws Failure `archive_hostile` where it is damaged, encrypted, overlaps itself or goes over a limit
 */
export async function* readZip(path: string, bounds: ZipLimits): AsyncGenerator<{ name: string; bytes: Buffer }> {
  for await (const { entry, start, window } of placedEntries(path, bounds, { keepsFolders: false }))
    yield { name: entry.name, bytes: unpack(path, entry, await window(start, entry.packedBytes)) };
}

/**
 * Reads the files of a zip archive as {@link readZip} does, each in pieces of about 1 MiB: memory stays small however large they are.
 *
 * The pieces of a file are read, or left, before the next file is asked for. Folders come as empty files with a slash at the end of their name.
 *
 * @throws Failure as {@link readZip}, for a wrong checksum after the last piece
 */
export async function* readZipPieces(
  path: string,
  bounds: ZipLimits,
): AsyncGenerator<{ name: string; sizeBytes: number; pieces: AsyncIterable<Buffer> }> {
  for await (const place of placedEntries(path, bounds, { keepsFolders: true }))
    yield { name: place.entry.name, sizeBytes: place.entry.sizeBytes, pieces: unpackPieces(path, place) };
}

/** An entry and where its packed bytes begin. */
interface PlacedEntry {
  readonly entry: ZipEntry;
  readonly start: number;
  readonly window: ReturnType<typeof slidingWindow>;
}

/** The files of an archive by their place, within its bounds and none inside another. */
async function* placedEntries(
  path: string,
  bounds: ZipLimits,
  { keepsFolders }: { keepsFolders: boolean },
): AsyncGenerator<PlacedEntry> {
  const handle = await open(path, "r");
  try {
    const { size } = await handle.stat();
    const entries = await readDirectory({ handle, path, size, bounds });
    let totalBytes = 0;
    let floor = 0;
    const window = slidingWindow(handle, size);
    for (const entry of entries.sort((a, b) => a.offset - b.offset)) {
      if (entry.name.endsWith("/") && !keepsFolders) continue;
      totalBytes += entry.sizeBytes;
      if (Math.max(entry.sizeBytes, entry.packedBytes) > bounds.entryBytes || totalBytes > bounds.totalBytes)
        throw hostile(path, `"${entry.name}" goes over the size limit`);
      if (entry.offset < floor) throw hostile(path, `"${entry.name}" overlaps the entry before it`);
      const header = await window(entry.offset, 30);
      if (header.length < 30 || header.readUInt32LE(0) !== 0x04034b50)
        throw hostile(path, `"${entry.name}" has no local header`);
      const start = entry.offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
      floor = start + entry.packedBytes;
      yield { entry, start, window };
    }
  } finally {
    await handle.close();
  }
}

/** Small files at once, large ones through a stream. */
async function* unpackPieces(path: string, { entry, start, window }: PlacedEntry): AsyncGenerator<Buffer> {
  if (Math.max(entry.sizeBytes, entry.packedBytes) <= limits.chunkBytes) {
    yield unpack(path, entry, await window(start, entry.packedBytes));
    return;
  }
  refuseEncrypted(path, entry);
  if (entry.method !== 0 && entry.method !== 8)
    throw hostile(path, `"${entry.name}" has the unknown compression ${entry.method}`);
  const packed = packedPieces(path, { entry, start, window });
  let sizeBytes = 0;
  let crc = 0;
  for await (const piece of entry.method === 0 ? packed : inflatePieces(path, entry, packed)) {
    sizeBytes += piece.length;
    if (sizeBytes > entry.sizeBytes) break;
    crc = crc32(piece, crc);
    yield piece;
  }
  if (sizeBytes !== entry.sizeBytes || crc !== entry.crc)
    throw hostile(path, `"${entry.name}" does not have its checksum`);
}

async function* packedPieces(path: string, { entry, start, window }: PlacedEntry): AsyncGenerator<Buffer> {
  for (let at = 0; at < entry.packedBytes; at += limits.chunkBytes) {
    const length = Math.min(limits.chunkBytes, entry.packedBytes - at);
    const piece = Buffer.from(await window(start + at, length));
    if (piece.length !== length) throw hostile(path, `"${entry.name}" is cut off`);
    yield piece;
  }
}

async function* inflatePieces(path: string, entry: ZipEntry, packed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const unpacking = createInflateRaw({ chunkSize: limits.chunkBytes });
  const feeding = pipeline(packed, unpacking);
  // What goes wrong shows itself to the reader below; unread, it must not end the program.
  feeding.catch(() => undefined);
  try {
    for await (const piece of unpacking) yield piece as Buffer;
  } catch (error) {
    throw error instanceof Failure ? error : hostile(path, `"${entry.name}" cannot be unpacked: ${messageOf(error)}`);
  }
}

function refuseEncrypted(path: string, entry: ZipEntry): void {
  if ((entry.flags & 1) !== 0) throw hostile(path, `"${entry.name}" is encrypted`);
}

function unpack(path: string, entry: ZipEntry, packed: Buffer): Buffer {
  refuseEncrypted(path, entry);
  if (packed.length !== entry.packedBytes) throw hostile(path, `"${entry.name}" is cut off`);
  const bytes =
    entry.method === 0 ? Buffer.from(packed) : entry.method === 8 ? inflate(path, entry, packed) : undefined;
  if (bytes === undefined) throw hostile(path, `"${entry.name}" has the unknown compression ${entry.method}`);
  if (bytes.length !== entry.sizeBytes || crc32(bytes) !== entry.crc)
    throw hostile(path, `"${entry.name}" does not have its checksum`);
  return bytes;
}

function inflate(path: string, entry: ZipEntry, packed: Buffer): Buffer {
  try {
    // The default chunk of 16 KiB for each of 40,000 small records would cost hundreds of megabytes until they are collected.
    return inflateRawSync(packed, {
      maxOutputLength: Math.max(1, entry.sizeBytes),
      chunkSize: Math.max(64, entry.sizeBytes),
    });
  } catch (error) {
    throw hostile(path, `"${entry.name}" cannot be unpacked: ${messageOf(error)}`);
  }
}

interface Archive {
  readonly handle: FileHandle;
  readonly path: string;
  readonly size: number;
  readonly bounds: ZipLimits;
}

async function readDirectory(archive: Archive): Promise<ZipEntry[]> {
  const { path, bounds } = archive;
  const { offset, sizeBytes, count } = await findDirectory(archive);
  if (sizeBytes > bounds.directoryBytes) throw hostile(path, "its directory goes over the size limit");
  if (offset + sizeBytes > archive.size || count * 46 > sizeBytes) throw hostile(path, "its directory is cut off");
  const directory = await readAt(archive.handle, offset, sizeBytes);
  const entries: ZipEntry[] = [];
  for (let at = 0; entries.length < count;) {
    if (at + 46 > directory.length || directory.readUInt32LE(at) !== 0x02014b50)
      throw hostile(path, "its directory is damaged");
    const nameEnd = at + 46 + directory.readUInt16LE(at + 28);
    const extraEnd = nameEnd + directory.readUInt16LE(at + 30);
    entries.push(directoryEntry(directory.subarray(at, extraEnd), nameEnd - at));
    at = extraEnd + directory.readUInt16LE(at + 32);
  }
  return entries;
}

function directoryEntry(record: Buffer, nameEnd: number): ZipEntry {
  const wide = wideNumbers(record, nameEnd);
  const sizeBytes = wide(record.readUInt32LE(24));
  const packedBytes = wide(record.readUInt32LE(20));
  const offset = wide(record.readUInt32LE(42));
  return {
    name: record.toString("utf8", 46, Math.min(nameEnd, record.length)),
    flags: record.readUInt16LE(8),
    method: record.readUInt16LE(10),
    crc: record.readUInt32LE(16),
    packedBytes,
    sizeBytes,
    offset,
  };
}

/** Gives the next 64-bit number of the ZIP64 extra field for each 32-bit one that is full. */
function wideNumbers(record: Buffer, extraStart: number): (narrow: number) => number {
  let next = record.length;
  let end = record.length;
  for (let at = extraStart; at + 4 <= record.length; at += 4 + record.readUInt16LE(at + 2)) {
    if (record.readUInt16LE(at) !== 1) continue;
    next = at + 4;
    end = Math.min(record.length, next + record.readUInt16LE(at + 2));
    break;
  }
  return (narrow) => {
    if (narrow !== 0xffff_ffff || next + 8 > end) return narrow;
    next += 8;
    return Number(record.readBigUInt64LE(next - 8));
  };
}

async function findDirectory({
  handle,
  path,
  size,
}: Archive): Promise<{ offset: number; sizeBytes: number; count: number }> {
  const tailStart = Math.max(0, size - 22 - 0xffff);
  const tail = await readAt(handle, tailStart, size - tailStart);
  const at = tail.lastIndexOf(Buffer.from("PK\x05\x06", "latin1"));
  if (at < 0 || at + 22 > tail.length) throw hostile(path, "it is no zip archive");
  const narrow = {
    count: tail.readUInt16LE(at + 10),
    sizeBytes: tail.readUInt32LE(at + 12),
    offset: tail.readUInt32LE(at + 16),
  };
  const locator = at - 20;
  if (locator < 0 || tail.readUInt32LE(locator) !== 0x07064b50) return narrow;
  const wide = await readAt(handle, Number(tail.readBigUInt64LE(locator + 8)), 56);
  if (wide.length < 56 || wide.readUInt32LE(0) !== 0x06064b50) throw hostile(path, "its ZIP64 record is damaged");
  return {
    count: Number(wide.readBigUInt64LE(32)),
    sizeBytes: Number(wide.readBigUInt64LE(40)),
    offset: Number(wide.readBigUInt64LE(48)),
  };
}

/**
 * Reads ranges that mostly follow one another from 1 MiB pieces: two small reads an entry would cost more than unpacking it.
 *
 * What it gives is overwritten by the next call.
 */
function slidingWindow(handle: FileHandle, size: number): (offset: number, length: number) => Promise<Buffer> {
  const chunk = Buffer.allocUnsafe(limits.chunkBytes);
  let start = 0;
  let piece: Buffer = Buffer.alloc(0);
  return async (offset, length) => {
    if (offset < start || offset + length > start + piece.length) {
      const available = Math.max(0, size - offset);
      start = offset;
      piece =
        length > chunk.length
          ? await readAt(handle, offset, Math.min(length, available))
          : await fill(handle, offset, chunk.subarray(0, available));
    }
    return piece.subarray(offset - start, offset - start + length);
  };
}

/** Fewer bytes than asked for come back at the end of the file, and none beyond it. */
async function readAt(handle: FileHandle, offset: number, length: number): Promise<Buffer> {
  if (!Number.isSafeInteger(offset) || length <= 0) return Buffer.alloc(0);
  return await fill(handle, offset, Buffer.alloc(length));
}

async function fill(handle: FileHandle, offset: number, target: Buffer): Promise<Buffer> {
  let filled = 0;
  while (filled < target.length) {
    const { bytesRead } = await handle.read(target, filled, target.length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return target.subarray(0, filled);
}

function hostile(path: string, state: string): Failure {
  return new Failure("archive_hostile", `Cannot read the zip archive "${path}": ${state}`);
}
