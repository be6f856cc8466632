import { createHash } from "node:crypto";
import { open, readFile, stat } from "node:fs/promises";
import { sha256Hex } from "../../base/hash.ts";
import { Failure } from "../../base/errors.ts";
import { readZipPieces, type ZipLimits } from "../../base/zip.ts";

/** What a module may take. Source: golang.org/x/mod/zip, MaxZipFile, MaxGoMod; the toolchain's modules keep to it too. */
export const moduleLimits = { zipBytes: 500 * 1024 * 1024, goModBytes: 16 * 1024 * 1024 } as const;

const zipBounds: ZipLimits = {
  directoryBytes: 64 * 1024 * 1024,
  entryBytes: moduleLimits.zipBytes,
  totalBytes: moduleLimits.zipBytes,
};

/**
 * Go's hash of a stored file: of the listing of a module's zip, or of a `go.mod`, which never begins as a zip does.
 *
 * @returns base64, without the `h1:` before it
 * @throws Failure `digest_mismatch` where it is no sound zip within a module's limits: it can have no such hash
 */
export async function h1OfFile(path: string): Promise<string> {
  try {
    return (await beginsAsZip(path)) ? await zipHash(path) : await goModHash(path);
  } catch (error) {
    if (!(error instanceof Failure) || !["archive_hostile", "too_large"].includes(error.code)) throw error;
    const state = error.message.slice(error.message.indexOf(path) + path.length + '": '.length);
    throw new Failure("digest_mismatch", `Cannot take the module: ${state}`, { cause: error });
  }
}

/**
 * The hash that `go.sum` has of a module's zip: SHA-256 of the sorted lines "SHA-256 of the file, two spaces, its name".
 *
 * Source: golang.org/x/mod/sumdb/dirhash, HashZip with Hash1.
 *
 * @param onFile is shown each file; it may read the pieces that it is given, which are hashed all the same
 * @returns base64, without the `h1:` before it
 * @throws Failure `archive_hostile`
 */
export async function zipHash(
  path: string,
  onFile?: (name: string, bytes: Buffer | undefined) => void,
): Promise<string> {
  const lines = new Map<string, string>();
  for await (const { name, sizeBytes, pieces } of readZipPieces(path, zipBounds)) {
    if (name.includes("\n") || lines.has(name))
      throw hostile(path, `"${JSON.stringify(name)}" is in it twice or is no name`);
    const isKept = onFile !== undefined && name.endsWith("/go.mod") && sizeBytes <= moduleLimits.goModBytes;
    const kept: Buffer[] = [];
    const hash = createHash("sha256");
    for await (const piece of pieces) {
      hash.update(piece);
      if (isKept) kept.push(piece);
    }
    lines.set(name, hash.digest("hex"));
    onFile?.(name, isKept ? Buffer.concat(kept) : undefined);
  }
  return hashOfLines(lines);
}

async function beginsAsZip(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && buffer.toString("latin1") === "PK";
  } finally {
    await file.close();
  }
}

async function goModHash(path: string): Promise<string> {
  if ((await stat(path)).size > moduleLimits.goModBytes)
    throw new Failure(
      "too_large",
      `Cannot hash the go.mod "${path}": it is larger than ${moduleLimits.goModBytes} bytes`,
    );
  return hashOfLines(new Map([["go.mod", sha256Hex(await readFile(path))]]));
}

function hashOfLines(lines: ReadonlyMap<string, string>): string {
  const sorted = [...lines].map(([name, hash]) => ({ hash, name: Buffer.from(name) }));
  sorted.sort((a, b) => Buffer.compare(a.name, b.name));
  const whole = createHash("sha256");
  for (const { name, hash } of sorted) whole.update(`${hash}  `).update(name).update("\n");
  return whole.digest("base64");
}

function hostile(path: string, state: string): Failure {
  return new Failure("archive_hostile", `Cannot read the module "${path}": ${state}`);
}
