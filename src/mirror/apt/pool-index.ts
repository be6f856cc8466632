import { spawnSync } from "node:child_process";
import { open, type FileHandle } from "node:fs/promises";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { plainEnvironment } from "../../base/child.ts";
import { Failure, systemCodeOf } from "../../base/errors.ts";
import type { DerivedFile } from "../format.ts";
import { plainPath } from "./release.ts";

/** What an index of packages says of one file of the pool. */
export interface PoolEntry {
  readonly path: string;
  readonly algorithm: "sha512" | "sha256" | "sha1" | "md5";
  /** Lower-case hex. */
  readonly value: string;
  readonly sizeBytes: number;
  readonly name: string;
  /** Whole, with its epoch. */
  readonly version: string;
}

/** Compressions of indexes that can be read, in the order in which apt prefers them. */
export const readableEnds = [".zst", ".xz", ".gz", ""] as const;

/**
 * Makes the sorted list of the files that a Packages or Sources index names: `path algorithm digest size name version`.
 *
 * The list is looked into without reading it whole: see {@link findInPool}. It works at one go for as long as a second: it
 * is meant for another thread.
 *
 * @throws Failure `upstream_unreachable` where the index is damaged, `program_missing` where there is no xz
 */
export function poolIndex(document: Buffer): Uint8Array {
  const bytes = unpacked(document);
  const entries: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const blank = bytes.indexOf("\n\n", at);
    const end = blank < 0 ? bytes.length : blank;
    // As latin1 each byte of a path is one character.
    const fields = fieldsOf(bytes.toString("latin1", at, end));
    entries.push(...(fields.has("filename") ? packageEntry(fields) : sourceEntries(fields)));
    at = end + 2;
  }
  entries.sort();
  return Buffer.from(entries.length === 0 ? "" : `${entries.join("\n")}\n`, "latin1");
}

/** Finds a path in the list of {@link poolIndex} by halving: a few small reads however long it is. */
export async function findInPool(list: DerivedFile, path: string): Promise<PoolEntry | undefined> {
  await using file = await open(list.path, "r");
  const wanted = `${Buffer.from(path).toString("latin1")} `;
  let low = 0;
  let high = list.sizeBytes;
  // A line that holds the path begins in between, at `low` or behind a line break.
  while (high - low > blockBytes) {
    const middle = Math.floor((low + high) / 2);
    const text = await textAt(file, middle, Math.min(high, middle + lineBytesMax));
    const begin = text.indexOf("\n") + 1;
    if (begin === 0) break;
    if (text.slice(begin, begin + wanted.length) <= wanted) low = middle + begin;
    else high = middle + begin;
  }
  const text = `\n${await textAt(file, low, Math.min(list.sizeBytes, high + lineBytesMax))}`;
  const at = text.indexOf(`\n${wanted}`);
  return at < 0 ? undefined : readEntry(text.slice(at + 1, text.indexOf("\n", at + 1)));
}

/** What is searched at one go. */
const blockBytes = 32 * 1024;
/** No line is longer: archives keep paths short. */
const lineBytesMax = 8 * 1024;

async function textAt(file: FileHandle, from: number, until: number): Promise<string> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(until - from), 0, until - from, from);
  return buffer.toString("latin1", 0, bytesRead);
}

function readEntry(line: string): PoolEntry | undefined {
  const [path = "", algorithm = "", value = "", size = "", name = "", version = ""] = line.split(" ");
  if (algorithm !== "sha512" && algorithm !== "sha256" && algorithm !== "sha1" && algorithm !== "md5") return undefined;
  return { path, algorithm, value, sizeBytes: Number(size), name, version };
}

type Fields = ReadonlyMap<string, string>;

const packageDigests = ["sha512", "sha256", "sha1", "md5sum"] as const;

/** The strongest last. */
const sourceFields = [
  ["files", "md5"],
  ["checksums-sha1", "sha1"],
  ["checksums-sha256", "sha256"],
  ["checksums-sha512", "sha512"],
] as const;

/** The fields of a paragraph that matter here, by their names in lower case. */
function fieldsOf(paragraph: string): Fields {
  const fields = new Map<string, string>();
  for (const [, name, value] of paragraph.matchAll(wantedFields)) fields.set(name!.toLowerCase(), value!.trim());
  return fields;
}

const wantedFields = new RegExp(
  `^(${["package", "version", "filename", "size", "directory", ...packageDigests, ...sourceFields.map(([name]) => name)].join("|")}):([^\\n]*(?:\\n[ \\t][^\\n]*)*)`,
  "gim",
);

function packageEntry(field: Fields): string[] {
  const path = plainPath(field.get("filename") ?? "");
  const digest = packageDigests.find((name) => field.has(name));
  if (path === "" || digest === undefined) return [];
  const algorithm = digest === "md5sum" ? "md5" : digest;
  return entryLine(path, { algorithm, value: field.get(digest)!, size: field.get("size") ?? "", field });
}

function sourceEntries(field: Fields): string[] {
  const folder = field.get("directory") ?? "";
  const entries = new Map<string, string[]>();
  for (const [name, algorithm] of sourceFields) {
    for (const line of (field.get(name) ?? "").split("\n")) {
      const [value = "", size = "", fileName = ""] = line.trim().split(/\s+/);
      if (fileName === "") continue;
      const path = plainPath(`${folder}/${fileName}`);
      entries.set(path, entryLine(path, { algorithm, value, size, field }));
    }
  }
  return [...entries.values()].flat();
}

interface EntryParts {
  readonly algorithm: PoolEntry["algorithm"];
  readonly value: string;
  readonly size: string;
  readonly field: Fields;
}

/** A line of the list; none where a part has a space in it, which the format of archives does not know. */
function entryLine(path: string, { algorithm, value, size, field }: EntryParts): string[] {
  const parts = [path, algorithm, value.toLowerCase(), size, field.get("package") ?? "", field.get("version") ?? ""];
  const line = parts.join(" ");
  const isWhole = parts.every((part) => /^\S+$/.test(part)) && /^[0-9a-f]+$/.test(parts[2]!);
  return isWhole && line.length < lineBytesMax ? [line] : [];
}

/** No index unpacks to more than this; the largest of today is a tenth of it. */
const unpackedBytesMax = 768 * 1024 * 1024;

/** Unpacks an index by its first bytes: what is asked for by its digest has no name. */
function unpacked(document: Buffer): Buffer {
  const magic = document.toString("hex", 0, 6);
  try {
    if (magic === "fd377a585a00") return throughXz(document);
    if (magic.startsWith("1f8b")) return gunzipSync(document, { maxOutputLength: unpackedBytesMax });
    if (magic.startsWith("28b52ffd")) return zstdDecompressSync(document, { maxOutputLength: unpackedBytesMax });
    return document;
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    throw new Failure("upstream_unreachable", "Cannot read the package index: its compression is damaged", { cause });
  }
}

/** xz is a program of its own: Node has no decoder for it. */
function throughXz(document: Buffer): Buffer {
  const { status, stdout, error } = spawnSync(
    "xz",
    ["--decompress", "--stdout", "--format=xz", "--memlimit-decompress=512MiB"],
    { env: plainEnvironment, input: document, maxBuffer: unpackedBytesMax, stdio: ["pipe", "pipe", "ignore"] },
  );
  if (systemCodeOf(error) === "ENOENT")
    throw new Failure("program_missing", 'Cannot find the program "xz"', {
      hint: "Install the package xz-utils: the mirror reads package indexes with it",
      cause: error,
    });
  if (status !== 0 || error !== undefined) throw error ?? new Error("xz ended with a failure");
  return stdout;
}
