import { Failure } from "../../base/errors.ts";
import { readZipPieces } from "../../base/zip.ts";
import { normalName, normalVersion } from "./names.ts";

/** The metadata file of a wheel; a readme is in it. */
const metadataBytes = 16 * 1024 * 1024;

const wheelLimits = { directoryBytes: 64 * 1024 * 1024, entryBytes: 16 * 1024 ** 3, totalBytes: 64 * 1024 ** 3 };

/** What a wheel says of itself. */
export interface WheelMetadata {
  /** The file `METADATA` as it is. */
  readonly bytes: Buffer;
  readonly name: string;
  readonly version: string;
  readonly requiresPython: string | undefined;
}

/**
 * Reads the metadata of a wheel from a file.
 *
 * Source: binary distribution format, "The .dist-info directory"; core metadata specification.
 *
 * @throws Failure `archive_hostile` where it is no wheel, has no such file, or more than one
 */
export async function readWheelMetadata(path: string): Promise<WheelMetadata> {
  const found: Buffer[] = [];
  for await (const entry of readZipPieces(path, wheelLimits)) {
    if (!/^[^/]+\.dist-info\/METADATA$/.test(entry.name)) continue;
    if (entry.sizeBytes > metadataBytes || found.length > 0)
      throw hostile(found.length > 0 ? "it has two METADATA files" : "its METADATA is too large");
    const pieces: Buffer[] = [];
    for await (const piece of entry.pieces) pieces.push(Buffer.from(piece));
    found.push(Buffer.concat(pieces));
  }
  const bytes = found[0];
  if (bytes === undefined) throw hostile("it has no METADATA");
  const header = headerOf(bytes);
  const [name, version] = [header("name"), header("version")];
  if (name === undefined || version === undefined) throw hostile("its METADATA has no name or no version");
  return { bytes, name: normalName(name), version: normalVersion(version), requiresPython: header("requires-python") };
}

/** Finds fields of the header, which ends with an empty line; the first of a name counts. */
function headerOf(bytes: Buffer): (name: string) => string | undefined {
  const lines = bytes.toString("utf8").split(/\r?\n/);
  const end = lines.indexOf("");
  const header = end < 0 ? lines : lines.slice(0, end);
  return (name) =>
    header
      .find((line) => line.toLowerCase().startsWith(`${name}:`))
      ?.slice(name.length + 1)
      .trim();
}

function hostile(state: string): Failure {
  return new Failure("archive_hostile", `Cannot read the wheel: ${state}`);
}
