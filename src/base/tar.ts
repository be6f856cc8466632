import { Failure } from "./errors.ts";
import { limits } from "./limits.ts";

/** What an entry of a tar archive is. */
export type TarKind = "file" | "folder" | "symlink" | "hardlink" | "character" | "block" | "fifo";

/** The header of one entry, with PAX and GNU extensions applied. */
export interface TarHeader {
  /** As in the archive, without a leading `./` or `/` and without a trailing slash; the root itself is `""`. */
  readonly path: string;
  readonly kind: TarKind;
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Whole seconds since 1970. */
  readonly mtimeSeconds: number;
  /** Bytes of content; 0 unless a file. */
  readonly sizeBytes: number;
  /** Target of a symbolic or hard link. */
  readonly link: string;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  /** Extended attributes by name, values as raw bytes in latin1. */
  readonly xattrs: Readonly<Record<string, string>>;
}

/** One entry while it is read; its body must be consumed or skipped before the next entry. */
interface TarEntry {
  readonly header: TarHeader;
  /** Where its body begins in the archive, in bytes. */
  readonly bodyOffset: number;
  body(): AsyncGenerator<Buffer>;
}

const kinds: Readonly<Record<string, TarKind>> = {
  "0": "file",
  "\0": "file",
  "7": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "character",
  "4": "block",
  "5": "folder",
  "6": "fifo",
};

/**
 * Reads a tar archive as a stream: ustar, PAX and GNU long names; bodies are never held in memory whole.
 *
 * @throws Failure `archive_hostile` where the archive is cut short, has a bad checksum, or passes a limit
 */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  const reader = new ByteReader(source);
  try {
    yield* entriesOf(reader);
  } finally {
    // Whoever has found what it looked for reads no further, and a file would stay open.
    await reader.close();
  }
}

async function* entriesOf(reader: ByteReader): AsyncGenerator<TarEntry> {
  let extended: Map<string, string> = new Map();
  let longName: string | undefined;
  let longLink: string | undefined;
  for (let count = 0; ;) {
    const block = await reader.exactly(512);
    if (block === undefined || block.every((byte) => byte === 0)) break;
    const raw = parseBlock(block);
    if (raw.type === "x" || raw.type === "g" || raw.type === "L" || raw.type === "K") {
      const content = await metadata(reader, raw.sizeBytes);
      if (raw.type === "x") extended = parsePax(content);
      else if (raw.type === "L") longName = cString(content);
      else if (raw.type === "K") longLink = cString(content);
      continue;
    }
    if (++count > limits.archiveEntries) throw hostile(`more than ${limits.archiveEntries} entries`);
    const header = makeHeader(raw, { extended, longName, longLink });
    extended = new Map();
    longName = longLink = undefined;
    let unread = header.sizeBytes;
    yield {
      header,
      bodyOffset: reader.position,
      async *body() {
        while (unread > 0) {
          const chunk = await reader.atMost(Math.min(unread, limits.chunkBytes));
          unread -= chunk.length;
          yield chunk;
        }
      },
    };
    await reader.skip(unread + padding(header.sizeBytes));
  }
  await reader.drain();
}

function hostile(state: string): Failure {
  return new Failure("archive_hostile", `Cannot read the tar archive: ${state}`, {
    hint: "Fetch the archive again; if it comes back the same, its maker must repair it",
  });
}

interface RawBlock {
  readonly type: string;
  readonly sizeBytes: number;
  readonly block: Buffer;
}

function parseBlock(block: Buffer): RawBlock {
  let sum = 8 * 32;
  for (let at = 0; at < 512; at++) if (at < 148 || at >= 156) sum += block[at]!;
  if (number(block, 148, 8) !== sum) throw hostile("a header has a wrong checksum");
  return { type: String.fromCharCode(block[156]!), sizeBytes: number(block, 124, 12), block };
}

async function metadata(reader: ByteReader, sizeBytes: number): Promise<Buffer> {
  if (sizeBytes > 1024 * 1024) throw hostile("an extended header is larger than 1 MiB");
  const content = await reader.exactly(sizeBytes);
  if (content === undefined) throw hostile("it is cut short");
  await reader.skip(padding(sizeBytes));
  return content;
}

interface Extensions {
  readonly extended: ReadonlyMap<string, string>;
  readonly longName: string | undefined;
  readonly longLink: string | undefined;
}

function makeHeader({ type, sizeBytes, block }: RawBlock, { extended, longName, longLink }: Extensions): TarHeader {
  const kind = kinds[type];
  if (kind === undefined) throw hostile(`an entry has the unknown type "${type}"`);
  const isUstar = block.toString("latin1", 257, 262) === "ustar";
  const prefix = isUstar && block.toString("latin1", 257, 263) === "ustar\0" ? cString(block.subarray(345, 500)) : "";
  const shortName = cString(block.subarray(0, 100));
  const name = extended.get("path") ?? longName ?? (prefix === "" ? shortName : `${prefix}/${shortName}`);
  const size = Number(extended.get("size") ?? sizeBytes);
  if (!Number.isSafeInteger(size) || size < 0) throw hostile("an entry has an impossible size");
  if (Buffer.byteLength(name) > limits.pathBytes) throw hostile(`a path is longer than ${limits.pathBytes} bytes`);
  const xattrs: Record<string, string> = {};
  for (const [key, value] of extended) if (key.startsWith("SCHILY.xattr.")) xattrs[key.slice(13)] = value;
  return {
    path: name.replace(/^(?:\.?\/+)+|^\.$/, "").replace(/\/+$/, ""),
    kind: kind === "file" && name.endsWith("/") ? "folder" : kind,
    mode: number(block, 100, 8) & 0o7777,
    uid: Number(extended.get("uid") ?? number(block, 108, 8)),
    gid: Number(extended.get("gid") ?? number(block, 116, 8)),
    mtimeSeconds: Math.floor(Number(extended.get("mtime") ?? number(block, 136, 12))),
    sizeBytes: kind === "file" ? size : 0,
    link:
      kind === "symlink" || kind === "hardlink"
        ? (extended.get("linkpath") ?? longLink ?? cString(block.subarray(157, 257)))
        : "",
    deviceMajor: kind === "character" || kind === "block" ? number(block, 329, 8) : 0,
    deviceMinor: kind === "character" || kind === "block" ? number(block, 337, 8) : 0,
    xattrs,
  };
}

/** Octal digits, or a base-256 number where the first bit is set (GNU). */
function number(block: Buffer, at: number, length: number): number {
  if ((block[at]! & 0x80) !== 0) {
    let value = block[at]! & 0x7f;
    for (let i = 1; i < length; i++) value = value * 256 + block[at + i]!;
    return value;
  }
  const digits = block
    .toString("latin1", at, at + length)
    .replace(/[\0 ]+$/, "")
    .trim();
  if (!/^[0-7]*$/.test(digits)) throw hostile("a header holds a number that is not octal");
  return digits === "" ? 0 : Number.parseInt(digits, 8);
}

function cString(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString("utf8", 0, end < 0 ? bytes.length : end);
}

/** PAX records: `length key=value\n`. Source: POSIX pax, "pax Extended Header". */
function parsePax(content: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < content.length;) {
    const space = content.indexOf(0x20, at);
    const length = Number(content.toString("latin1", at, space));
    const equals = content.indexOf(0x3d, space);
    if (space < 0 || equals < 0 || !Number.isInteger(length) || length <= 0 || at + length > content.length)
      throw hostile("a PAX header is malformed");
    const key = content.toString("utf8", space + 1, equals);
    const encoding = key.startsWith("SCHILY.xattr.") ? "latin1" : "utf8";
    records.set(key, content.toString(encoding, equals + 1, at + length - 1));
    at += length;
  }
  return records;
}

/** Zero bytes after a body of this size up to the next block. */
export function padding(sizeBytes: number): number {
  return (512 - (sizeBytes % 512)) % 512;
}

/** Takes counted bytes off a stream of chunks. */
class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Buffer = Buffer.alloc(0);
  /** Bytes taken so far. */
  position = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #fill(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const next = await this.#chunks.next();
      if (next.done === true) return false;
      this.#rest = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
    }
    return true;
  }

  async atMost(count: number): Promise<Buffer> {
    if (!(await this.#fill())) throw hostile("it is cut short");
    const taken = this.#rest.subarray(0, count);
    this.#rest = this.#rest.subarray(taken.length);
    this.position += taken.length;
    return taken;
  }

  /** Exactly so many bytes, or undefined at a clean end. */
  async exactly(count: number): Promise<Buffer | undefined> {
    if (count === 0) return Buffer.alloc(0);
    if (!(await this.#fill())) return undefined;
    if (this.#rest.length >= count) return this.atMost(count);
    const parts: Buffer[] = [];
    for (let missing = count; missing > 0;) {
      const part = await this.atMost(missing);
      parts.push(part);
      missing -= part.length;
    }
    return Buffer.concat(parts);
  }

  async skip(count: number): Promise<void> {
    for (let missing = count; missing > 0;) missing -= (await this.atMost(missing)).length;
  }

  async drain(): Promise<void> {
    while ((await this.#fill()) && this.#rest.length > 0) this.#rest = Buffer.alloc(0);
  }
}
