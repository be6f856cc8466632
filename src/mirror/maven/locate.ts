import type { Claim, DocumentAsk, FileAsk, Location, UpstreamReader } from "../format.ts";
import { type ChecksumName, encodePath, readPath } from "./layout.ts";

const hexDigits: Readonly<Record<ChecksumName, number>> = { sha512: 128, sha256: 64, sha1: 40, md5: 32 };

/**
 * Where an upstream keeps something: under the same path. An artifact that never changes comes with the checksum that
 * the upstream has beside it.
 *
 * Every repository has SHA-1, which clients ask for anyway; SHA-256 goes before it. SHA-512 and MD5 are only asked for
 * where neither is there: each question counts in the limits of public repositories.
 */
export async function locate(ask: FileAsk | DocumentAsk, reader: UpstreamReader): Promise<Location> {
  if (ask.kind === "document") return { url: encodePath(ask.source) };
  const url = encodePath(ask.key);
  const found = readPath(url);
  // A signature can be checked by its key; its checksums, where there are any, say nothing more.
  if (ask.lifetime !== "immutable" || found?.checksum !== undefined || ask.key.endsWith(".asc")) return { url };
  const read = async (name: ChecksumName): Promise<Claim | undefined> => {
    const bytes = await reader.read(`${ask.key}.${name}`);
    const value = bytes === undefined ? undefined : readChecksum(bytes, name);
    return value === undefined ? undefined : { algorithm: name, value };
  };
  const [sha256, sha1] = await Promise.all([read("sha256"), read("sha1")]);
  const claim = sha256 ?? sha1 ?? (await read("sha512")) ?? (await read("md5"));
  return claim === undefined ? { url } : { url, claim };
}

/**
 * Reads a checksum file: bare hex, or hex with the name of the file after or before it, as older tools wrote it.
 *
 * @returns lower-case hex; undefined where it is none
 */
export function readChecksum(bytes: Uint8Array, name: ChecksumName): string | undefined {
  if (bytes.length > 4096) return undefined;
  const words = Buffer.from(bytes)
    .toString("latin1")
    .trim()
    .split(/[\s=]+/);
  const form = new RegExp(`^[0-9a-fA-F]{${hexDigits[name]}}$`);
  return [words[0], words.at(-1)].find((word) => word !== undefined && form.test(word))?.toLowerCase();
}
